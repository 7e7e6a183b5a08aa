"""Moderation of a prompt before a model is asked (reference 1.4, kind 1 of `error.metadata`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.chat import Message, texts_of
from turnpike.domain.errors import ErrorType, PermissionDenied, ServiceError

LONGEST_TEXT = 20_000
"""Characters that are looked at together; what is longer is looked at in pieces."""
_LONGEST_SHOWN = 100
_ELIDED = "..."


class InputFlagged(PermissionDenied):
    """`text` is what was flagged, of which the client is shown at most 100 characters."""

    def __init__(self, text: str, reasons: Sequence[str], *, provider_name: str, model: str) -> None:
        named = ", ".join(f'"{reason}"' for reason in reasons) or "an unnamed reason"
        super().__init__(f"Your input was flagged for {named}. No credits were charged")
        self._shown = {
            "reasons": list(reasons),
            "flagged_input": _elided(text),
            "provider_name": provider_name,
            "model_slug": model,
        }

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self._shown


class ModerationFailed(ServiceError):
    """Nobody said whether the prompt is fit to be sent, so it is not sent. `moderator_status` as an HTTP status."""

    status = 503
    error_type: ErrorType = "provider_unavailable"

    def __init__(self, message: str, *, moderator_status: int | None = None) -> None:
        super().__init__(message)
        self.moderator_status = moderator_status


def user_texts(messages: Sequence[Message]) -> list[str]:
    """All that users said, in pieces that can be looked at. Pieces overlap, so that no phrase is cut in two."""
    texts = [text for message in messages if message["role"] == "user" for text in texts_of(message)]
    step = LONGEST_TEXT - _LONGEST_SHOWN
    return [
        text[start : start + LONGEST_TEXT]
        for text in texts
        for start in range(0, max(len(text) - _LONGEST_SHOWN, 1), step)
        if text.strip()
    ]


def _elided(text: str) -> str:
    if len(text) <= _LONGEST_SHOWN:
        return text
    kept = _LONGEST_SHOWN - len(_ELIDED)
    return f"{text[: kept - kept // 2]}{_ELIDED}{text[len(text) - kept // 2 :]}"
