"""Settle a generation: the one place where a request becomes a charge, or none."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from turnpike.domain.chat import Usage
from turnpike.domain.errors import HoldResolved, TemporarilyBusy
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.ledger import Resolution
from turnpike.domain.money import ZERO
from turnpike.ports.ledger import Ledger

EVENT_VERSION = 1
"""Goes up when an event can no longer be read as one of before. Fields may come and go without it: those that
an event lacks have their defaults, so messages that were sent before a deployment are settled after it, and
those that this code does not know are left out, so that the functions need not change at one instant."""

MOST_TOGETHER = 18
"""A transaction takes 100 actions: each generation needs up to five, two of them for activity, and all a few more."""

UNCHARGED = Resolution("voided", ZERO, ZERO, ())

_Part = TypeVar("_Part", Attempt, Generation, Usage)


def build_usage_event(generation: Generation, *, answered: bool) -> dict[str, Any]:
    """What travels from completions to metering; `answered` decides between capture and void."""
    return {"version": EVENT_VERSION, "answered": answered, "generation": generation}


def parse_usage_event(content: Mapping[str, Any]) -> tuple[Generation, bool]:
    """Raises KeyError, TypeError or ValueError for what is no usage event."""
    if content["version"] != EVENT_VERSION:
        raise ValueError(f"usage event of version {content['version']}; this code settles version {EVENT_VERSION}")
    values = dict(content["generation"])
    values["usage"] = _build(Usage, values["usage"])
    values["attempts"] = tuple(_build(Attempt, attempt) for attempt in values["attempts"])
    return _build(Generation, values), bool(content["answered"])


def _build(kind: type[_Part], values: Mapping[str, Any]) -> _Part:
    return kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})


@dataclass(frozen=True, slots=True)
class SettleUsage:
    """Idempotent by generation id: a message delivered twice, or settled directly before, changes nothing."""

    ledger: Ledger

    def __call__(self, generation: Generation, answered: bool, now_s: int) -> Resolution | None:
        """None when it was settled before, or too late. Raises HoldNotFound, TemporarilyBusy."""
        if generation.lease_id is not None and not answered:
            # Nothing of the lease was spent; what was set aside of it is free again for whoever leased it.
            return UNCHARGED if self.ledger.record(replace(generation, cost=ZERO), now_s) else None
        settle = self._capture if answered else self._void
        try:
            return settle(generation, now_s)
        except HoldResolved as error:
            if error.state == "expired":
                # Too late: the credit went back. The record still says what happened, at no charge.
                self.ledger.record(replace(generation, cost=ZERO), now_s)
            return None

    def together(self, events: Iterable[tuple[Generation, bool]], now_s: int) -> Mapping[GenerationId, Resolution]:
        """Settle what can be settled at once, with fewer writes: answered generations of the same key.

        What the result lacks is to be settled by itself, whatever the reason.
        """
        by_key: dict[tuple[AccountId, KeyHash], dict[GenerationId, Generation]] = {}
        for generation, answered in events:
            if answered:
                by_key.setdefault((generation.account_id, generation.key_hash), {})[generation.id] = generation
        settled: dict[GenerationId, Resolution] = {}
        for group in map(list, map(dict.values, by_key.values())):
            for start in range(0, len(group), MOST_TOGETHER):
                some = group[start : start + MOST_TOGETHER]
                with suppress(TemporarilyBusy):
                    settled |= self.ledger.capture_together(some, now_s) if len(some) > 1 else {}
        return settled

    def _capture(self, generation: Generation, now_s: int) -> Resolution:
        if generation.lease_id is not None:
            return self.ledger.capture_part(generation, generation.lease_id, generation.cost, now_s)
        return self.ledger.capture(generation.account_id, generation.id, generation.cost, now_s, generation)

    def _void(self, generation: Generation, now_s: int) -> Resolution:
        return self.ledger.void(generation.account_id, generation.id, now_s, generation)
