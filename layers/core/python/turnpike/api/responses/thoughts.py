"""Reasoning as items, and back. What was said of it is the item's summary, which clients show and return; all the rest
that providers want back is sealed into `encrypted_content`, whoever reasoned.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.api.inference.sealing import seal, unseal

Detail = Mapping[str, Any]
"""One of a message's `reasoning_details`."""

OPENAI = "openai-responses-v1"
"""The format of what comes with an encrypted text that is not ours: from a conversation with OpenAI itself."""

_TEXTS = ("text", "summary")


def group_of(detail: Detail) -> tuple[Any, ...]:
    """Details of the same group are one item."""
    return (detail.get("format"), detail.get("index"))


def key_of(detail: Detail) -> tuple[Any, ...]:
    """Fragments with the same key are of one detail."""
    return (detail.get("type"), detail.get("format"), detail.get("index"), detail.get("id"))


def text_of(detail: Detail) -> str:
    return detail.get("text") or detail.get("summary") or ""


def encrypted_content_of(details: Sequence[tuple[Detail, int]]) -> str:
    """Of one item: its bare details, each with how many characters of the summary are its own."""
    return seal([{**detail, "said": length} for detail, length in details])


def details_of(item: Mapping[str, Any], place: int) -> list[dict[str, Any]]:
    """Of an item that a client returns; `place` is that of its answer's items."""
    said = "".join(part["text"] for part in item.get("summary") or ())
    said = said or "".join(part["text"] for part in item.get("content") or ())
    encrypted = item.get("encrypted_content") or ""
    sealed = unseal(encrypted) if encrypted else None
    if isinstance(sealed, list) and all(isinstance(each, dict) for each in sealed):
        return list(_restored(sealed, said))
    details: list[dict[str, Any]] = []
    if said:
        details.append({"type": "reasoning.summary", "summary": said, "format": OPENAI, "index": place})
    if encrypted and sealed is None:
        known = {"id": item["id"]} if isinstance(item.get("id"), str) else {}
        details.append({"type": "reasoning.encrypted", "data": encrypted, "format": OPENAI, "index": place, **known})
    return details


def bare(detail: Detail) -> dict[str, Any]:
    """Without what was said."""
    return {name: value for name, value in detail.items() if name not in _TEXTS}


def _restored(sealed: Sequence[dict[str, Any]], said: str) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    at = 0
    for each in sealed:
        length = each.pop("said", 0)
        length = length if isinstance(length, int) and length > 0 else 0
        text = said[at : at + length]
        at += length
        member = "summary" if each.get("type") == "reasoning.summary" else "text"
        each = bare(each)
        details.append({**each, member: text} if text else each)
    return details
