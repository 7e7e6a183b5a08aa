"""Balances, holds and ledger entries as DynamoDB items. Amounts are numbers without a fraction."""

from collections.abc import Mapping
from typing import Any, cast

from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.ledger import Balance, EntryKind, Hold, HoldState, KeyLimit, LedgerEntry, hold_entry
from turnpike.domain.money import NanoUsd
from turnpike.storage import keys

Item = dict[str, Any]


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def amount_of(item: Mapping[str, Any], name: str) -> NanoUsd:
    """Zero where nothing was ever counted."""
    return NanoUsd(int(item[name]["N"]) if name in item else 0)


def parse_balance(item: Mapping[str, Any]) -> Balance:
    return Balance(
        available=amount_of(item, "available"),
        held=amount_of(item, "held"),
        credits_total=amount_of(item, "credits_total"),
        usage_total=amount_of(item, "usage_total"),
    )


def hold_item(hold: Hold) -> Item:
    """A new hold. It stands for its own ledger entry too, hence `amount_at_creation`, which never changes."""
    item = {
        **keys.hold(hold.account_id, hold.hold_id),
        "hold_id": {"S": hold.hold_id},
        "account_id": {"S": hold.account_id},
        "key_hash": {"S": hold.key_hash},
        "amount": number(hold.amount),
        "amount_at_creation": number(hold.amount),
        "created_at": number(hold.created_at_s),
        "expires_at": number(hold.expires_at_s),
        "state": {"S": hold.state},
        "open_shard": {"S": keys.open_shard(hold.hold_id)},
    }
    if hold.key_limit is not None:
        item |= {"limit": number(hold.key_limit.limit), "limit_window": {"S": hold.key_limit.window}}
    return item


def parse_hold(item: Mapping[str, Any]) -> Hold:
    window = item["limit_window"]["S"] if "limit_window" in item else None
    return Hold(
        hold_id=GenerationId(item["hold_id"]["S"]),
        account_id=AccountId(item["account_id"]["S"]),
        key_hash=KeyHash(item["key_hash"]["S"]),
        amount=amount_of(item, "amount"),
        created_at_s=int(item["created_at"]["N"]),
        expires_at_s=int(item["expires_at"]["N"]),
        key_limit=None if window is None else KeyLimit(amount_of(item, "limit"), window),
        state=cast(HoldState, item["state"]["S"]),
    )


def parse_first_hold(item: Mapping[str, Any]) -> Hold:
    """The hold as it was made, before any extension."""
    return parse_hold({**item, "amount": item["amount_at_creation"]})


def entry_item(entry: LedgerEntry) -> Item:
    return {
        **keys.entry(entry.account_id, entry.entry_id),
        "entry_id": {"S": entry.entry_id},
        "account_id": {"S": entry.account_id},
        "kind": {"S": entry.kind},
        "available_delta": number(entry.available_delta),
        "held_delta": number(entry.held_delta),
        "reference": {"S": entry.reference},
        "created_at": number(entry.created_at_s),
    }


def parse_entry(item: Mapping[str, Any]) -> LedgerEntry:
    """Also of a hold's item, which is the entry of its making."""
    if "kind" not in item:
        return hold_entry(parse_first_hold(item))
    return LedgerEntry(
        entry_id=item["entry_id"]["S"],
        account_id=AccountId(item["account_id"]["S"]),
        kind=cast(EntryKind, item["kind"]["S"]),
        available_delta=amount_of(item, "available_delta"),
        held_delta=amount_of(item, "held_delta"),
        reference=item["reference"]["S"],
        created_at_s=int(item["created_at"]["N"]),
    )
