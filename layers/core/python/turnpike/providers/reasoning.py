"""Reasoning as OpenRouter's clients ask for it, see it, and send it back (reference 2.1 and 2.2)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from turnpike.domain.chat import Message

Detail = dict[str, Any]

EFFORT_RATIOS: Mapping[str, float] = {
    "minimal": 0.1,
    "low": 0.2,
    "medium": 0.5,
    "high": 0.8,
    "xhigh": 0.95,
    "max": 0.95,
}
"""How much of an answer each effort may spend on reasoning, as OpenRouter divides it."""

_LEAST_BUDGET = 1024
_LARGEST_BUDGET = 128_000


def effort_of(reasoning: Mapping[str, Any], max_tokens: int | None) -> str | None:
    """One word for how much to reason: OpenRouter's efforts, "none" included; None leaves it to the model."""
    effort = reasoning.get("effort")
    if effort is not None:
        return str(effort)
    budget = reasoning.get("max_tokens")
    if budget is not None and max_tokens is not None:
        return min(EFFORT_RATIOS, key=lambda each: abs(EFFORT_RATIOS[each] * max_tokens - budget))
    enabled = reasoning.get("enabled")
    if budget is not None or enabled:
        return "medium"
    return "none" if enabled is False else None


def budget_of(reasoning: Mapping[str, Any], max_tokens: int) -> int | None:
    """How many tokens to reason with; 0 for none at all; None leaves it to the model.

    `max_tokens` is the answer's whole limit, as asked for or the endpoint's own.
    """
    budget = reasoning.get("max_tokens")
    if budget is not None:
        return int(budget)
    effort = effort_of(reasoning, None)
    if effort is None:
        return None
    if effort == "none":
        return 0
    return int(min(max(max_tokens * EFFORT_RATIOS[effort], _LEAST_BUDGET), _LARGEST_BUDGET))


def text_detail(text: str | None, form: str, index: int, *, signature: str | None = None) -> Detail:
    """Plain reasoning, or with a signature the proof that it is the model's own; `text` may then be None."""
    detail: Detail = {"type": "reasoning.text"}
    if text is not None:
        detail["text"] = text
    if signature is not None:
        detail["signature"] = signature
    return {**detail, "format": form, "index": index}


def summary_detail(summary: str, form: str, index: int, *, id: str | None = None) -> Detail:
    detail: Detail = {"type": "reasoning.summary", "summary": summary, "format": form, "index": index}
    return detail if id is None else {**detail, "id": id}


def encrypted_detail(data: str, form: str, index: int, *, id: str | None = None) -> Detail:
    """What only the provider can read: redacted thoughts, signatures of calls, encrypted reasoning items."""
    detail: Detail = {"type": "reasoning.encrypted", "data": data, "format": form, "index": index}
    return detail if id is None else {**detail, "id": id}


def merged_details(details: Iterable[Any]) -> list[Detail]:
    """Details put together again, for clients that send back a stream's fragments as they came.

    Neighbours of one type, format, index and id are pieces of one block: texts are joined, the last signature
    stays. A text after a signature begins another block, since a signature ends its own.
    """
    merged: list[Detail] = []
    for each in details:
        if not isinstance(each, dict):
            continue
        last = merged[-1] if merged else None
        if last is not None and _continues(last, each):
            for member in ("text", "summary"):
                if each.get(member):
                    last[member] = (last.get(member) or "") + each[member]
            if each.get("signature"):
                last["signature"] = each["signature"]
        else:
            merged.append(dict(each))
    return merged


def details_of(message: Message, *forms: str) -> list[Detail]:
    """An earlier answer's details that are of these formats, put together; others mean nothing to the provider."""
    given = message.get("reasoning_details")
    if not isinstance(given, Sequence) or isinstance(given, str):
        return []
    return merged_details(each for each in given if isinstance(each, dict) and each.get("format") in forms)


def reasoning_text_of(message: Message) -> str:
    """The text of an earlier answer's reasoning, in whichever member the client kept it."""
    for member in ("reasoning", "reasoning_content"):
        text = message.get(member)
        if isinstance(text, str) and text:
            return text
    details = message.get("reasoning_details") or ()
    return "".join(each.get("text") or each.get("summary") or "" for each in details if isinstance(each, dict))


def _continues(last: Detail, each: Mapping[str, Any]) -> bool:
    if any(last.get(member) != each.get(member) for member in ("type", "format", "index", "id")):
        return False
    if last.get("type") == "reasoning.encrypted":
        return False
    return not (last.get("signature") and (each.get("text") or each.get("signature")))
