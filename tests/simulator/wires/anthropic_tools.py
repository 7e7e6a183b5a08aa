"""Tools of Anthropic's own: which there are, what they refuse, and a search that finds what it is told to.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-reference
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.simulator.asked import Json, unknown_of, words
from tests.simulator.said import Said, sign
from tests.simulator.trouble import Trouble

_EVERY = words("type name cache_control allowed_callers defer_loading strict")
_WEB = _EVERY | words("max_uses allowed_domains blocked_domains")
_SEARCH = _WEB | {"user_location"}
_FETCH = _WEB | words("citations max_content_tokens")
_LATER = {"response_inclusion"}
OWN: Mapping[str, frozenset[str]] = {
    "web_search_20250305": _SEARCH,
    "web_search_20260209": _SEARCH,
    "web_search_20260318": _SEARCH | _LATER,
    "web_fetch_20250910": _FETCH,
    "web_fetch_20260318": _FETCH | _LATER | {"use_cache"},
    "bash_20250124": _EVERY,
    "text_editor_20250728": _EVERY | {"max_characters"},
    "memory_20250818": _EVERY,
    "computer_20251124": _EVERY | words("display_width_px display_height_px display_number enable_zoom"),
}
"""Types, and the members that each has."""

_NAMES = {"text_editor_20250728": "str_replace_based_edit_tool"}
_RUN_BY_CLIENTS: Mapping[str, Json] = {
    "bash": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}
"""By name: what a call of those that clients run has, where it is known here."""

_NO_DOMAIN = re.compile(r"\w+://|[^/]*\*|[^*]*\*[^*]*\*|$")
_RESULTS = ("web_search_tool_result", "web_fetch_tool_result")
_BLOCKS = words("text thinking redacted_thinking tool_use server_tool_use") | set(_RESULTS)
_PLACES = words("type city region country timezone")
_CITED = "A page that says so."


def check_own(tools: Iterable[Json], known: Mapping[str, frozenset[str]]) -> tuple[Json, ...]:
    """Those that are not functions. Raises Trouble."""
    own = []
    for place, tool in enumerate(tools):
        kind = tool.get("type", "custom")
        if kind == "custom":
            continue
        if kind not in known:
            raise Trouble(
                "invalid", f"tools.{place}: Input tag '{kind}' found using 'type' does not match any of the tags"
            )
        _check(tool, known[kind], f"tools.{place}.{kind}")
        own.append(tool)
    return tuple(own)


def schemas_of(own: Iterable[Json]) -> dict[str, Json]:
    """What the calls of those that clients run have."""
    return {tool["name"]: _RUN_BY_CLIENTS[tool["name"]] for tool in own if tool["name"] in _RUN_BY_CLIENTS}


def _check(tool: Json, members: frozenset[str], path: str) -> None:
    unknown = unknown_of(tool, members)
    if unknown:
        raise Trouble("invalid", f"{path}.{unknown}: Extra inputs are not permitted")
    name = _NAMES.get(tool["type"]) or re.sub(r"_\d+$", "", tool["type"])
    if tool.get("name") != name:
        raise Trouble("invalid", f"{path}.name: Input should be '{name}'")
    if "allowed_domains" in tool and "blocked_domains" in tool:
        raise Trouble("invalid", f"{path}: only one of allowed_domains and blocked_domains may be given")
    for domain in (*tool.get("allowed_domains", ()), *tool.get("blocked_domains", ())):
        if _NO_DOMAIN.match(domain):
            # There it is the search that fails; here it must not come to that.
            raise Trouble("invalid", f"{path}: {domain} is no domain")
    if tool.get("max_uses", 1) < 1:
        raise Trouble("invalid", f"{path}.max_uses: Input should be greater than 0")
    location = tool.get("user_location") or {"type": "approximate"}
    if location.get("type") != "approximate" or unknown_of(location, _PLACES):
        raise Trouble("invalid", f"{path}.user_location: Input should be an approximate location")


class Uses:
    """Checks that what came of tools comes back whole: every use with its result, but where the answer paused."""

    def __init__(self) -> None:
        self._open: dict[str, Json] = {}

    def read(self, blocks: Sequence[Json]) -> None:
        """An assistant's turn. Raises Trouble."""
        for block in blocks:
            kind = block["type"]
            if kind not in _BLOCKS:
                raise Trouble(
                    "invalid", f"messages: Input tag '{kind}' found using 'type' does not match any of the tags"
                )
            if kind == "server_tool_use":
                if not isinstance(block["input"], dict):
                    raise Trouble("invalid", "server_tool_use.input: Input should be a valid dictionary")
                self._open[block["id"]] = block
            elif kind in _RESULTS:
                self._close(block)

    def _close(self, result: Json) -> None:
        use = self._open.pop(result["tool_use_id"], None)
        if use is None or not result["type"].startswith(use["name"]):
            raise Trouble("invalid", f"unexpected `tool_use_id` found in `{result['type']}`: {result['tool_use_id']}")
        content = result["content"]
        for found in content if isinstance(content, list) else ():
            if found.get("encrypted_content") != sign(use["input"]["query"]):
                raise Trouble("invalid", "Invalid `encrypted_content` in `web_search_result` block")

    def close(self) -> None:
        """The user goes on. Raises Trouble."""
        for use in self._open.values():
            raise Trouble(
                "invalid",
                f"`{use['name']}` tool use with id `{use['id']}` was found without a corresponding "
                f"`{use['name']}_tool_result` block",
            )


def searches(said: Said, own: Iterable[Json], query: str) -> tuple[Json, Json] | None:
    """The use of a search and what it found, before an answer in words; None where there is none."""
    tool = next((tool for tool in own if tool["name"] == "web_search"), None)
    if tool is None or said.calls:
        return None
    id_ = f"srvtoolu_{said.id}"
    use = {"type": "server_tool_use", "id": id_, "name": "web_search", "input": {"query": query}}
    site = next(iter(tool.get("allowed_domains", ())), "docs.example.com")
    page = {"url": f"https://{site}/page/0", "title": "The page"}
    found = {"type": "web_search_result", **page, "encrypted_content": sign(query), "page_age": None}
    return use, {"type": "web_search_tool_result", "tool_use_id": id_, "content": [found]}


def citation_of(result: Json) -> Json:
    [found] = result["content"]
    cited: dict[str, Any] = {"url": found["url"], "title": found["title"], "cited_text": _CITED}
    return {"type": "web_search_result_location", **cited, "encrypted_index": sign(found["url"])}
