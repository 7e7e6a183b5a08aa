"""The canonical chat: what every skin parses into and every wire format is built from.

Messages and parameters keep the shape of OpenAI's chat completions, which OpenRouter's clients speak;
wire formats that differ translate from it. Deltas are the canonical answer, streamed or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from turnpike.domain.errors import TurnpikeError
from turnpike.domain.native import Dialect, NativeTool

Message = Mapping[str, Any]
"""A validated chat message: `role`, `content`, and what belongs to that role."""

FinishReason = Literal["tool_calls", "stop", "length", "content_filter", "error"]

KINDS: Mapping[str, str] = {
    "image_url": "image",
    "file": "file",
    "input_audio": "audio",
    "video_url": "video",
    "input_video": "video",
    "input_file": "file",
}
"""Of content parts, by their type; whatever is no text."""

SortBy = Literal["price", "throughput", "latency", "exacto"]
CostTier = Literal["low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True, slots=True)
class ProviderPreferences:
    """The client's `provider` object; names are lower case, prices Decimal-ready strings in USD per million."""

    order: tuple[str, ...] = ()
    """Of providers' slugs, names or endpoints' tags, as are `only` and `ignore`."""
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    allow_fallbacks: bool = True
    require_parameters: bool = False
    data_collection: Literal["allow", "deny"] = "allow"
    zdr: bool = False
    enforce_distillable_text: bool = False
    """Whether only models may serve of which it is known that others may be trained on what they write."""
    quantizations: tuple[str, ...] = ()
    sort: SortBy | None = None
    partition: Literal["model", "none"] = "model"
    """Whether endpoints are sorted within their model, or those of all models together."""
    preferred_min_throughput: Mapping[str, float] = field(default_factory=dict)
    """Tokens a second by percentile: `p50`, `p75`, `p90`, `p99`."""
    preferred_max_latency: Mapping[str, float] = field(default_factory=dict)
    """Seconds to the first content, by percentile."""
    max_price: Mapping[str, str] = field(default_factory=dict)
    """By part: `prompt`, `completion`, `audio`; and `image` and `request`, which are in USD for each of them."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What goes as it is into the body that this provider is sent, by slug or name."""


@dataclass(frozen=True, slots=True)
class AutoRouting:
    """The settings of the plugin `auto-router`: what `openrouter/auto` may choose from."""

    allowed_models: tuple[str, ...] = ()
    """Slugs in which `*` stands for anything; empty allows all."""
    excluded_models: tuple[str, ...] = ()
    cost_tier: CostTier | None = None
    cost_quality_tradeoff: int | None = None
    """0 to 10, the higher the cheaper: the older form of `cost_tier`, which goes before it."""
    pin_model: bool = False
    """Whether the model of the last assistant message, as its member `model` says, answers the next turn too."""


@dataclass(frozen=True, slots=True)
class WebSearch:
    """The settings of the plugin `web`; the last two say what a deployment makes of them, and how it was asked for."""

    engine: str | None = None
    """`native` is the provider's own search; None leaves it to the endpoint and the deployment."""
    max_results: int = 5
    search_prompt: str | None = None
    """What is said before the results; None for the usual words."""
    include_domains: tuple[str, ...] = ()
    """Patterns in which `*` stands for anything, with or without a path; empty allows all."""
    exclude_domains: tuple[str, ...] = ()
    user_location: Mapping[str, Any] | None = None
    """As OpenAI has it in `web_search_options.user_location.approximate`; for providers that search themselves."""
    max_uses: int | None = None
    """How often a provider may search that decides so itself."""
    native_first: bool = False
    """Whether endpoints that search by themselves do so, and `engine` is for the others."""
    by_slug: bool = False
    """Whether only those models are to search whose slug ends in `:online`."""
    as_tool: bool = False
    """Whether a tool of the request asks for it."""


@dataclass(frozen=True, slots=True)
class FileParsing:
    """The settings of the plugin `file-parser`."""

    engine: Literal["native", "text", "ocr"] | None = None
    """None has only those endpoints given text that do not read files; `ocr` makes text of pictures of it, too."""
    max_files: int | None = None
    enabled: bool = True
    replaces_files: bool = False
    """Whether the text of files can take their place, so that any model may be asked: the deployment decides."""


@dataclass(frozen=True, slots=True)
class PromptPlugins:
    """What plugins are to do with a prompt before it goes to anybody."""

    web: WebSearch | None = None
    file_parsing: FileParsing = FileParsing()
    moderation: bool = False


@dataclass(frozen=True, slots=True)
class ResponseCaching:
    """What the headers say of the response cache: whether to use it, for how long, and whether to start anew."""

    enabled: bool = True
    ttl_s: int = 300
    clear: bool = False


TEXT_ALONE = ("text",)
"""As `modalities`, of an answer in which nothing is to be drawn."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request, validated. `models` are the slugs to try in order, at least one."""

    models: tuple[str, ...]
    messages: Sequence[Message]
    parameters: Mapping[str, Any]
    """Everything that goes to the provider when its endpoint supports it: sampling, tools, formats."""
    stream: bool = False
    max_tokens: int | None = None
    takes_less: bool = False
    """Whether `max_tokens` is only a ceiling: where an endpoint or the credit ends below it, so does the answer."""
    provider: ProviderPreferences = ProviderPreferences()
    user: str | None = None
    session_id: str | None = None
    auto_router: AutoRouting = AutoRouting()
    context_compression: bool | None = None
    """Whether a prompt that is too long is shortened; None leaves it to the endpoint's context length."""
    response_healing: bool = False
    plugins: PromptPlugins = PromptPlugins()
    caching: ResponseCaching | None = None
    """None where the client said nothing of it."""
    betas: tuple[str, ...] = ()
    """Previews of Anthropic's API that the client would use, by name; only its wire format knows them."""
    preset_id: str | None = None
    """The preset that is a part of it."""
    custom_tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Those of the functions that take one text, by name, as OpenAI declares them; only its Responses take them so."""
    native_tools: tuple[NativeTool, ...] = ()
    """Beside the functions in `parameters`, those that an API defines."""
    dialect: Dialect | None = None
    """The API that alone can answer it, for the sake of its tools, or of what came of them; None where any can."""

    @property
    def media_field(self) -> str:
        return "messages"

    @property
    def input_kinds(self) -> frozenset[str]:
        """Kinds of content besides text that the messages hold: image, file, audio, video."""
        found: set[str] = set()
        for message in self.messages:
            content = message.get("content")
            if isinstance(content, list):
                found.update(KINDS[part["type"]] for part in content if part.get("type") in KINDS)
        if self.plugins.file_parsing.replaces_files:
            found.discard("file")
        return frozenset(found)

    @property
    def output_kinds(self) -> frozenset[str]:
        return frozenset(self.parameters.get("modalities") or ("text",))

    @property
    def demands(self) -> frozenset[str]:
        """Parameters that no endpoint may drop: of a chat, those that its preferences say."""
        return frozenset()

    def unmet(self, endpoint: object) -> Sequence[str]:
        return ()


def texts_of(message: Message) -> list[str]:
    """What a message says in text: its content, or the parts of it that are text."""
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if part.get("type") == "text"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider's tokenizer counts them.

    `prompt_tokens` includes `cached_tokens`, `cache_write_tokens`, and those of sound and images, which may be cached
    too; `completion_tokens` includes `reasoning_tokens`, and those of sound and images.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    prompt_audio_tokens: int = 0
    completion_audio_tokens: int = 0
    estimated: bool = False
    """True when the provider reported nothing and these were counted from the text."""
    cache_write_1h_tokens: int = 0
    """Of `cache_write_tokens`, those that are kept for an hour."""
    completion_image_tokens: int = 0
    web_search_requests: int = 0
    cached_audio_tokens: int = 0
    """Of `cached_tokens`, those of sound; `prompt_audio_tokens` includes them."""
    prompt_image_tokens: int = 0
    prompt_images: int = 0
    """How many images the prompt has, counted by us, and only for endpoints that charge for each."""
    search_units: int = 0
    """Of a rerank: one for a query with as many documents as the provider's price takes."""
    prompt_characters: int = 0
    """Of a text to be spoken, counted by us, and only for endpoints that charge for each."""
    prompt_audio_ms: int = 0
    """The length of a recording to be transcribed, for endpoints that charge for it."""
    completion_images: int = 0
    """How many images the answer has, counted by us, and only of what was asked for images alone."""
    image_variant: str | None = None
    """Which of an endpoint's prices for an image is theirs: a tier, a quality, or both as in `2K/high`."""


def add_usages(usages: Sequence[Usage]) -> Usage:
    """Of several answers. One that was estimated makes the sum an estimate; what is no number is that of the first."""
    sums: dict[str, Any] = {
        each.name: sum(getattr(usage, each.name) for usage in usages) for each in fields(Usage) if each.type is int
    }
    first = usages[0].image_variant if usages else None
    return Usage(**sums, estimated=any(usage.estimated for usage in usages), image_variant=first)


@dataclass(slots=True)
class Delta:
    """A piece of an answer. Not frozen: thousands are made a second, and frozen ones cost three times as much.

    `tool_calls` have OpenAI's streaming shape (`index`, then `id`, `type`, `function{name, arguments}`).
    `extra` holds other members of the message (`images`, `annotations`, `audio`, `logprobs` under the choice).
    A delta with `error` is the last one.
    """

    content: str | None = None
    reasoning: str | None = None
    tool_calls: Sequence[Mapping[str, Any]] | None = None
    reasoning_details: Sequence[Mapping[str, Any]] | None = None
    refusal: str | None = None
    native: Mapping[str, Any] | None = None
    """A whole block or item for which only its own API has words, as `native_part` makes it."""
    finish_reason: FinishReason | None = None
    native_finish_reason: str | None = None
    usage: Usage | None = None
    error: TurnpikeError | None = None
    index: int = 0
    extra: Mapping[str, Any] | None = None
    logprobs: Mapping[str, Any] | None = None
    upstream_id: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None

    @property
    def has_content(self) -> bool:
        """Whether a client would see something of it: after the first such delta there is no fallback."""
        return bool(
            self.content
            or self.reasoning
            or self.tool_calls
            or self.reasoning_details
            or self.refusal
            or self.extra
            or self.native
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer: one message per choice (`role`, `content`, `tool_calls`, …), with how each ended."""

    choices: Sequence["Choice"]
    usage: Usage | None
    upstream_id: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    index: int
    message: Mapping[str, Any]
    finish_reason: FinishReason | None
    native_finish_reason: str | None
    logprobs: Mapping[str, Any] | None = None
    parts: Sequence[Mapping[str, Any]] | None = None
    """What the message says and what is native to its API, in order as parts of content, where there is any of that."""
