"""An account's books as they are stored: raw items, read without anything of what wrote them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredEntry:
    kind: str
    available: int
    held: int
    reference: str
    created_at: int

    @property
    def charge(self) -> int:
        return -(self.available + self.held)


@dataclass(frozen=True, slots=True)
class StoredHold:
    hold_id: str
    key: str
    state: str
    first_amount: int
    amount: int
    unspent: int | None
    """Of leases alone."""
    limit: int | None
    window: str | None
    created_at: int
    resolved_at: int | None

    @property
    def is_lease(self) -> bool:
        return self.unspent is not None


@dataclass(frozen=True, slots=True)
class StoredRecord:
    key: str
    cost: int
    upstream_cost: int
    lease: str | None
    user: str | None


@dataclass(slots=True)
class Books:
    account_id: str
    balance: Counter[str] = field(default_factory=Counter)
    holds: dict[str, StoredHold] = field(default_factory=dict)
    entries: dict[str, StoredEntry] = field(default_factory=dict)
    """By id; a hold's own item is the entry of its making, and not among them."""
    records: dict[str, StoredRecord] = field(default_factory=dict)
    spent: Counter[str] = field(default_factory=Counter)
    """By key."""
    used: dict[tuple[str, str], int] = field(default_factory=dict)
    """By key and window."""
    activity: Counter[str] = field(default_factory=Counter)
    """Of all days and cells."""
    users_activity: Counter[str] = field(default_factory=Counter)
    """The requests of each user."""
    unknown: list[str] = field(default_factory=list)

    def charge_of(self, generation: str) -> int:
        parts = (self.entries.get(f"{generation}#{kind}") for kind in ("capture", "overage"))
        return sum(entry.charge for entry in parts if entry)

    def was_captured(self, generation: str) -> bool:
        return f"{generation}#capture" in self.entries

    def extended(self, hold_id: str) -> int:
        prefix = f"{hold_id}#hold#"
        return sum(entry.held for each, entry in self.entries.items() if each.startswith(prefix))

    def most_held(self, hold: StoredHold) -> int:
        return hold.first_amount + self.extended(hold.hold_id)

    def captured(self) -> Iterator[str]:
        """The generations that were."""
        return (each.removesuffix("#capture") for each in self.entries if each.endswith("#capture"))


def read_books(dynamodb: "DynamoDBClient", table: str, account_id: str) -> Books:
    books = Books(account_id)
    for item in _items(dynamodb, table, account_id):
        kind, _, rest = item["sk"]["S"].partition("#")
        match kind:
            case "BALANCE":
                names = ("available", "held", "credits_total", "usage_total")
                books.balance.update({name: _number(item, name) for name in names})
            case "HOLD":
                books.holds[rest] = _hold(rest, item)
            case "ENTRY":
                books.entries[rest] = _entry(item)
            case "GENERATION":
                books.records[rest] = _record(item)
            case "ACTIVITY":
                books.activity.update({name: _number(item, name) for name in ("requests", "usage", "upstream_cost")})
            case "USER_ACTIVITY":
                books.users_activity[item["user"]["S"]] += _number(item, "requests")
            case "SPEND":
                books.spent[rest.partition("#")[0]] += sum(_days(item))
            case "LIMIT":
                key, _, window = rest.partition("#")
                books.used[key, window] = _number(item, "used")
            case _:
                books.unknown.append(item["sk"]["S"])
    return books


def _items(dynamodb: "DynamoDBClient", table: str, account_id: str) -> Iterator[Item]:
    query: Any = {"ExpressionAttributeValues": {":pk": {"S": f"ACCOUNT#{account_id}"}}, "ConsistentRead": True}
    while True:
        page = dynamodb.query(TableName=table, KeyConditionExpression="pk = :pk", **query)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _hold(hold_id: str, item: Item) -> StoredHold:
    return StoredHold(
        hold_id,
        item["key_hash"]["S"],
        item["state"]["S"],
        first_amount=_number(item, "amount_at_creation"),
        amount=_number(item, "amount"),
        unspent=_number(item, "unspent") if "unspent" in item else None,
        limit=_number(item, "limit") if "limit" in item else None,
        window=_text(item, "limit_window"),
        created_at=_number(item, "created_at"),
        resolved_at=_number(item, "resolved_at") if "resolved_at" in item else None,
    )


def _entry(item: Item) -> StoredEntry:
    return StoredEntry(
        item["kind"]["S"],
        _number(item, "available_delta"),
        _number(item, "held_delta"),
        item["reference"]["S"],
        _number(item, "created_at"),
    )


def _record(item: Item) -> StoredRecord:
    return StoredRecord(
        item["key_hash"]["S"],
        _number(item, "cost"),
        _number(item, "upstream_cost"),
        _text(item, "lease_id"),
        _text(item, "user"),
    )


def _days(item: Item) -> Iterable[int]:
    return (_number(item, name) for name in item if name.startswith("spent_"))


def _number(item: Item, name: str) -> int:
    return int(item[name]["N"]) if name in item else 0


def _text(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None
