"""The ledger in DynamoDB: every movement of credit is one transaction over the items that it touches."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from turnpike.domain import ledger
from turnpike.domain.api_keys import ApiKey, KeySpend
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded, TemporarilyBusy
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.ledger import Balance, Correction, Hold, LedgerEntry, Resolution
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import day_of, first_day_of, window_of
from turnpike.storage import keys
from turnpike.storage.items import (
    Item,
    amount_of,
    number,
    parse_balance,
    parse_entry,
    parse_first_hold,
    parse_hold,
)
from turnpike.storage.ledger_actions import Actions, LedgerActions
from turnpike.storage.schema import HOLDS_BY_EXPIRY
from turnpike.storage.transactions import Refused, Transactions, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LOOKS = 5
"""How often a hold that changes while it is being resolved is looked at anew, before giving up for now."""


class DynamoLedger:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table
        self._transactions = Transactions(client)
        self._actions = LedgerActions(table)

    def hold(self, hold: Hold) -> None:
        change = ledger.balance_of([ledger.hold_entry(hold)])
        try:
            self._transactions.write(
                self._actions.put_hold(hold)
                | self._actions.change_balance(hold.account_id, change)
                | self._actions.count_held(hold, hold.amount)
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
        hold_id: GenerationId,
        cost: NanoUsd,
        now_s: int,
        record: Generation | None,
    ) -> Resolution:
        def resolve(hold: Hold) -> Resolution:
            # What is left matters only to a cost above the hold, so the rule is spared the read.
            available = self.get_balance(account_id).available if cost > hold.amount else ZERO
            return ledger.capture(hold, cost, available=available, now_s=now_s)

        return self._resolve(account_id, hold_id, resolve, now_s, record)

    def void(self, account_id: AccountId, hold_id: GenerationId, now_s: int, record: Generation | None) -> Resolution:
        return self._resolve(account_id, hold_id, lambda hold: ledger.void(hold, now_s), now_s, record)

    def expire(self, account_id: AccountId, hold_id: GenerationId, now_s: int) -> Resolution:
        return self._resolve(account_id, hold_id, lambda hold: ledger.expire(hold, now_s), now_s, None)

    def record(self, record: Generation) -> None:
        # Neither a conflict nor a lost answer does harm: the first record of an id stays.
        with suppress(Refused):
            self._transactions.write(self._actions.put_generation(record))

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

    def find_hold(self, account_id: AccountId, hold_id: GenerationId) -> Hold | None:
        item = self._get(keys.hold(account_id, hold_id))
        return None if item is None else parse_hold(item)

    def get_balance(self, account_id: AccountId) -> Balance:
        return parse_balance(self._get(keys.balance(account_id)) or {})

    def list_entries(self, account_id: AccountId) -> Iterator[LedgerEntry]:
        for first in (keys.entry(account_id, ""), keys.hold(account_id, GenerationId(""))):
            items = self._query(
                KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
                ExpressionAttributeValues={":pk": first["pk"], ":prefix": first["sk"]},
                ConsistentRead=True,
            )
            yield from map(parse_entry, items)

    def list_expired_holds(self, now_s: int) -> Iterator[Hold]:
        for shard in keys.OPEN_SHARDS:
            items = self._query(
                IndexName=HOLDS_BY_EXPIRY.name,
                KeyConditionExpression="open_shard = :shard AND expires_at <= :now",
                ExpressionAttributeValues={":shard": {"S": shard}, ":now": number(now_s)},
            )
            yield from map(parse_hold, items)

    def get_key_spend(self, account_id: AccountId, key: ApiKey, now_s: int) -> KeySpend:
        week, month = first_day_of("weekly", now_s), first_day_of("monthly", now_s)
        total_key = keys.spend_total(account_id, key.hash)
        # Days sort before the total: one query reads the days from the earlier of the two on, and the total.
        items = self._query(
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :total",
            ExpressionAttributeValues={
                ":pk": total_key["pk"],
                ":first": keys.spend_day(account_id, key.hash, min(week, month))["sk"],
                ":total": total_key["sk"],
            },
            ConsistentRead=True,
        )
        spent = {item["sk"]["S"]: amount_of(item, "spent") for item in items}
        total = spent.pop(total_key["sk"]["S"], ZERO)

        def since(day: str) -> NanoUsd:
            first = keys.spend_day(account_id, key.hash, day)["sk"]["S"]
            return NanoUsd(sum(amount for sort_key, amount in spent.items() if sort_key >= first))

        used = self._limit_used(account_id, key, now_s)
        return KeySpend(total, since(day_of(now_s)), since(week), since(month), used)

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

    def _limit_used(self, account_id: AccountId, key: ApiKey, now_s: int) -> NanoUsd:
        if key.limit is None:
            return ZERO
        window = keys.limit(account_id, key.hash, window_of(key.limit_reset, now_s))
        return amount_of(self._get(window) or {}, "used")

    def _resolve(
        self,
        account_id: AccountId,
        hold_id: GenerationId,
        resolve: Callable[[Hold], Resolution],
        now_s: int,
        record: Generation | None,
    ) -> Resolution:
        for _ in range(_LOOKS):
            hold = ledger.check_pending(self.find_hold(account_id, hold_id), hold_id)
            resolution = resolve(hold)
            try:
                self._transactions.write(self._resolution(hold, resolution, now_s, record))
            except Refused as refused:
                # Resolved or extended since it was read, or the credit for its overage was spent: look again.
                if refused.found.keys() & {"hold", "balance"}:
                    continue
                raise
            return resolution
        raise TemporarilyBusy("This hold changes too fast to be resolved; try again")

    def _resolution(self, hold: Hold, resolution: Resolution, now_s: int, record: Generation | None) -> Actions:
        actions = (
            self._actions.resolve_hold(hold, resolution, now_s)
            | self._actions.put_entries(*resolution.entries)
            | self._actions.change_balance(hold.account_id, ledger.balance_of(resolution.entries))
            | self._actions.correct_counted(hold, resolution.charged)
            | self._actions.count_spent(hold, resolution.charged, now_s)
        )
        if record is not None:
            actions |= self._actions.put_generation(replace(record, cost=resolution.charged))
        return actions

    def _get(self, key: keys.Key) -> Item | None:
        with translated():
            return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")

    def _query(self, **query: Any) -> Iterator[Item]:
        while True:
            with translated():
                page = self._client.query(TableName=self._table, **query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _no_room(hold: Hold, refused: Refused) -> Exception:
    """Why nothing more can be held: the account's credit first, then the key's limit."""
    if "balance" in refused.found:
        available = parse_balance(refused.found["balance"]).available
        return InsufficientCredit("The account's credit does not cover this", available=available)
    if hold.key_limit is not None and "limit" in refused.found:
        remaining = hold.key_limit.limit - amount_of(refused.found["limit"], "used")
        return KeyLimitExceeded("The key's limit does not cover this", remaining=NanoUsd(max(remaining, 0)))
    return refused
