"""API keys in DynamoDB: one item per key under its hash, and an index of each account's keys by age."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from turnpike.domain.api_keys import ApiKey, KeyRole, LimitReset
from turnpike.domain.ids import AccountId, KeyHash
from turnpike.domain.money import NanoUsd
from turnpike.storage import keys
from turnpike.storage.conflicts import refused
from turnpike.storage.schema import KEYS_BY_ACCOUNT
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_Item = dict[str, Any]


class DynamoApiKeys:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def find(self, key_hash: KeyHash, *, fresh: bool = False) -> ApiKey | None:
        with translated():
            found = self._client.get_item(TableName=self._table, Key=keys.api_key(key_hash), ConsistentRead=fresh)
        return _from_item(found["Item"]) if "Item" in found else None

    def list_for(self, account_id: AccountId) -> Sequence[ApiKey]:
        found = [_from_item(item) for item in self._query(account_id)]
        # The index keeps keys of the same second in no order; the hash makes pages of a list fit together.
        return sorted(found, key=lambda key: (-key.created_at_s, key.hash))

    def create(self, key: ApiKey) -> None:
        with refused("this API key exists already"):
            self._client.put_item(
                TableName=self._table,
                Item=_to_item(key),
                # Only if no key has this hash.
                ConditionExpression="attribute_not_exists(pk)",
            )

    def replace(self, key: ApiKey, *, was: ApiKey) -> None:
        # Only if every attribute is as it `was`; seconds are too coarse for `updated_at` to tell by itself.
        condition, names, values = _unchanged(_to_item(was))
        with refused("this API key was changed at the same time; read it again and repeat the change"):
            self._client.put_item(
                TableName=self._table,
                Item=_to_item(key),
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )

    def delete(self, key: ApiKey) -> None:
        with refused("this API key belongs to another account"):
            self._client.delete_item(
                TableName=self._table,
                Key=keys.api_key(key.hash),
                # Only if the key is this account's, or gone already.
                ConditionExpression="account_id = :account OR attribute_not_exists(pk)",
                ExpressionAttributeValues={":account": {"S": key.account_id}},
            )

    def _query(self, account_id: AccountId) -> Iterator[_Item]:
        start: dict[str, Any] = {}
        while True:
            with translated():
                page = self._client.query(
                    TableName=self._table,
                    IndexName=KEYS_BY_ACCOUNT.name,
                    KeyConditionExpression="account_id = :account",
                    ExpressionAttributeValues={":account": {"S": account_id}},
                    ScanIndexForward=False,
                    **start,
                )
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


_OPTIONAL = ("limit", "limit_reset", "updated_at", "expires_at")


def _unchanged(item: Mapping[str, Any]) -> tuple[str, dict[str, str], _Item]:
    """The condition that a stored key equals `item`: (expression, names, values)."""
    absent = [name for name in _OPTIONAL if name not in item]
    terms = [f"#{name} = :{name}" for name in item] + [f"attribute_not_exists(#{name})" for name in absent]
    names = {f"#{name}": name for name in (*item, *absent)}
    return " AND ".join(terms), names, {f":{name}": value for name, value in item.items()}


def _to_item(key: ApiKey) -> _Item:
    optional = {
        "limit": None if key.limit is None else {"N": str(key.limit)},
        "limit_reset": None if key.limit_reset is None else {"S": key.limit_reset},
        "updated_at": None if key.updated_at_s is None else {"N": str(key.updated_at_s)},
        "expires_at": None if key.expires_at_s is None else {"N": str(key.expires_at_s)},
    }
    return {
        **keys.api_key(key.hash),
        "hash": {"S": key.hash},
        "account_id": {"S": key.account_id},
        "name": {"S": key.name},
        "label": {"S": key.label},
        "role": {"S": key.role},
        "include_byok_in_limit": {"BOOL": key.include_byok_in_limit},
        "disabled": {"BOOL": key.disabled},
        "created_at": {"N": str(key.created_at_s)},
        **{name: value for name, value in optional.items() if value is not None},
    }


def _from_item(item: Mapping[str, Any]) -> ApiKey:
    limit = _number(item, "limit")
    return ApiKey(
        hash=KeyHash(item["hash"]["S"]),
        account_id=AccountId(item["account_id"]["S"]),
        name=item["name"]["S"],
        label=item["label"]["S"],
        role=cast(KeyRole, item["role"]["S"]),
        limit=None if limit is None else NanoUsd(limit),
        limit_reset=cast(LimitReset, item["limit_reset"]["S"]) if "limit_reset" in item else None,
        include_byok_in_limit=item["include_byok_in_limit"]["BOOL"],
        disabled=item["disabled"]["BOOL"],
        created_at_s=int(item["created_at"]["N"]),
        updated_at_s=_number(item, "updated_at"),
        expires_at_s=_number(item, "expires_at"),
    )


def _number(item: Mapping[str, Any], name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None
