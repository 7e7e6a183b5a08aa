"""Settle a generation: the one place where a request becomes a charge, or none."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from turnpike.domain.chat import Usage
from turnpike.domain.errors import HoldResolved
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ledger import Resolution
from turnpike.domain.money import ZERO
from turnpike.ports import Ledger

_VERSION = 1


def build_usage_event(generation: Generation, *, answered: bool) -> dict[str, Any]:
    """What travels from completions to metering; `answered` decides between capture and void."""
    return {"version": _VERSION, "answered": answered, "generation": generation}


def parse_usage_event(content: Mapping[str, Any]) -> tuple[Generation, bool]:
    """Raises KeyError, TypeError or ValueError for what is no usage event."""
    if content["version"] != _VERSION:
        raise ValueError(f"usage event of version {content['version']}; this code settles version {_VERSION}")
    fields = dict(content["generation"])
    fields["usage"] = Usage(**fields["usage"])
    fields["attempts"] = tuple(Attempt(**attempt) for attempt in fields["attempts"])
    return Generation(**fields), bool(content["answered"])


@dataclass(frozen=True, slots=True)
class SettleUsage:
    """Idempotent by generation id: a message delivered twice, or settled directly before, changes nothing."""

    ledger: Ledger

    def __call__(self, generation: Generation, answered: bool, now_s: int) -> Resolution | None:
        """None when the hold was resolved before. Raises HoldNotFound, TemporarilyBusy."""
        settle = self._capture if answered else self._void
        try:
            return settle(generation, now_s)
        except HoldResolved as error:
            if error.state == "expired":
                # Too late: the credit went back. The record still says what happened, at no charge.
                self.ledger.record(replace(generation, cost=ZERO))
            return None

    def _capture(self, generation: Generation, now_s: int) -> Resolution:
        return self.ledger.capture(generation.account_id, generation.id, generation.cost, now_s, generation)

    def _void(self, generation: Generation, now_s: int) -> Resolution:
        return self.ledger.void(generation.account_id, generation.id, now_s, generation)
