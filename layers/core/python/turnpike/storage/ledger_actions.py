"""The ledger's writes, as actions of a transaction; each says above its expression when it may happen."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, KeyHash, LeaseId
from turnpike.domain.ledger import Balance, Hold, LedgerEntry, Resolution
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import day_of, month_of
from turnpike.domain.retention import KEPT_FOR_GOOD, Retention
from turnpike.storage import keys
from turnpike.storage.generations import generation_item
from turnpike.storage.items import Item, entry_item, expiring, hold_item, number, spent_attribute

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import PutTypeDef, TransactWriteItemTypeDef, UpdateTypeDef

Actions = dict[str, "TransactWriteItemTypeDef"]

_NOT_CLOSED = "attribute_not_exists(closed_at)"


class LedgerActions:
    """Actions by name. What changes nothing is no action: a free generation leaves the balance alone."""

    def __init__(self, table: str, retention: Retention = KEPT_FOR_GOOD) -> None:
        self._table, self._retention = table, retention

    def change_balance(
        self, account_id: AccountId, change: Balance, *, floor: NanoUsd = ZERO, may_overdraw: bool = False
    ) -> Actions:
        """Credit is only taken if at least `floor` is there before."""
        changes = {
            "available": change.available,
            "held": change.held,
            "credits_total": change.credits_total,
            "usage_total": change.usage_total,
        }
        changes = {name: by for name, by in changes.items() if by}
        if not changes:
            return {}
        update: UpdateTypeDef = {
            "TableName": self._table,
            "Key": keys.balance(account_id),
            "UpdateExpression": _adding(changes),
            "ExpressionAttributeValues": _values(changes),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if change.available < 0 and not may_overdraw:
            # Only if what is taken is there; so never from an account that does not exist. What is given back
            # or added needs no condition: the hold or the entry beside it sees to it that it happens once.
            update["ConditionExpression"] = "available >= :needed"
            update["ExpressionAttributeValues"] = {
                **update["ExpressionAttributeValues"],
                ":needed": number(max(floor, -change.available)),
            }
        return {"balance": {"Update": update}}

    def count_held(self, hold: Hold, by: NanoUsd, *, floor: NanoUsd = ZERO) -> Actions:
        """Count what is about to be held, all or a further part of `hold`, if the key's limit leaves it and `floor`."""
        if hold.key_limit is None or not by:
            return {}
        room = hold.key_limit.limit - max(by, floor)
        # Only if what is used so far leaves room for it. Where the limit is below the amount itself, not even
        # an unused window has room; the write is tried all the same, since its refusal tells what is used.
        condition = "used <= :room" if room < 0 else "attribute_not_exists(used) OR used <= :room"
        return {
            "limit": {
                "Update": {
                    "TableName": self._table,
                    "Key": keys.limit(hold.account_id, hold.key_hash, hold.key_limit.window),
                    "UpdateExpression": "ADD used :by",
                    "ConditionExpression": condition,
                    "ExpressionAttributeValues": {":by": number(by), ":room": number(room)},
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            }
        }

    def correct_counted(self, hold: Hold, by: NanoUsd, *, overage: NanoUsd = ZERO) -> Actions:
        """In the hold's own window, however long ago: what was held counts no more, what is charged does."""
        if hold.key_limit is None or not by:
            return {}
        action = self._add(keys.limit(hold.account_id, hold.key_hash, hold.key_limit.window), {"used": by})
        if overage:
            # Only if the limit leaves what is charged beyond the hold. What was held it had room for already.
            action["Update"] |= {
                "ConditionExpression": "attribute_not_exists(used) OR used <= :room",
                "ExpressionAttributeValues": {":used": number(by), ":room": number(hold.key_limit.limit - overage)},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        return {"limit": action}

    def put_hold(self, hold: Hold) -> Actions:
        # Only if no hold ever had this id: resolved ones stay, so an id is never held for twice.
        return {"hold": {"Put": self._put_once(hold_item(hold))}}

    def extend_hold(self, hold: Hold, by: NanoUsd) -> Actions:
        # Only if it is pending, and of the amount that the caller has seen; a lease, if it is not closed either.
        if hold.is_lease:
            return self._change_pending(
                hold,
                "SET amount = :amount, unspent = unspent + :by",
                {":amount": hold.amount + by, ":by": by, ":seen": hold.amount},
                f"amount = :seen AND {_NOT_CLOSED}",
            )
        return self._change_pending(
            hold, "SET amount = :amount", {":amount": hold.amount + by, ":seen": hold.amount}, "amount = :seen"
        )

    def close_lease(self, lease: Hold, give_back: NanoUsd, now_s: int) -> Actions:
        # Only once, of the amount that the caller has seen, and if so much of it is unspent.
        return self._change_pending(
            lease,
            "SET amount = amount - :by, unspent = unspent - :by, closed_at = :now",
            {":by": give_back, ":now": now_s, ":seen": lease.amount},
            f"amount = :seen AND unspent >= :by AND {_NOT_CLOSED}",
        )

    def spend_of_lease(self, account_id: AccountId, lease_id: LeaseId, by: NanoUsd, *, seen: NanoUsd | None) -> Actions:
        # Only if so much of it is unspent, whatever was captured from it since anybody looked; where something beyond
        # it is charged as well, only if as much is unspent as that was worked out for.
        condition = "unspent >= :by" if seen is None else "unspent = :seen"
        values = {":by": by} if seen is None else {":by": by, ":seen": seen}
        return self._change_pending_at(
            keys.hold(account_id, lease_id), "SET unspent = unspent - :by", values, condition
        )

    def resolve_hold(self, hold: Hold, resolution: Resolution, now_s: int) -> Actions:
        # Only if it is still of the amount that the resolution was worked out for; a lease, with as much of it unspent.
        condition, seen = "amount = :seen", {":seen": hold.amount}
        if hold.is_lease:
            condition, seen = f"{condition} AND unspent = :left", {**seen, ":left": hold.left}
        return self._change_pending(
            hold,
            # Without `open_shard` it leaves the index of pending holds.
            "SET #state = :state, resolved_at = :now REMOVE open_shard",
            {":state": resolution.state, ":now": now_s, **seen},
            condition,
        )

    def put_entries(self, *entries: LedgerEntry) -> Actions:
        # Only if the entry was never written; its id is what makes a repetition harmless.
        return {entry.entry_id: {"Put": self._put_once(entry_item(entry))} for entry in entries}

    def put_generation(self, generation: Generation) -> Actions:
        # Only if the generation was never recorded: its first record stays.
        item = expiring(generation_item(generation), self._retention.generation_ends_s(generation.created_at_s))
        return {"generation": {"Put": self._put_once(item)}}

    def count_activity(
        self, account_id: AccountId, generations: Iterable[Generation], now_s: int, *, part: str = ""
    ) -> Actions:
        """`part` names an item of its own for the same cells."""
        # Loaded by whoever settles, which completions seldom do.
        from turnpike.domain.activity import count_cells
        from turnpike.storage.activity import count_activity

        # Whatever is counted so far. It is written with the generations' own records alone, and the conditions of
        # those, of their holds or of their entries let each generation do so once.
        day = day_of(now_s)
        ends_s = self._retention.activity_ends_s(day)
        return {
            f"activity {place}": {
                "Update": count_activity(self._table, account_id, cell, counts, ends_s=ends_s, part=part)
            }
            for place, (cell, counts) in enumerate(count_cells(generations, day).items())
        }

    def count_spent(
        self, account_id: AccountId, key_hash: KeyHash, credit: NanoUsd, byok: NanoUsd, now_s: int
    ) -> Actions:
        if not credit and not byok:
            return {}
        day = day_of(now_s)
        counts = {spent_attribute(day): credit, spent_attribute(day, byok=True): byok}
        counts = {name: by for name, by in counts.items() if by}
        spent = self._add(keys.spend(account_id, key_hash, month_of(day)), counts)
        spent["Update"]["UpdateExpression"] += " SET used_at = :now"
        spent["Update"]["ExpressionAttributeValues"] = {**_values(counts), ":now": number(now_s)}
        return {"spent": spent}

    def count_what_was_spent(self, account_id: AccountId, key_hash: KeyHash, window: str, spent: NanoUsd) -> Actions:
        return {
            "limit": {
                "Update": {
                    "TableName": self._table,
                    "Key": keys.limit(account_id, key_hash, window),
                    "UpdateExpression": "SET used = :spent",
                    # Only if less is counted: a window that was counted from its beginning has the open holds too.
                    "ConditionExpression": "attribute_not_exists(used) OR used < :spent",
                    "ExpressionAttributeValues": {":spent": number(spent)},
                }
            }
        }

    def _change_pending(self, hold: Hold, change: str, values: Mapping[str, int | str], condition: str) -> Actions:
        return self._change_pending_at(keys.hold(hold.account_id, hold.hold_id), change, values, condition)

    def _change_pending_at(
        self, key: keys.Key, change: str, values: Mapping[str, int | str], condition: str
    ) -> Actions:
        """Only while the hold is pending, and if the rest of the condition is true as well."""
        texts_and_numbers = {
            name: {"S": value} if isinstance(value, str) else number(value) for name, value in values.items()
        }
        return {
            "hold": {
                "Update": {
                    "TableName": self._table,
                    "Key": key,
                    "UpdateExpression": change,
                    "ConditionExpression": f"#state = :pending AND {condition}",
                    "ExpressionAttributeNames": {"#state": "state"},
                    "ExpressionAttributeValues": {":pending": {"S": "pending"}, **texts_and_numbers},
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            }
        }

    def _put_once(self, item: Item) -> "PutTypeDef":
        return {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _add(self, key: keys.Key, counts: Mapping[str, int]) -> "TransactWriteItemTypeDef":
        # Whatever they are at: counters only follow what the hold's condition lets happen once.
        return {
            "Update": {
                "TableName": self._table,
                "Key": key,
                "UpdateExpression": _adding(counts),
                "ExpressionAttributeValues": _values(counts),
            }
        }


def _adding(changes: Mapping[str, int]) -> str:
    return "ADD " + ", ".join(f"{name} :{name}" for name in changes)


def _values(changes: Mapping[str, int]) -> dict[str, dict[str, str]]:
    return {f":{name}": number(by) for name, by in changes.items()}
