"""The provider's own search of the web as a tool, and the other tools that an API defines, beside the functions.

https://developers.openai.com/api/docs/guides/tools-web-search, https://docs.x.ai/developers/tools/web-search
"""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import family_of
from turnpike.domain.searches import MOST, OPTIONS, plain_domain, searches_with
from turnpike.domain.tool_choice import ALLOWED, is_narrow
from turnpike.providers.openai_responses.servers import Server

TOOL = "web_search"
_PREVIEW = "web_search_preview"


def build_tools(request: ChatRequest, endpoint: Endpoint, server: Server) -> list[dict[str, Any]]:
    """The tools that are no functions. Raises InvalidRequest."""
    tools = [tool.declared for tool in request.native_tools if tool.dialect == "responses"]
    choice = request.parameters.get("tool_choice")
    if not server.narrow_choices and is_narrow(choice):
        allowed = {family_of(each["type"]) for each in choice[ALLOWED]["tools"]}
        tools = [tool for tool in tools if family_of(tool["type"]) in allowed]
    native = [_declared(tool) for tool in tools]
    if searches_with(request, endpoint) and not searches(native):
        native.append(_search(request.parameters[OPTIONS], server))
    return native


def most_calls(request: ChatRequest, tools: Sequence[Mapping[str, Any]]) -> int | None:
    """How often tools that run at the provider may be called; where nobody said it and there is a search among them,
    as many as search, and open what they find.
    """
    options = request.parameters.get(OPTIONS) or {}
    most = request.parameters.get("max_tool_calls") or options.get("max_uses")
    if isinstance(most, int) and most > 0:
        return most
    return 2 * MOST if searches(tools) else None


def build_choice(choice: Any) -> Any:
    """A choice of tools in this API's own words."""
    if isinstance(choice, dict) and str(choice.get("type")).startswith(_PREVIEW):
        return {"type": TOOL}
    return choice


def searches(tools: Sequence[Mapping[str, Any]]) -> bool:
    return any(tool["type"].startswith(TOOL) for tool in tools)


def _declared(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The preview as what came of it: at models that do not reason it costs two and a half times as much, and no usage
    tells which of the two was called (https://developers.openai.com/api/docs/pricing).
    """
    if not str(tool["type"]).startswith(_PREVIEW):
        return dict(tool)
    return {**tool, "type": TOOL}


def _search(options: Mapping[str, Any], server: Server) -> dict[str, Any]:
    """Its options are those of chat completions, and what the plugin `web` adds to them. The former nobody has checked
    for more than being an object.
    """
    tool: dict[str, Any] = {"type": TOOL}
    location = options.get("user_location")
    if isinstance(location, dict):
        # Chat completions have the place in a member of its own.
        place = location.get("approximate")
        tool["user_location"] = {**(place if isinstance(place, dict) else location), "type": "approximate"}
    size = options.get("search_context_size")
    if isinstance(size, str) and server.context_sizes:
        tool["search_context_size"] = size
    named = (("allowed_domains", "allowed_domains"), ("excluded_domains", server.excluded_domains))
    filters = {theirs: domains for ours, theirs in named if (domains := _domains(options.get(ours), server))}
    if filters:
        tool["filters"] = filters
    return tool


def _domains(given: object, server: Server) -> list[str]:
    """Subdomains are always included. Raises InvalidRequest."""
    named = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    domains = [domain for each in named if (domain := plain_domain(each))]
    if len(domains) < len(named) or len(domains) > server.most_domains:
        raise InvalidRequest(
            f"this model's provider searches by up to {server.most_domains} domains of either kind, with no paths or "
            "patterns in them; name fewer, or an engine of the plugin web",
            field="plugins",
        )
    return domains
