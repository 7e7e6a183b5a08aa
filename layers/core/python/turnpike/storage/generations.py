"""Generations in the ledger's table, each under its account: written once, when their hold is resolved."""

import time
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.storage import keys
from turnpike.storage.items import Item, is_past
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_Record = Generation | Usage | Attempt
_AnyRecord = TypeVar("_AnyRecord", Generation, Usage, Attempt)


class DynamoGenerations:
    def __init__(self, client: "DynamoDBClient", table: str, *, now: Callable[[], float] = time.time) -> None:
        self._client, self._table, self._now = client, table, now

    def find(self, account_id: AccountId, generation_id: GenerationId) -> Generation | None:
        with translated():
            found = self._client.get_item(
                TableName=self._table, Key=keys.generation(account_id, generation_id), ConsistentRead=True
            )
        item = found.get("Item")
        return None if item is None or is_past(item, self._now()) else parse_generation(item)


def generation_item(generation: Generation) -> Item:
    """The fields under their own names; those that are None or as they are by default are left out."""
    return {**keys.generation(generation.account_id, generation.id), **_attributes_of(generation)}


def parse_generation(item: Mapping[str, Any]) -> Generation:
    values = {name: _value_of(attribute) for name, attribute in item.items()}
    values["usage"] = _build(Usage, values["usage"])
    values["attempts"] = tuple(_build(Attempt, attempt) for attempt in values.get("attempts", ()))
    return _build(Generation, values)


def _attributes_of(record: _Record) -> Item:
    values = {field.name: (getattr(record, field.name), field.default) for field in fields(record)}
    # What is written is paid for by the kilobyte, and reading gives the defaults back.
    return {name: _attribute(value) for name, (value, default) in values.items() if value not in (None, default)}


def _build(kind: type[_AnyRecord], values: Mapping[str, Any]) -> _AnyRecord:
    """Items outlive the code that wrote them: what they lack has its default, what is unknown is ignored."""
    required = {field.name: None for field in fields(kind) if _has_no_default(field)}
    known = {field.name: values[field.name] for field in fields(kind) if field.name in values}
    return kind(**(required | known))


def _has_no_default(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _attribute(value: object) -> dict[str, Any]:
    match value:
        case bool():  # Before int, which it is too.
            return {"BOOL": value}
        case int() | float():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case Usage() | Attempt():
            return {"M": _attributes_of(value)}
        case tuple() | list():
            return {"L": [_attribute(element) for element in value]}
    raise TypeError(f"a generation has no field of type {type(value).__name__}")


def _value_of(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return float(value) if "." in value else int(value)
        case "M":
            return {name: _value_of(member) for name, member in value.items()}
        case "L":
            return [_value_of(element) for element in value]
    return value
