"""Claude's own search of the web: https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.errors import InvalidRequest
from turnpike.domain.searches import MOST, domain_and_path

_PLAIN = "web_search_20250305"
"""The version without filters, which every model with a search has, and Google's platform too. Later ones run code on
what they find, in a container that a turn may have to come back to.
"""

_LOCATION = ("city", "region", "country", "timezone")
_DOMAINS = {"allowed_domains": "allowed_domains", "excluded_domains": "blocked_domains"}


def search_tool(options: Mapping[str, Any]) -> dict[str, Any]:
    """The tool for what chat completions call `web_search_options`; their `search_context_size` has no equivalent.

    A model searches as often as it likes unless it is limited, and a hold is for what is expected of it: without a
    limit of the client's that is the limit. "Simple factual queries typically use 1-3 searches", the page above says.

    Raises InvalidRequest for domains that the API has no words for.
    """
    limit = options.get("max_uses")
    most = limit if isinstance(limit, int) and limit > 0 else MOST
    tool: dict[str, Any] = {"type": _PLAIN, "name": "web_search", "max_uses": most}
    named = {member: _domains(options.get(given)) for given, member in _DOMAINS.items()}
    if all(named.values()):
        raise InvalidRequest("Claude's search takes either allowed or excluded domains", field="web_search_options")
    tool.update((member, domains) for member, domains in named.items() if domains)
    location = _object(options.get("user_location"))
    # OpenAI has the place in a member of its own.
    place = _object(location.get("approximate")) or location
    known = {name: place[name] for name in _LOCATION if place.get(name)}
    if known:
        tool["user_location"] = {"type": "approximate", **known}
    return tool


def _object(given: object) -> Mapping[str, Any]:
    """Of options nobody checks more than that they are an object."""
    return given if isinstance(given, dict) else {}


def _domains(given: object) -> list[str]:
    domains = given if isinstance(given, list) else []
    return list(dict.fromkeys(_domain(each) for each in domains if isinstance(each, str)))


def _domain(given: str) -> str:
    """A domain means its subdomains too, and a path what is below it; one `*` may stand within the path:
    https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools#domain-filtering. What is wrong is told
    to the model alone, whose search then fails.
    """
    domain = domain_and_path(given)
    if domain is None:
        raise InvalidRequest(
            f"{given[:64]!r} is no domain for Claude's search; write it as example.com or example.com/path, "
            "which mean what is below them too",
            field="plugins.web",
        )
    return domain
