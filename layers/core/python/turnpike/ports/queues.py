"""What waits to be settled, and what could not be."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.dead_letters import DeadLetter


class UsageQueue(Protocol):
    def send(self, event: Mapping[str, Any]) -> None:
        """Raises TemporarilyBusy when the event was not taken."""


class DeadLetters(Protocol):
    """Where usage events are parked that could not be settled. All of them may raise TemporarilyBusy."""

    def count(self) -> int:
        """Of late, and about."""

    def receive(self) -> "Sequence[DeadLetter]":
        """Some of them, hidden from others for some minutes; none when there are no more."""

    def move(self, letter: "DeadLetter") -> None:
        """Back to the queue that it came from. When this raises, it is still parked, and may be in both."""

    def release(self, letter: "DeadLetter") -> None:
        """Hide it no longer."""
