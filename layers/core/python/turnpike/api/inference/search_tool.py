"""OpenRouter's tool that searches the web: here it is the search of the model's provider.

https://openrouter.ai/docs/guides/features/server-tools/web-search
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from turnpike.api.inference.routing_schema import Checked, Domains, Searches, UserLocation
from turnpike.api.validation import parse
from turnpike.domain.chat import ChatRequest, WebSearch
from turnpike.domain.errors import InvalidRequest

_NATIVE = (None, "auto", "native")


class _Config(Checked):
    """Other members are for engines."""

    engine: str | None = None
    allowed_domains: Domains | None = None
    excluded_domains: Domains | None = None
    max_uses: Searches | None = None
    user_location: UserLocation | None = None


class _SearchTool(_Config):
    """OpenRouter's own has its settings in `parameters`, the one in OpenAI's words beside the type."""

    parameters: _Config | None = None


def with_search(request: ChatRequest, tool: Mapping[str, Any], path: str) -> ChatRequest:
    """The request with a search in place of its tool. Raises InvalidRequest.

    The model decides whether to search, as the tool promises. An engine of the deployment's searches whenever it is
    asked, and costs as often: that is for the plugin.
    """
    try:
        given = parse(_SearchTool, tool)
    except InvalidRequest as error:
        told = error.message.removeprefix(f"{error.field}: ")
        raise InvalidRequest(told, field=f"{path}.{error.field}") from None
    if request.plugins.web is not None:
        raise InvalidRequest("send either this tool or the plugin web", field=path)
    config = given.parameters or given
    if config.engine not in _NATIVE:
        raise InvalidRequest(
            "as a tool only the search of the model's provider can be had here; the plugin web takes an engine, which "
            "searches before the model is asked",
            field=f"{path}.engine",
        )
    location = config.user_location.model_dump(exclude_none=True, exclude={"type"}) if config.user_location else None
    web = WebSearch(
        engine="native",
        include_domains=tuple(config.allowed_domains or ()),
        exclude_domains=tuple(config.excluded_domains or ()),
        user_location=location,
        max_uses=config.max_uses,
        as_tool=True,
    )
    return replace(request, plugins=replace(request.plugins, web=web))
