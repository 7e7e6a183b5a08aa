"""How long records are kept. Balances, holds, ledger entries and what keys have spent are kept for good."""

from dataclasses import dataclass
from datetime import datetime, timedelta

LEAST_DAYS = 31
"""Usage events wait in their queues for up to 14 days, and a record that is there is what makes a second delivery
count nothing; and activity is told for the last 30 completed days."""


@dataclass(frozen=True, slots=True)
class Retention:
    """In days; 0 is for ever. Raises ValueError for less than `LEAST_DAYS`."""

    generation_days: int = 0
    activity_days: int = 0

    def __post_init__(self) -> None:
        for name, days in (("generation", self.generation_days), ("activity", self.activity_days)):
            if days and days < LEAST_DAYS:
                raise ValueError(f"{name}_retention_days is {days}; it must be {LEAST_DAYS} at least, or 0 for ever")

    def generation_ends_s(self, created_at_s: int) -> int | None:
        """When a generation is gone, in epoch seconds; None for never."""
        return created_at_s + self.generation_days * 86_400 if self.generation_days else None

    def activity_ends_s(self, day: str) -> int | None:
        """When the activity of a UTC day is gone: it is there on so many days after its own."""
        if not self.activity_days:
            return None
        return int((datetime.fromisoformat(f"{day}T00:00:00Z") + timedelta(days=self.activity_days + 1)).timestamp())


KEPT_FOR_GOOD = Retention()
