"""Members that whole answers and streams have in common."""

from collections.abc import Mapping
from typing import Any

import orjson

from turnpike.domain.chat import FinishReason, Usage

Json = Mapping[str, Any]

REASONING_FORMAT = "unknown"
"""OpenRouter has no name for Cohere's reasoning, which is plain text (reference 2.2)."""

PLAN_ID = "tool_plan"
"""The id of the detail that holds a tool plan, so that the plan goes back as one."""

FINISH_REASONS: Mapping[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    # The first version's, which deployments of it elsewhere still say.
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
}
"""https://docs.cohere.com/reference/chat; words that nobody documents count as a stop."""

_MOST_TOKENS = 1e12
"""What is more is no count; it also keeps infinity out."""


def parse_usage(given: Json) -> Usage | None:
    """Tokens as Cohere bills them, which are less than what its model reads and writes.

    `tokens` also counts Cohere's own preamble (some 1,600 tokens before a question of 39) and the marks of
    thoughts and citations, none of which anybody pays for; prices are per billed token, and so are ours:
    https://docs.cohere.com/docs/how-does-cohere-pricing-work. Without `billed_units` there is only `tokens`.
    `cached_tokens` counts from the prompt's beginning, where the unbilled preamble is, so only what goes
    beyond it is a part of the billed prompt.
    """
    billed, seen = _object(given, "billed_units"), _object(given, "tokens")
    if not billed and not seen:
        return None
    prompt = _count(billed if "input_tokens" in billed else seen, "input_tokens")
    unbilled = max(_count(seen, "input_tokens") - prompt, 0)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=_count(billed if "output_tokens" in billed else seen, "output_tokens"),
        cached_tokens=min(max(_count(given, "cached_tokens") - unbilled, 0), prompt),
    )


def annotations_of(citation: Json, starts: Mapping[int, int]) -> list[Json]:
    """One annotation for each source of a citation. `starts`: where each block of text begins in the answer.

    A span in a thought or a plan is none in the answer, and is 0 to 0. Sources are documents and results of
    tools; one without a web address goes by its id, which is the client's own.
    https://docs.cohere.com/docs/documents-and-citations
    """
    start = end = 0
    if citation.get("type") in (None, "TEXT_CONTENT"):
        offset = starts.get(citation.get("content_index") or 0, 0)
        start, end = offset + (citation.get("start") or 0), offset + (citation.get("end") or 0)
    return [_annotation(source, start, end) for source in citation.get("sources") or ()]


def logprobs_of(items: Any) -> Json | None:
    """In OpenAI's form. An item is a piece of text with one probability for each of its tokens: as one token
    it has their product, which is the sum of the logarithms."""
    given = items if isinstance(items, list) else [items]
    content = [
        {"token": item["text"], "logprob": sum(item["logprobs"]), "bytes": None, "top_logprobs": []}
        for item in given
        if isinstance(item, dict) and item.get("logprobs") and isinstance(item.get("text"), str)
    ]
    return {"content": content} if content else None


def arguments_of(function: Json) -> str:
    """Always text, though an object would say the same."""
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else orjson.dumps(arguments).decode()


def _annotation(source: Json, start: int, end: int) -> Json:
    data = source.get("document") or source.get("tool_output") or {}
    name = str(source.get("id") or data.get("id") or source.get("type") or "")
    url = data.get("url")
    content = data.get("text") or data.get("snippet")
    cited: dict[str, Any] = {
        "url": url if isinstance(url, str) and url.startswith(("https://", "http://")) else name,
        "title": str(data.get("title") or name),
        "start_index": start,
        "end_index": end,
    }
    if data:
        cited["content"] = content if isinstance(content, str) else orjson.dumps(data).decode()
    return {"type": "url_citation", "url_citation": cited}


def _count(given: Json, name: str) -> int:
    value = given.get(name)
    return int(value) if isinstance(value, int | float) and 0 < value < _MOST_TOKENS else 0


def _object(given: Json, name: str) -> Json:
    value = given.get(name)
    return value if isinstance(value, dict) else {}
