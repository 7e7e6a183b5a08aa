"""Balances, holds and ledger entries as DynamoDB items. Amounts are numbers without a fraction."""

from collections.abc import Mapping
from typing import Any, cast

from turnpike.domain.api_keys import Spending
from turnpike.domain.ids import AccountId, HoldId, KeyHash
from turnpike.domain.ledger import Balance, EntryKind, Hold, HoldState, KeyLimit, LedgerEntry, hold_entry
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import day_of, first_day_of
from turnpike.storage import keys

Item = dict[str, Any]

TTL = "ttl"


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def amount_of(item: Mapping[str, Any], name: str) -> NanoUsd:
    """Zero where nothing was ever counted."""
    return NanoUsd(int(item[name]["N"]) if name in item else 0)


def expiring(item: Item, ends_s: int | None) -> Item:
    """The item, to be deleted after that time; None keeps it for good."""
    return item if ends_s is None else {**item, TTL: number(ends_s)}


def is_past(item: Mapping[str, Any], now_s: float) -> bool:
    """Whether its time is over: DynamoDB deletes what is past it within days, and not at once."""
    return TTL in item and int(item[TTL]["N"]) <= now_s


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
    if hold.is_lease:
        item["unspent"] = number(hold.left)
    if hold.byok_amount is not None:
        item["byok_amount"] = number(hold.byok_amount)
    if hold.key_limit is not None:
        item |= {"limit": number(hold.key_limit.limit), "limit_window": {"S": hold.key_limit.window}}
    return item


def parse_hold(item: Mapping[str, Any]) -> Hold:
    window = item["limit_window"]["S"] if "limit_window" in item else None
    amount = amount_of(item, "amount")
    return Hold(
        hold_id=cast(HoldId, item["hold_id"]["S"]),
        account_id=AccountId(item["account_id"]["S"]),
        key_hash=KeyHash(item["key_hash"]["S"]),
        amount=amount,
        created_at_s=int(item["created_at"]["N"]),
        expires_at_s=int(item["expires_at"]["N"]),
        key_limit=None if window is None else KeyLimit(amount_of(item, "limit"), window),
        state=cast(HoldState, item["state"]["S"]),
        captured=NanoUsd(amount - amount_of(item, "unspent")) if "unspent" in item else ZERO,
        is_closed="closed_at" in item,
        byok_amount=amount_of(item, "byok_amount") if "byok_amount" in item else None,
    )


def parse_first_hold(item: Mapping[str, Any]) -> Hold:
    """The hold as it was made, before any extension."""
    first = {**item, "amount": item["amount_at_creation"]}
    if "unspent" in item:
        first["unspent"] = first["amount"]
    return parse_hold(first)


def spent_attribute(day: str, *, byok: bool = False) -> str:
    """Of a key's item for a month: what it spent on that day, of our credit or at its customer's own accounts."""
    return f"{'byok' if byok else 'spent'}_{day[-2:]}"


def parse_spending(months: Mapping[str, Item], now_s: int, *, byok: bool = False) -> Spending:
    """`months`: a key's items, by month."""

    def since(first: str) -> NanoUsd:
        return NanoUsd(sum(amount for day, amount in by_day.items() if day >= first))

    kind = spent_attribute("", byok=byok)
    by_day = {
        f"{month}-{name.removeprefix(kind)}": amount_of(item, name)
        for month, item in months.items()
        for name in item
        if name.startswith(kind)
    }
    return Spending(
        since(""), since(day_of(now_s)), since(first_day_of("weekly", now_s)), since(first_day_of("monthly", now_s))
    )


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
