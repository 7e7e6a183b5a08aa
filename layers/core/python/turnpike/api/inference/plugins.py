"""What plugins and headers ask for besides the answer itself (reference 2.5 and 1.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from starlette.datastructures import Headers

from turnpike.api.inference.routing_schema import (
    PLUGINS,
    AutoRouterPlugin,
    ContextCompressionPlugin,
    FileParserPlugin,
    ModerationPlugin,
    OtherPlugin,
    Plugin,
    ResponseHealingPlugin,
    WebPlugin,
)
from turnpike.domain.chat import AutoRouting, FileParsing, PromptPlugins, ResponseCaching, WebSearch
from turnpike.domain.errors import InvalidRequest

_MOST_PATTERN_CHARACTERS = 65_536
_SHORTEST_TTL_S, _LONGEST_TTL_S = 1, 86_400
_MOST_BETAS = 32
_FILE_ENGINES: Mapping[str, Literal["native", "text", "ocr"]] = {
    "native": "native",
    "pdf-text": "text",
    "cloudflare-ai": "text",
    "mistral-ocr": "ocr",
}
"""Of OpenRouter's names two are for the one that makes text of what a PDF says, and costs nothing."""
_MOST_DIGITS = 6
"""Of a TTL; more of them are beyond the longest anyway."""


@dataclass(frozen=True, slots=True)
class Plugins:
    auto_router: AutoRouting = field(default_factory=AutoRouting)
    context_compression: bool | None = None
    response_healing: bool = False
    on_prompt: PromptPlugins = field(default_factory=PromptPlugins)
    offline: bool = False
    """Whether searches are switched off, so that `:online` behind a model means nothing either."""


def parse_plugins(given: Sequence[Plugin] | None, *, transforms: Sequence[str] | None = None) -> Plugins:
    """The last of several with the same id counts. Raises InvalidRequest for one that is not to be had here."""
    plugins = Plugins()
    if transforms is not None:
        # The older name of the plugin context-compression; an empty list switches it off.
        plugins = replace(plugins, context_compression=bool(transforms))
    for place, plugin in enumerate(given or ()):
        enabled = plugin.enabled is not False
        match plugin:
            case AutoRouterPlugin():
                plugins = replace(plugins, auto_router=_auto_routing(plugin, place) if enabled else AutoRouting())
            case ContextCompressionPlugin():
                plugins = replace(plugins, context_compression=enabled)
            case ResponseHealingPlugin():
                plugins = replace(plugins, response_healing=enabled)
            case WebPlugin():
                plugins = _on_prompt(plugins, web=_web_search(plugin) if enabled else None)
                plugins = replace(plugins, offline=not enabled)
            case FileParserPlugin():
                plugins = _on_prompt(plugins, file_parsing=_file_parsing(plugin, enabled=enabled))
            case ModerationPlugin():
                plugins = _on_prompt(plugins, moderation=enabled)
            case OtherPlugin() if enabled:
                raise InvalidRequest(
                    f"this deployment has the plugins {', '.join(PLUGINS)}; leave others out",
                    field=f"plugins.{place}.id",
                )
    return plugins


def parse_caching(headers: Headers) -> ResponseCaching | None:
    """`X-OpenRouter-Cache`, `-TTL` and `-Clear`: https://openrouter.ai/docs/guides/features/response-caching"""
    asked = headers.get("x-openrouter-cache", "").strip().lower()
    if asked not in ("true", "false"):
        return None
    return ResponseCaching(
        enabled=asked == "true",
        ttl_s=_ttl_s(headers.get("x-openrouter-cache-ttl", "")),
        clear=headers.get("x-openrouter-cache-clear", "").strip().lower() == "true",
    )


def parse_betas(headers: Headers, *names: str) -> tuple[str, ...]:
    """The previews that headers list, each once."""
    listed = (each.strip() for name in names for each in headers.get(name, "").split(","))
    return tuple(dict.fromkeys(each for each in listed if each))[:_MOST_BETAS]


def _ttl_s(text: str) -> int:
    """What it begins with as a number of seconds, within the limits; the default where it begins with no digit."""
    text = text.strip()
    digits = text[: next((place for place, each in enumerate(text) if each not in "0123456789"), len(text))]
    if not digits:
        return ResponseCaching().ttl_s
    seconds = int(digits) if len(digits) <= _MOST_DIGITS else _LONGEST_TTL_S
    return min(max(seconds, _SHORTEST_TTL_S), _LONGEST_TTL_S)


def _on_prompt(plugins: Plugins, **changes: Any) -> Plugins:
    return replace(plugins, on_prompt=replace(plugins.on_prompt, **changes))


def _web_search(plugin: WebPlugin) -> WebSearch:
    location = plugin.user_location
    return WebSearch(
        engine=plugin.engine,
        max_results=plugin.max_results or WebSearch().max_results,
        search_prompt=plugin.search_prompt,
        include_domains=tuple(plugin.include_domains or ()),
        exclude_domains=tuple(plugin.exclude_domains or ()),
        max_uses=plugin.max_uses,
        user_location=location.model_dump(exclude_none=True, exclude={"type"}) if location else None,
    )


def _file_parsing(plugin: FileParserPlugin, *, enabled: bool) -> FileParsing:
    engine = plugin.pdf.engine if plugin.pdf else None
    return FileParsing(_FILE_ENGINES.get(engine or ""), plugin.max_files, enabled)


def _auto_routing(plugin: AutoRouterPlugin, place: int) -> AutoRouting:
    for name, patterns in (("allowed_models", plugin.allowed_models), ("excluded_models", plugin.excluded_models)):
        if sum(map(len, patterns or ())) > _MOST_PATTERN_CHARACTERS:
            raise InvalidRequest(
                f"together they may have at most {_MOST_PATTERN_CHARACTERS} characters", field=f"plugins.{place}.{name}"
            )
    return AutoRouting(
        allowed_models=tuple(plugin.allowed_models or ()),
        excluded_models=tuple(plugin.excluded_models or ()),
        cost_tier=plugin.cost_tier,
        cost_quality_tradeoff=plugin.cost_quality_tradeoff,
        pin_model=bool(plugin.pin_model),
    )
