"""Puts the preset that a request names into the request: a shallow merge in which the request's own members win
(reference 2.7).

What all skins call the same is merged in the body, before it is parsed; the rest in the canonical request that any
skin makes of it, so that no skin has to know of presets.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.inference.preferences import PRESET
from turnpike.api.presets.config import SHARED, template_of
from turnpike.domain.api_keys import Principal
from turnpike.domain.chat import ChatRequest, ResponseCaching
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import SLUG_RULE, Preset, PresetVersion, is_slug

Find = Callable[[AccountId, str], Awaitable[Preset]]

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""What skins call the limit of an answer."""
_FOR_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
_TTL = "x-openrouter-cache-ttl"
_MOST_TEMPLATES = 1_000


@dataclass(frozen=True, slots=True)
class ExpandedRequest:
    """`content` is the body with the preset in it."""

    content: Mapping[str, Any]
    headers: Headers
    preset: Preset
    template: ChatRequest

    @property
    def preset_id(self) -> str:
        return self.preset.id

    def complete(self, request: ChatRequest, *, takes_tools: bool) -> ChatRequest:
        """`request` is what a skin made of `content`."""
        template, said = self.template, self.preset.designated.system_prompt
        parameters = {**template.parameters, **request.parameters}
        tools = _united(template.parameters.get("tools", ()), request.parameters.get("tools", ()))
        if tools:
            parameters["tools"] = tools
        if not takes_tools:
            parameters = {name: value for name, value in parameters.items() if name not in _FOR_TOOLS}
        compression = request.context_compression
        return replace(
            request,
            parameters=parameters,
            # Before whatever the request itself says to the model.
            messages=[{"role": "system", "content": said}, *request.messages] if said else request.messages,
            max_tokens=request.max_tokens or template.max_tokens,
            context_compression=template.context_compression if compression is None else compression,
            caching=self._caching(request.caching),
            preset_id=self.preset_id,
        )

    def _caching(self, asked: ResponseCaching | None) -> ResponseCaching | None:
        """https://openrouter.ai/docs/guides/features/response-caching: a preset that turns it off is obeyed."""
        config = self.preset.designated.config
        enabled, ttl_s = config.get("cache_enabled"), config.get("cache_ttl_seconds")
        if enabled is False:
            return None
        caching = asked or (ResponseCaching() if enabled else None)
        if caching is None or ttl_s is None or (asked and self.headers.get(_TTL)):
            return caching
        return replace(caching, ttl_s=ttl_s)


class ExpandPreset:
    """`find` raises NotFound for a preset that there is not, and TemporarilyBusy."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._templates: dict[str, ChatRequest] = {}
        """By version, which never changes."""

    async def __call__(self, principal: Principal, content: Mapping[str, Any], headers: Headers) -> ExpandedRequest:
        """Of a body that names one. Raises InvalidRequest, and as `find`."""
        return await self.for_account(principal.account_id, content, headers)

    async def for_account(self, account_id: AccountId, content: Mapping[str, Any], headers: Headers) -> ExpandedRequest:
        """The same, whichever of the account's keys asks."""
        slug, model = parse_reference(content)
        preset = await self._find(account_id, slug)
        template = self._template_of(preset.designated)
        return ExpandedRequest(_merged(content, model, preset, template), headers, preset, template)

    def _template_of(self, version: PresetVersion) -> ChatRequest:
        found = self._templates.get(version.id)
        if found is None:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            found = self._templates[version.id] = template_of(version.config)
        return found


def parse_reference(content: Mapping[str, Any]) -> tuple[str, str | None]:
    """The preset's slug, and the model that is named beside it: of `a/b@preset/x`, of `@preset/x`, or of the member
    `preset` with a model or none. Raises InvalidRequest.
    """
    slug, model = content.get("preset"), content.get("model")
    if slug is not None and not isinstance(slug, str):
        raise InvalidRequest("send the preset's slug, as text", field="preset")
    if isinstance(model, str) and PRESET in model:
        named, _, other = model.partition(PRESET)
        if slug is not None and slug != other:
            raise InvalidRequest("the model names another preset; send one of them", field="preset")
        slug, model = other, named or None
    if not slug or not is_slug(slug):
        raise InvalidRequest(f"this is no preset's slug: {SLUG_RULE}", field="preset")
    return slug, model


def _merged(content: Mapping[str, Any], model: str | None, preset: Preset, template: ChatRequest) -> dict[str, Any]:
    config = preset.designated.config
    # The version stands for what it says, so that the response cache does not take one for another.
    merged = {**content, "model": model, "preset": preset.designated.id}
    # What Anthropic's clients call the models behind the first one.
    own = {"models"} if content.get("fallbacks") else set()
    for name in SHARED:
        if merged.get(name) is None and name in config and name not in own:
            merged[name] = config[name]
    if template.max_tokens is not None and all(merged.get(name) is None for name in _LIMITS):
        merged["max_tokens"] = template.max_tokens
    if merged["model"] is None and not merged.get("models"):
        raise InvalidRequest(
            f"the preset {preset.slug} names no model; name one beside it, as in author/name{PRESET}{preset.slug}",
            field="model",
        )
    return merged


def _united(preset: Sequence[Mapping[str, Any]], request: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each once, the preset's first and in its order; of two that are the same tool, the request's stands."""
    tools = {_identity(tool): tool for tool in preset}
    return list((tools | {_identity(tool): tool for tool in request}).values())


def _identity(tool: Mapping[str, Any]) -> tuple[str, ...]:
    kind = str(tool.get("type"))
    if kind == "function":
        return kind, str(tool["function"]["name"])
    if kind in ("openrouter:advisor", "openrouter:subagent"):
        return kind, str((tool.get("parameters") or {}).get("name"))
    return (kind,)
