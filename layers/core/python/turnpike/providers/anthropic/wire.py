"""Members of a message that mean something to OpenRouter's clients: how it ended, what it cost, what it cites."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.chat import FinishReason, Usage

Json = Mapping[str, Any]

FORM = "anthropic-claude-v1"
"""The format of our reasoning details, as OpenRouter names it."""

# https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons
_FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    # Anthropic's own tools have used up their turn; the client may continue the conversation.
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}

# "default" is OpenAI's word for what Anthropic calls "standard".
_SERVICE_TIERS = {"standard": "default"}

_MOST_TOKENS = 10**12
"""What is more is no count."""


def parse_finish_reason(native: str | None, *, has_tool_calls: bool) -> FinishReason:
    """Words that nobody documents count as a stop: the answer is whole, as far as anyone says."""
    reason = _FINISH_REASONS.get(native or "", "stop")
    # Agents go by it, and would never run calls that came with another word.
    return "tool_calls" if has_tool_calls and reason == "stop" else reason


def parse_usage(given: Json) -> Usage:
    """`input_tokens` leave out what the cache was asked for; the price of each part is its own.

    What the API spent on compacting the conversation is listed apart, and not in the sums:
    https://platform.claude.com/docs/en/build-with-claude/compaction
    """
    rounds = given.get("iterations")
    listed = [each for each in rounds if isinstance(each, dict)] if isinstance(rounds, list) else []
    parts = [given, *(each for each in listed if each.get("type") == "compaction")]
    read = sum(_count(part, "cache_read_input_tokens") for part in parts)
    written = sum(_written(part) for part in parts)
    return Usage(
        prompt_tokens=sum(_count(part, "input_tokens") for part in parts) + read + written,
        completion_tokens=sum(_count(part, "output_tokens") for part in parts),
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=_count(_object(given, "output_tokens_details"), "thinking_tokens"),
        cache_write_1h_tokens=sum(
            _count(_object(part, "cache_creation"), "ephemeral_1h_input_tokens") for part in parts
        ),
        web_search_requests=_count(_object(given, "server_tool_use"), "web_search_requests"),
    )


def service_tier_of(usage: Json) -> str | None:
    tier = text_of(usage.get("service_tier"))
    return _SERVICE_TIERS.get(tier, tier) if tier else None


def text_of(value: object) -> str | None:
    """What is no text counts as none."""
    return value if isinstance(value, str) else None


def annotation_of(citation: Json, start: int, end: int) -> Json:
    """A citation of the answer's characters from `start` to `end`.

    Search results have an address. Documents of the prompt have none, so theirs is a fragment that says which
    document it is, counted from 0: https://platform.claude.com/docs/en/build-with-claude/citations
    """
    url = citation.get("url") or citation.get("source") or f"#document-{citation.get('document_index', 0)}"
    cited: dict[str, Any] = {"url": url, "title": citation.get("title") or citation.get("document_title") or url}
    if citation.get("cited_text"):
        cited["content"] = citation["cited_text"]
    return {"type": "url_citation", "url_citation": {**cited, "start_index": start, "end_index": end}}


def _written(usage: Json) -> int:
    """The sum of both times to live, or where it is missing, each of them."""
    created = _object(usage, "cache_creation")
    return _count(usage, "cache_creation_input_tokens") or sum(_count(created, name) for name in created)


def _count(given: Json, name: str) -> int:
    value = given.get(name)
    return int(value) if isinstance(value, int | float) and 0 < value < _MOST_TOKENS else 0


def _object(given: Json, name: str) -> Json:
    value = given.get(name)
    return value if isinstance(value, dict) else {}
