"""Reasoning as blocks of thinking, and back: nothing of it may be lost, whoever reasoned.

Anthropic's own comes with a signature that only its provider understands. The reasoning of others has no place in a
block for what their providers want back (a format, an index, an id, their own signature), so that this travels where
clients keep what they do not understand: in the signature, and for encrypted reasoning in the data. What is Claude's
stays as it is: a conversation that began with Anthropic itself goes on here, and one that began here goes on there.
"""

from collections.abc import Mapping
from typing import Any

from turnpike.api.inference.sealing import seal, unseal

Detail = Mapping[str, Any]
"""One of a message's `reasoning_details`."""

CLAUDE = "anthropic-claude-v1"
"""The format of reasoning details that are Anthropic's own, as OpenRouter names it."""

_TEXTS = ("text", "summary")


def key_of(detail: Detail) -> tuple[Any, ...]:
    """Fragments with the same key are of one block."""
    return (detail.get("type"), detail.get("format"), detail.get("index"), detail.get("id"))


def text_of(detail: Detail) -> str:
    return detail.get("text") or detail.get("summary") or ""


def signature_of(detail: Detail) -> str:
    """What proves a block of thinking, or names it; empty for one of Claude's that has no signature yet."""
    if detail.get("format") == CLAUDE:
        return detail.get("signature") or ""
    return seal(_bare(detail))


def data_of(detail: Detail) -> str:
    """The data of a block of redacted thinking."""
    data = detail.get("data") or ""
    return data if detail.get("format") == CLAUDE else seal(_bare(detail))


def detail_of_thinking(thinking: str, signature: str, place: int) -> dict[str, Any]:
    """`place` is the block's among those of its message, adjoining texts counted as one."""
    detail = _open(signature)
    if detail is None:
        signed = {"signature": signature} if signature else {}
        detail = {"type": "reasoning.text", **signed, "format": CLAUDE, "index": place}
    text = "summary" if detail.get("type") == "reasoning.summary" else "text"
    return {**detail, text: thinking} if thinking else detail


def detail_of_redacted(data: str, place: int) -> dict[str, Any]:
    sealed = _open(data)
    return sealed or {"type": "reasoning.encrypted", "data": data, "format": CLAUDE, "index": place}


def _open(text: str) -> dict[str, Any] | None:
    detail = unseal(text)
    return _bare(detail) if isinstance(detail, dict) else None


def _bare(detail: Detail) -> dict[str, Any]:
    """Without what was said, for which blocks have a place."""
    return {name: value for name, value in detail.items() if name not in _TEXTS}
