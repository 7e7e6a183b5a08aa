"""The members that bodies of every skin have: `provider` and `plugins` (reference 2.4 and 2.5), marks for caching."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag


class Checked(BaseModel):
    # Strict: "5" is not a number; the provider would get the string and refuse it in worse words.
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, defer_build=True)


class Closed(Checked):
    """An unknown key is refused: a misspelt policy must not pass for one that is met."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


LONGEST_SESSION_ID = 256


class CacheControl(Checked):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


Metadata = Annotated[
    dict[
        Annotated[str, Field(max_length=64, pattern=r"^[^\[\]]*$")],
        Annotated[str, Field(max_length=512)],
    ],
    Field(max_length=16),
]
"""The client's own words about a request, of which nothing is made here."""
SortBy = Literal["price", "throughput", "latency", "exacto"]
Quantization = Literal[
    "int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32", "unknown"
]
Measure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
ProviderName = Annotated[str, Field(min_length=1, max_length=256)]
Names = Annotated[list[ProviderName], Field(max_length=256)]


class Sort(Closed):
    by: SortBy | None = None
    partition: Literal["model", "none"] | None = None


class Percentiles(Closed):
    p50: Measure | None = None
    p75: Measure | None = None
    p90: Measure | None = None
    p99: Measure | None = None


class MaxPrice(Closed):
    prompt: str | float | None = None
    completion: str | float | None = None
    request: str | float | None = None
    image: str | float | None = None
    audio: str | float | None = None


class Provider(Closed):
    """The reference's 2.4."""

    order: Names | None = None
    only: Names | None = None
    ignore: Names | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    enforce_distillable_text: bool | None = None
    quantizations: list[Quantization] | None = None
    sort: SortBy | Sort | None = None
    max_price: MaxPrice | None = None
    preferred_min_throughput: Measure | Percentiles | None = None
    preferred_max_latency: Measure | Percentiles | None = None
    options: dict[str, dict[str, Any]] | None = None


class _Plugin(Checked):
    enabled: bool | None = None


MOST_PATTERNS = 1024
Patterns = Annotated[list[Annotated[str, Field(min_length=1, max_length=1024)]], Field(max_length=MOST_PATTERNS)]


class AutoRouterPlugin(_Plugin):
    id: Literal["auto-router"]
    allowed_models: Patterns | None = None
    excluded_models: Patterns | None = None
    cost_tier: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    cost_quality_tradeoff: Annotated[int, Field(ge=0, le=10)] | None = None
    pin_model: bool | None = None


class ContextCompressionPlugin(_Plugin):
    id: Literal["context-compression"]
    engine: Literal["middle-out"] | None = None


class ResponseHealingPlugin(_Plugin):
    id: Literal["response-healing"]


Domains = Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=100)]


Searches = Annotated[int, Field(ge=1, le=100)]
"""How many a model may make."""


class UserLocation(Checked):
    type: Literal["approximate"]
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class WebPlugin(_Plugin):
    """Other members, such as `mode`, are for engines that are not here."""

    id: Literal["web"]
    engine: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    max_results: Annotated[int, Field(ge=1, le=20)] | None = None
    search_prompt: Annotated[str, Field(min_length=1, max_length=8192)] | None = None
    include_domains: Domains | None = None
    exclude_domains: Domains | None = None
    max_uses: Searches | None = None
    user_location: UserLocation | None = None


class _Pdf(Checked):
    engine: Literal["native", "pdf-text", "cloudflare-ai", "mistral-ocr"] | None = None


class FileParserPlugin(_Plugin):
    id: Literal["file-parser"]
    pdf: _Pdf | None = None
    max_files: Annotated[int, Field(ge=1)] | None = None


class ModerationPlugin(_Plugin):
    id: Literal["moderation"]


class OtherPlugin(_Plugin):
    """One that this deployment does not have: refused, unless it is switched off."""

    id: Annotated[str, Field(min_length=1, max_length=64)]


def _kind_of(plugin: Any) -> str:
    id_ = plugin.get("id") if isinstance(plugin, dict) else None
    return id_ if id_ in PLUGINS else "other"


PLUGINS = ("auto-router", "context-compression", "file-parser", "moderation", "response-healing", "web")


Plugin = Annotated[
    Annotated[AutoRouterPlugin, Tag("auto-router")]
    | Annotated[ContextCompressionPlugin, Tag("context-compression")]
    | Annotated[FileParserPlugin, Tag("file-parser")]
    | Annotated[ModerationPlugin, Tag("moderation")]
    | Annotated[ResponseHealingPlugin, Tag("response-healing")]
    | Annotated[WebPlugin, Tag("web")]
    | Annotated[OtherPlugin, Tag("other")],
    Discriminator(_kind_of),
]

ModelName = Annotated[str, Field(min_length=1)]


class RoutedBody(Checked):
    """What the body of every chat has, in whichever skin: whom to ask, and how it goes there and back."""

    model: ModelName | None = None
    models: Annotated[list[ModelName], Field(max_length=16)] | None = None
    provider: Provider | None = None
    plugins: Annotated[list[Plugin], Field(max_length=32)] | None = None
    stream: bool | None = None
    user: Annotated[str, Field(max_length=256)] | None = None
    session_id: Annotated[str, Field(max_length=LONGEST_SESSION_ID)] | None = None
