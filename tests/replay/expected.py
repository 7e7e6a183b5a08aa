"""What a recorded answer says, read from its JSON by a wire's own reader: a second opinion on every adapter."""

from dataclasses import dataclass, field
from typing import Any

from turnpike.domain.chat import Usage


@dataclass(frozen=True, slots=True)
class Expected:
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[tuple[str | None, str, Any]] = field(default_factory=list)
    """(id, name, arguments as a value) of each tool call; an id of None where the provider sends none."""
    details: list[tuple[str, str, str]] | None = None
    """(type, text or data or summary, signature) of each merged reasoning detail; None to leave them unchecked."""
    natives: list[Any] | None = None
    """Blocks or items for which only the provider's own API has words; None to leave them unchecked."""
    annotations: int = 0
    images: int = 0
    finish: str | None = None
    native: str | None = None
    usage: Usage | None = None
    upstream_id: str | None = None
    error: str | None = None
    """The error type of an answer with status 200 that breaks off or is an error."""


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """What a response with another status means."""

    error_type: str
    retryable: bool
    message: str = ""
    """A part of the message that a client sees."""
    retry_after_s: int | None = None
