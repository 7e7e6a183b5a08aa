"""Usage events that could not be settled, and were parked."""

from dataclasses import dataclass
from typing import Literal

from turnpike.domain.ids import GenerationId

Reason = Literal["unreadable", "other_version", "no_hold", "expired", "recorded", "open"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message as it is parked. Its body may never be shown: nobody knows what is in it."""

    body: str
    handle: str
    """With which it can be taken out, for as long as it is hidden from others."""
    sent_at_s: int
    """When it was sent first."""
    deliveries: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What can be known of a dead letter: which generation's it is, and what would become of it now."""

    reason: Reason
    generation_id: GenerationId | None = None

    @property
    def is_hopeless(self) -> bool:
        """Whether it would only fail again."""
        return self.reason in ("unreadable", "other_version", "no_hold")
