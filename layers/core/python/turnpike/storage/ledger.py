"""The ledger in DynamoDB: every movement of credit is one transaction over the items that it touches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from turnpike.domain import ledger
from turnpike.domain.api_keys import ApiKey
from turnpike.domain.errors import HoldResolved, InsufficientCredit, KeyLimitExceeded, TemporarilyBusy
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, HoldId, KeyHash, LeaseId
from turnpike.domain.ledger import Correction, Hold, LedgerEntry, Resolution
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import window_of
from turnpike.domain.retention import KEPT_FOR_GOOD, Retention
from turnpike.storage import keys
from turnpike.storage.items import amount_of, parse_balance, parse_entry, parse_first_hold, parse_hold
from turnpike.storage.ledger_actions import Actions, LedgerActions
from turnpike.storage.ledger_batches import LedgerBatch
from turnpike.storage.ledger_reads import LedgerReads
from turnpike.storage.transactions import Refused, Transactions

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LOOKS = 5
"""How often a hold that changes while it is being resolved is looked at anew, before giving up for now."""

_CHANGING = frozenset({"hold", "balance", "limit"})
"""What a resolution was worked out for, and may have changed since."""


class DynamoLedger(LedgerReads):
    def __init__(self, client: "DynamoDBClient", table: str, retention: Retention = KEPT_FOR_GOOD) -> None:
        super().__init__(client, table)
        self._transactions = Transactions(client)
        self._actions = LedgerActions(table, retention)

    def hold(self, hold: Hold, *, floor: NanoUsd = ZERO) -> None:
        change = ledger.balance_of([ledger.hold_entry(hold)])
        try:
            self._transactions.write(
                self._actions.put_hold(hold)
                | self._actions.change_balance(hold.account_id, change, floor=floor)
                | self._actions.count_held(hold, hold.counted, floor=floor)
            )
        except Refused as refused:
            earlier = refused.found.get("hold")
            if earlier is None:
                raise _no_room(hold, refused) from None
            ledger.check_repeated(hold, parse_first_hold(earlier))

    def extend(self, hold: Hold, by: NanoUsd, now_s: int) -> Hold:
        entry = ledger.extend_entry(hold, by, now_s)
        extended = replace(hold, amount=NanoUsd(hold.amount + by))
        try:
            self._transactions.write(
                self._actions.extend_hold(hold, by)
                | self._actions.put_entries(entry)
                | self._actions.change_balance(hold.account_id, ledger.balance_of([entry]))
                | self._actions.count_held(hold, by)
            )
        except Refused as refused:
            if "hold" not in refused.found:
                raise _no_room(hold, refused) from None
            now, standing = refused.found["hold"], refused.found.get(entry.entry_id)
            ledger.check_extended(
                extended,
                by,
                now=parse_hold(now) if now else None,
                entry=parse_entry(standing) if standing else None,
            )
        return extended

    def capture(
        self,
        account_id: AccountId,
        hold_id: HoldId,
        cost: NanoUsd,
        now_s: int,
        record: Generation | None,
    ) -> Resolution:
        byok_cost = ZERO if record is None else record.byok_cost

        def resolve(hold: Hold) -> Resolution:
            # What is left matters only to a cost above the hold, so the rule is spared the reads.
            available = self._beyond(hold) if cost > hold.amount else ZERO
            return ledger.capture(hold, cost, available=available, now_s=now_s, byok_cost=byok_cost)

        return self._resolve(account_id, hold_id, resolve, now_s, record)

    def void(self, account_id: AccountId, hold_id: HoldId, now_s: int, record: Generation | None) -> Resolution:
        return self._resolve(account_id, hold_id, lambda hold: ledger.void(hold, now_s), now_s, record)

    def expire(self, account_id: AccountId, hold_id: HoldId, now_s: int) -> Resolution:
        return self._resolve(account_id, hold_id, lambda hold: ledger.expire(hold, now_s), now_s, None)

    def capture_part(self, record: Generation, lease_id: LeaseId, cost: NanoUsd, now_s: int) -> Resolution:
        account_id = record.account_id
        # At first as if the lease covered it, which it nearly always does: that spares the read.
        lease, left, available = None, cost, ZERO
        for _ in range(_LOOKS):
            part = ledger.capture_part(
                account_id, lease_id, record.id, cost, left=left, available=available, now_s=now_s
            )
            try:
                self._transactions.write(self._part(part, lease_id, lease, now_s, record))
            except Refused as refused:
                if refused.found.keys() & {part.entries[0].entry_id, "generation"}:
                    raise HoldResolved(record.id, "captured") from None
                if not refused.found.keys() & _CHANGING:
                    raise
            else:
                return part
            lease = ledger.check_pending(self.find_hold(account_id, lease_id), lease_id)
            left, available = lease.left, self._beyond(lease)
        raise TemporarilyBusy("This lease changes too fast to be captured from; try again")

    def capture_together(self, records: Sequence[Generation], now_s: int) -> Mapping[GenerationId, Resolution]:
        batch = LedgerBatch(self._actions, now_s)
        for record in records:
            batch.add(record, partial(self.find_hold, record.account_id, record.id))
        if len(batch.captured) < 2:
            return {}
        try:
            self._transactions.write(batch.actions(records[0]))
        except Refused:
            return {}  # One of them was captured before, or changed: who captures them one by one learns which.
        return batch.captured

    def close(self, lease: Hold, give_back: NanoUsd, now_s: int) -> None:
        entry = ledger.close_entry(lease, give_back, now_s)
        try:
            self._transactions.write(
                self._actions.close_lease(lease, give_back, now_s)
                | self._actions.put_entries(entry)
                | self._actions.change_balance(lease.account_id, ledger.balance_of([entry]))
                | self._actions.correct_counted(lease, NanoUsd(-give_back))
            )
        except Refused as refused:
            now = refused.found.get("hold")
            ledger.check_closed(lease, parse_hold(now) if now else None)

    def record(self, record: Generation, now_s: int) -> bool:
        try:
            # Nothing else of the account is written here, and answers from the cache come many at once:
            # spread, they do not wait for one another's count.
            self._transactions.write(self._stored(record, now_s, part=keys.activity_part(record.id)))
        except Refused:
            return False
        return True

    def top_up(self, account_id: AccountId, amount: NanoUsd, *, reference: str, now_s: int) -> bool:
        return self._append_once(ledger.top_up_entry(account_id, amount, reference=reference, now_s=now_s))

    def adjust(
        self,
        account_id: AccountId,
        kind: Correction,
        amount: NanoUsd,
        *,
        reference: str,
        now_s: int,
        may_overdraw: bool = False,
    ) -> bool:
        entry = ledger.correction_entry(account_id, kind, amount, reference=reference, now_s=now_s)
        return self._append_once(entry, may_overdraw=may_overdraw)

    def count_earlier_spending(self, account_id: AccountId, key: ApiKey, now_s: int) -> None:
        spent = self._spend(account_id, key, now_s).in_window_of(key)
        if not spent:
            return
        window = window_of(key.limit_reset, now_s)
        try:
            self._transactions.write(self._actions.count_what_was_spent(account_id, key.hash, window, spent))
        except Refused:
            return  # As much is counted already.

    def _append_once(self, entry: LedgerEntry, *, may_overdraw: bool = False) -> bool:
        """Whether the entry, which moves credit by itself, was not written before."""
        change = self._actions.change_balance(entry.account_id, ledger.balance_of([entry]), may_overdraw=may_overdraw)
        try:
            self._transactions.write(self._actions.put_entries(entry) | change)
        except Refused as refused:
            if entry.entry_id not in refused.found:
                available = parse_balance(refused.found["balance"]).available
                raise InsufficientCredit("The account has less than that", available=available) from None
            ledger.check_same_amount(entry, parse_entry(refused.found[entry.entry_id]))
            return False
        return True

    def _resolve(
        self,
        account_id: AccountId,
        hold_id: HoldId,
        resolve: Callable[[Hold], Resolution],
        now_s: int,
        record: Generation | None,
    ) -> Resolution:
        for _ in range(_LOOKS):
            hold = ledger.check_pending(self.find_hold(account_id, hold_id), hold_id)
            resolution = resolve(hold)
            try:
                self._transactions.write(
                    self._actions.resolve_hold(hold, resolution, now_s)
                    | self._actions.correct_counted(hold, resolution.counted_delta, overage=resolution.overage)
                    | self._movements(resolution, account_id, hold.key_hash, now_s, record)
                )
            except Refused as refused:
                # Resolved or extended since it was read, or what was left for its overage was spent: look again.
                if refused.found.keys() & _CHANGING:
                    continue
                raise
            return resolution
        raise TemporarilyBusy("This hold changes too fast to be resolved; try again")

    def _beyond(self, hold: Hold) -> NanoUsd:
        """What a cost may take besides the hold: what is left of the account's credit, within the key's limit."""
        available = self.get_balance(hold.account_id).available
        if hold.key_limit is None:
            return available
        used = self._used(hold.account_id, hold.key_hash, hold.key_limit.window)
        return NanoUsd(min(available, hold.key_limit.limit - used))

    def _part(self, part: Resolution, lease_id: LeaseId, lease: Hold | None, now_s: int, record: Generation) -> Actions:
        within = NanoUsd(-part.entries[0].held_delta)
        seen = None if lease is None else lease.left
        actions = self._actions.spend_of_lease(record.account_id, lease_id, within, seen=seen)
        if lease is not None:
            actions |= self._actions.correct_counted(lease, part.counted_delta, overage=part.overage)
        return actions | self._movements(part, record.account_id, record.key_hash, now_s, record)

    def _movements(
        self,
        resolution: Resolution,
        account_id: AccountId,
        key_hash: KeyHash,
        now_s: int,
        record: Generation | None,
    ) -> Actions:
        """What follows from a resolution, besides what happens to the hold itself."""
        byok_cost = ZERO if record is None else record.byok_cost
        actions = (
            self._actions.put_entries(*resolution.entries)
            | self._actions.change_balance(account_id, ledger.balance_of(resolution.entries))
            | self._actions.count_spent(account_id, key_hash, resolution.charged, byok_cost, now_s)
        )
        if record is not None:
            actions |= self._stored(replace(record, cost=resolution.charged), now_s)
        return actions

    def _stored(self, record: Generation, now_s: int, *, part: str = "") -> Actions:
        counted = self._actions.count_activity(record.account_id, [record], now_s, part=part)
        return self._actions.put_generation(record) | counted


def _no_room(hold: Hold, refused: Refused) -> Exception:
    """Why nothing more can be held: the account's credit first, then the key's limit."""
    if "balance" in refused.found:
        available = parse_balance(refused.found["balance"]).available
        return InsufficientCredit("The account's credit does not cover this", available=available)
    if hold.key_limit is not None and "limit" in refused.found:
        remaining = hold.key_limit.limit - amount_of(refused.found["limit"], "used")
        return KeyLimitExceeded("The key's limit does not cover this", remaining=NanoUsd(max(remaining, 0)))
    return refused
