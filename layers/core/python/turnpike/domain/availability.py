"""Why nothing can serve a request, and what would."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class ExcludedCandidate(NamedTuple):
    """An endpoint that might have served the request: what excluded it, and what to change about which field."""

    model: str
    endpoint: str
    """Its tag."""
    excluded_by: str
    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class Availability:
    """`error.availability` on the wire (reference 1.4)."""

    code: str
    requested_models: Sequence[str]
    retryable: bool = False
    retry_after_s: int | None = None
    affected_providers: Sequence[str] = ()
    excluded_by: Sequence[str] = ()
    constraint: tuple[str, str] | None = None
    """(field, what to change)."""
    fallback_models: Sequence[str] = ()
    candidates: Sequence[ExcludedCandidate] = ()
