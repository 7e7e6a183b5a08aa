"""Claude's own search of the web: https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.errors import InvalidRequest
from turnpike.domain.searches import EXPECTED

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
    tool: dict[str, Any] = {"type": _PLAIN, "name": "web_search", "max_uses": options.get("max_uses") or EXPECTED}
    named = [(member, options[given]) for given, member in _DOMAINS.items() if options.get(given)]
    if len(named) > 1:
        raise InvalidRequest("Claude's search takes either allowed or excluded domains", field="web_search_options")
    tool.update((member, _domains(given)) for member, given in named)
    location = options.get("user_location") or {}
    # OpenAI has the place in a member of its own.
    place = location.get("approximate") or location
    known = {name: place[name] for name in _LOCATION if place.get(name)}
    if known:
        tool["user_location"] = {"type": "approximate", **known}
    return tool


def _domains(given: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(map(_domain, given)))


def _domain(given: str) -> str:
    """A domain means its subdomains too, and a path what is below it; one `*` may stand within the path:
    https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools#domain-filtering. What is wrong is told
    to the model alone, whose search then fails.
    """
    domain = re.sub(r"^\w+://", "", given.strip()).removeprefix("*.").removesuffix("/*").rstrip("/")
    host, _, path = domain.partition("/")
    if not host or "*" in host or path.count("*") > 1:
        raise InvalidRequest(
            f"{given[:64]!r} is no domain for Claude's search; write it as example.com or example.com/path, "
            "which mean what is below them too",
            field="plugins.web",
        )
    return domain
