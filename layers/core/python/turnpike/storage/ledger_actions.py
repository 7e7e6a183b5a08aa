"""The ledger's writes, as actions of a transaction; each says above its expression when it may happen."""

from typing import TYPE_CHECKING

from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import Balance, Hold, LedgerEntry, Resolution
from turnpike.domain.money import NanoUsd
from turnpike.domain.periods import day_of
from turnpike.storage import keys
from turnpike.storage.generations import generation_item
from turnpike.storage.items import Item, entry_item, hold_item, number

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import PutTypeDef, TransactWriteItemTypeDef, UpdateTypeDef

Actions = dict[str, "TransactWriteItemTypeDef"]


class LedgerActions:
    """Actions by name. What changes nothing is no action: a free generation leaves the balance alone."""

    def __init__(self, table: str) -> None:
        self._table = table

    def change_balance(self, account_id: AccountId, change: Balance, *, may_overdraw: bool = False) -> Actions:
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
            "UpdateExpression": "ADD " + ", ".join(f"{name} :{name}" for name in changes),
            "ExpressionAttributeValues": {f":{name}": number(by) for name, by in changes.items()},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if change.available < 0 and not may_overdraw:
            # Only if what is taken is there; so never from an account that does not exist. What is given back
            # or added needs no condition: the hold or the entry beside it sees to it that it happens once.
            update["ConditionExpression"] = "available >= :taken"
            update["ExpressionAttributeValues"] = {
                **update["ExpressionAttributeValues"],
                ":taken": number(-change.available),
            }
        return {"balance": {"Update": update}}

    def count_held(self, hold: Hold, by: NanoUsd) -> Actions:
        """Count what is about to be held, all or a further part of `hold`, against the key's limit."""
        if hold.key_limit is None or not by:
            return {}
        room = hold.key_limit.limit - by
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

    def correct_counted(self, hold: Hold, charged: NanoUsd) -> Actions:
        """What was held counts no more, what is charged does: in the hold's own window, however long ago."""
        by = charged - hold.amount
        if hold.key_limit is None or not by:
            return {}
        window = keys.limit(hold.account_id, hold.key_hash, hold.key_limit.window)
        return {"limit": self._add(window, "used", by)}

    def put_hold(self, hold: Hold) -> Actions:
        # Only if no hold ever had this id: resolved ones stay, so an id is never held for twice.
        return {"hold": {"Put": self._put_once(hold_item(hold))}}

    def extend_hold(self, hold: Hold, by: NanoUsd) -> Actions:
        return {
            "hold": {
                "Update": {
                    "TableName": self._table,
                    "Key": keys.hold(hold.account_id, hold.hold_id),
                    "UpdateExpression": "SET amount = :amount",
                    # Only if it is pending, and of the amount that the caller has seen.
                    "ConditionExpression": "#state = :pending AND amount = :seen",
                    "ExpressionAttributeNames": {"#state": "state"},
                    "ExpressionAttributeValues": {
                        ":amount": number(hold.amount + by),
                        ":pending": {"S": "pending"},
                        ":seen": number(hold.amount),
                    },
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            }
        }

    def resolve_hold(self, hold: Hold, resolution: Resolution, now_s: int) -> Actions:
        return {
            "hold": {
                "Update": {
                    "TableName": self._table,
                    "Key": keys.hold(hold.account_id, hold.hold_id),
                    # Without `open_shard` it leaves the index of pending holds.
                    "UpdateExpression": "SET #state = :state, resolved_at = :now REMOVE open_shard",
                    # Only if it is pending still, and of the amount that the resolution was worked out for.
                    "ConditionExpression": "#state = :pending AND amount = :seen",
                    "ExpressionAttributeNames": {"#state": "state"},
                    "ExpressionAttributeValues": {
                        ":state": {"S": resolution.state},
                        ":now": number(now_s),
                        ":pending": {"S": "pending"},
                        ":seen": number(hold.amount),
                    },
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            }
        }

    def put_entries(self, *entries: LedgerEntry) -> Actions:
        # Only if the entry was never written; its id is what makes a repetition harmless.
        return {entry.entry_id: {"Put": self._put_once(entry_item(entry))} for entry in entries}

    def put_generation(self, generation: Generation) -> Actions:
        # Only if the generation was never recorded: its first record stays.
        return {"generation": {"Put": self._put_once(generation_item(generation))}}

    def count_spent(self, hold: Hold, charged: NanoUsd, now_s: int) -> Actions:
        if not charged:
            return {}
        account_id, key_hash = hold.account_id, hold.key_hash
        return {
            "spent_total": self._add(keys.spend_total(account_id, key_hash), "spent", charged),
            "spent_day": self._add(keys.spend_day(account_id, key_hash, day_of(now_s)), "spent", charged),
        }

    def _put_once(self, item: Item) -> "PutTypeDef":
        return {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _add(self, key: keys.Key, counter: str, by: int) -> "TransactWriteItemTypeDef":
        # Whatever it is at: counters only follow what the hold's condition lets happen once.
        return {
            "Update": {
                "TableName": self._table,
                "Key": key,
                "UpdateExpression": f"ADD {counter} :by",
                "ExpressionAttributeValues": {":by": number(by)},
            }
        }
