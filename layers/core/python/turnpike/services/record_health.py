"""Count what became of attempts, by endpoint and minute: one write for each of a batch's endpoints and minutes."""

import secrets
from collections import defaultdict
from dataclasses import dataclass, field

from turnpike.domain.generation import Generation
from turnpike.domain.health import endpoint_key
from turnpike.domain.tallies import MINUTE_S, Tally, counted_at_s
from turnpike.ports.catalog import HealthCounts

_MOST_AGE_S = 1800
"""What ended longer ago is in no statistics that are still to be written."""


@dataclass(slots=True)
class RecordHealth:
    """Of a batch of usage events. Counting is at most once:

    - Only generations are noted that the caller has settled just now. The hold's own state sees to it that this
      happens once, so a message that is delivered again, while the first delivery runs or days later, adds nothing.
    - A write that fails is not repeated: its attempts, and those of the writes after it, are lost to statistics,
      since their generations are settled and no redelivery comes to them.
    """

    counts: HealthCounts
    _noted: defaultdict[tuple[int, str], Tally] = field(default_factory=lambda: defaultdict(Tally))

    def note(self, generation: Generation, now_s: float) -> None:
        for attempt in generation.attempts:
            # A message of a version that did not tell outcomes has no tags either. What a customer's own key met may
            # be their account's fault, or their own address's.
            ended_at_s = min(attempt.ended_at_s or generation.created_at_s, now_s)
            if attempt.tag and not attempt.is_byok and now_s - ended_at_s <= _MOST_AGE_S:
                at_s = counted_at_s(attempt, ended_at_s)
                self._noted[int(at_s) // MINUTE_S, endpoint_key(attempt)].add(attempt, at_s)

    def write(self) -> int:
        """All that was noted; returns how many attempts. Raises TemporarilyBusy, and what was noted is gone then."""
        noted, batch = dict(self._noted), secrets.token_hex(4)
        self._noted.clear()
        for (minute, endpoint), tally in noted.items():
            self.counts.add(minute, endpoint, tally, batch=batch)
        return sum(tally.attempts for tally in noted.values())
