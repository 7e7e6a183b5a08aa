"""Bring parked usage events back to where metering finds them, once what they failed of is put right."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from turnpike.domain.dead_letters import DeadLetter, Diagnosis, Reason
from turnpike.domain.generation import Generation
from turnpike.domain.ids import time_of
from turnpike.ports.ledger import Generations, Ledger
from turnpike.ports.queues import DeadLetters
from turnpike.services.settle_usage import EVENT_VERSION, parse_usage_event

MOST_LOOKED_AT = 1000
"""Without moving them: they are kept from others while they are looked at."""
_UNREADABLE = (KeyError, TypeError, ValueError)


@dataclass(slots=True)
class Redriven:
    moved: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class RedriveUsage:
    """What would only fail again stays where it is.

    A message is sent before it is taken out. So when this is cut short it may be in both places, and never in none;
    and settling it twice changes nothing.
    """

    letters: DeadLetters
    ledger: Ledger
    generations: Generations
    on_letter: Callable[[DeadLetter, Diagnosis], None]

    def __call__(self, *, moves: bool) -> Redriven:
        """Raises TemporarilyBusy; then those that were not reached are still there."""
        done = Redriven()
        hidden: list[DeadLetter] = []
        seen: set[bytes] = set()
        try:
            while (moves or len(hidden) < MOST_LOOKED_AT) and (found := self.letters.receive()):
                hidden += found
                for letter in found:
                    diagnosis = self.diagnose(letter)
                    digest = hashlib.sha256(letter.body.encode()).digest()
                    # One that was moved already, and has come back by now, is not moved round in circles.
                    if moves and not diagnosis.is_hopeless and digest not in seen:
                        self.letters.move(letter)
                        hidden.remove(letter)
                        done.moved += 1
                    seen.add(digest)
                    self.on_letter(letter, diagnosis)
        finally:
            done.left = len(hidden)
            for letter in hidden:
                self.letters.release(letter)
        return done

    def diagnose(self, letter: DeadLetter) -> Diagnosis:
        try:
            content = orjson.loads(letter.body)
            if isinstance(content, dict) and content.get("version") not in (None, EVENT_VERSION):
                return Diagnosis("other_version")
            generation, _ = parse_usage_event(content)
        except _UNREADABLE:
            return Diagnosis("unreadable")
        # What stands where an id should may be anything, and is not told.
        is_id = isinstance(generation.id, str) and time_of(generation.id) is not None
        return Diagnosis(self._reason(generation), generation.id if is_id else None)

    def _reason(self, generation: Generation) -> Reason:
        hold = self.ledger.find_hold(generation.account_id, generation.lease_id or generation.id)
        if self.generations.find(generation.account_id, generation.id) is not None:
            return "recorded"
        if hold is None:
            return "no_hold"
        if hold.state == "pending":
            return "open"
        return "expired" if hold.state == "expired" else "recorded"
