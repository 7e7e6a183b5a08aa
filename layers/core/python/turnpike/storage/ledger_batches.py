"""Several generations of one key captured in one transaction: what they share is written once for all of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from turnpike.domain import ledger
from turnpike.domain.generation import Generation
from turnpike.domain.ids import GenerationId, LeaseId
from turnpike.domain.ledger import Hold, Resolution
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.storage.ledger_actions import Actions, LedgerActions


class LedgerBatch:
    """The transaction for some generations of one account's key.

    A generation is left out, to be captured by itself, where its hold is gone or does not cover its cost.
    """

    def __init__(self, actions: LedgerActions, now_s: int) -> None:
        self.captured: dict[GenerationId, Resolution] = {}
        self._write = actions
        self._now_s = now_s
        self._actions: Actions = {}
        self._spent: Counter[LeaseId] = Counter()
        self._counted: Counter[str] = Counter()
        self._limited: dict[str, Hold] = {}
        self._byok_cost = 0
        self._charged: list[Generation] = []

    def add(self, record: Generation, find_hold: Callable[[], Hold | None]) -> None:
        """`find_hold` is asked only for a hold of the generation's own: a lease's condition needs no look at it."""
        if record.lease_id is not None:
            self._spent[record.lease_id] += record.cost
            resolution = ledger.capture_part(
                record.account_id,
                record.lease_id,
                record.id,
                record.cost,
                left=record.cost,
                available=ZERO,
                now_s=self._now_s,
            )
        else:
            hold = find_hold()
            if hold is None or hold.state != "pending" or record.cost > hold.amount:
                return
            byok_cost = record.byok_cost
            resolution = ledger.capture(hold, record.cost, available=ZERO, now_s=self._now_s, byok_cost=byok_cost)
            self._actions |= _named(record, self._write.resolve_hold(hold, resolution, self._now_s))
            if hold.key_limit is not None:
                self._limited[hold.key_limit.window] = hold
                self._counted[hold.key_limit.window] += resolution.counted_delta
        self._byok_cost += record.byok_cost
        self._actions |= self._write.put_entries(*resolution.entries)
        charged = replace(record, cost=resolution.charged)
        self._actions |= _named(record, self._write.put_generation(charged))
        self._charged.append(charged)
        self.captured[record.id] = resolution

    def actions(self, first: Generation) -> Actions:
        """All there is to write; `first` is any of the generations, and says whose they are."""
        account_id, key_hash = first.account_id, first.key_hash
        charged = NanoUsd(sum(resolution.charged for resolution in self.captured.values()))
        entries = [entry for resolution in self.captured.values() for entry in resolution.entries]
        shared = self._write.change_balance(account_id, ledger.balance_of(entries))
        shared |= self._write.count_spent(account_id, key_hash, charged, NanoUsd(self._byok_cost), self._now_s)
        shared |= self._write.count_activity(account_id, self._charged, self._now_s)
        for lease_id, spent in self._spent.items():
            of_lease = self._write.spend_of_lease(account_id, lease_id, NanoUsd(spent), seen=None)
            shared |= {lease_id: of_lease["hold"]}
        for window, by in self._counted.items():
            limit = self._write.correct_counted(self._limited[window], NanoUsd(by))
            shared |= {window: limit["limit"]} if limit else {}
        return self._actions | shared


def _named(record: Generation, actions: Actions) -> Actions:
    """Under names of their own, since several generations have an action of each kind."""
    return {f"{record.id} {name}": action for name, action in actions.items()}
