"""Members of answers, read from the Responses API's form into chat's."""

from collections.abc import Iterable, Mapping
from typing import Any

from turnpike.domain.chat import FinishReason, Usage

Json = Mapping[str, Any]

_INCOMPLETE: Mapping[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}

_MOST_TOKENS = 10**12


WAITING = frozenset({"local_shell_call", "shell_call", "apply_patch_call", "computer_call"})
"""Of items that are calls of the API's own tools, those that the client answers."""
PLAIN = frozenset({"message", "reasoning", "function_call", "custom_tool_call", "image_generation_call"})
"""Of items, those that chat has words for."""


def is_search(given: Json) -> bool:
    """Whether an item is a search that is charged for: one that took place, and not a page that was opened.

    https://developers.openai.com/api/docs/guides/tools-web-search#output-and-citations
    """
    if given.get("type") != "web_search_call" or given.get("status", "completed") != "completed":
        return False
    action = given.get("action")
    return not isinstance(action, Mapping) or action.get("type", "search") == "search"


def parse_usage(given: Json, searches: int = 0) -> Usage:
    """`searches`: those that the answer shows, for servers that do not count them."""
    # xAI charges for what succeeded: https://docs.x.ai/developers/tools/tool-usage-details
    counted = given.get("server_side_tool_usage_details")
    if isinstance(counted, Mapping) and "web_search_calls" in counted:
        searches = _count(counted, "web_search_calls")
    of_input = given.get("input_tokens_details") or {}
    of_output = given.get("output_tokens_details") or {}
    cached, written = _count(of_input, "cached_tokens"), _count(of_input, "cache_write_tokens")
    reasoning = _count(of_output, "reasoning_tokens")
    return Usage(
        # The parts are priced apart, so they must not exceed the whole.
        prompt_tokens=max(_count(given, "input_tokens"), cached + written),
        completion_tokens=max(_count(given, "output_tokens"), reasoning),
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        web_search_requests=searches,
    )


def parse_end(response: Json, *, has_calls: bool) -> tuple[FinishReason, str]:
    """(finish reason, the provider's own word) of a response that is completed or incomplete."""
    finished: FinishReason = "tool_calls" if has_calls else "stop"
    if response.get("status") != "incomplete":
        return finished, "completed"
    reason = (response.get("incomplete_details") or {}).get("reason")
    if not isinstance(reason, str):
        return "length", "incomplete"
    return _INCOMPLETE.get(reason, finished), reason


def parse_logprobs(given: Iterable[Json]) -> dict[str, Any]:
    """Chat wants the bytes of every token, which streams leave out here."""
    return {
        "content": [
            {**_logprob(each), "top_logprobs": [_logprob(other) for other in each.get("top_logprobs") or ()]}
            for each in given
        ]
    }


def parse_annotation(given: Json, offset: int) -> dict[str, Any]:
    """OpenRouter's form: what was said of a place in one text is said of the whole content, `offset` later."""
    kind = str(given["type"])
    members = {name: value for name, value in given.items() if name != "type"}
    for name in ("start_index", "end_index", "index"):
        if isinstance(members.get(name), int):
            members[name] += offset
    return {"type": kind, kind: members}


def image_of(given: Json) -> dict[str, Any]:
    address = f"data:image/{given.get('output_format') or 'png'};base64,{given['result']}"
    return {"type": "image_url", "image_url": {"url": address}}


def text_of(value: object) -> str:
    """Raises TypeError for what is no text."""
    if not isinstance(value, str):
        raise TypeError("a text is none")
    return value


def _logprob(given: Json) -> dict[str, Any]:
    token = str(given["token"])
    return {"token": token, "logprob": given["logprob"], "bytes": given.get("bytes") or list(token.encode())}


def _count(given: Json, name: str) -> int:
    value = given.get(name)
    return int(value) if isinstance(value, int | float) and 0 < value < _MOST_TOKENS else 0
