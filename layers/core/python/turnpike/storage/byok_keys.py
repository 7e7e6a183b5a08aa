"""Customers' own provider keys in DynamoDB: an item for each under its account, the secret in it sealed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from turnpike.domain.byok import ByokKey, DeclaredRegion, Place, Sealed
from turnpike.domain.ids import AccountId
from turnpike.storage import keys
from turnpike.storage.conflicts import refused
from turnpike.storage.queries import items_from
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_Item = dict[str, Any]

_REMEMBERED_S = 90 * 86_400
"""How long it shows in the table that there was a key that is deleted."""
_FLAGS = ("is_fallback", "is_required", "is_byok_only", "disabled")
_LISTS = ("allowed_models", "allowed_api_key_hashes", "allowed_user_ids")


class DynamoByokKeys:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def list_for(self, account_id: AccountId) -> Sequence[ByokKey]:
        found = [_from_item(item) for item in self._query(account_id)]
        return sorted(found, key=lambda key: (key.provider, key.sort_order, key.created_at_s, key.id))

    def find(self, account_id: AccountId, key_id: str) -> ByokKey | None:
        with translated():
            found = self._client.get_item(
                TableName=self._table, Key=keys.byok_key(account_id, key_id), ConsistentRead=True
            )
        item = found.get("Item")
        return None if item is None or "deleted_at" in item else _from_item(item)

    def create(self, key: ByokKey) -> None:
        with refused("this provider key exists already"):
            self._client.put_item(
                TableName=self._table,
                Item=_to_item(key),
                # Only if there never was one of this id, not even one that is deleted.
                ConditionExpression="attribute_not_exists(pk)",
            )

    def replace(self, key: ByokKey, *, was: ByokKey) -> None:
        with refused("this provider key was changed at the same time; read it again and repeat the change"):
            self._client.put_item(
                TableName=self._table,
                Item=_to_item(key),
                # Only if nobody has changed it since it was read, and it is not deleted: a secret that was wiped
                # must not come back.
                ConditionExpression="revision = :seen AND attribute_not_exists(deleted_at)",
                ExpressionAttributeValues={":seen": {"N": str(was.revision)}},
            )

    def delete(self, key: ByokKey, now_s: int) -> None:
        try:
            with translated():
                self._client.update_item(
                    TableName=self._table,
                    Key=keys.byok_key(key.account_id, key.id),
                    UpdateExpression="SET deleted_at = :now, #ttl = :until REMOVE data_key, ciphertext",
                    # Only if it is there, and not deleted yet; whatever else has become of it.
                    ConditionExpression="attribute_exists(pk) AND attribute_not_exists(deleted_at)",
                    ExpressionAttributeNames={"#ttl": "ttl"},
                    ExpressionAttributeValues={":now": {"N": str(now_s)}, ":until": {"N": str(now_s + _REMEMBERED_S)}},
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def _query(self, account_id: AccountId) -> Iterator[_Item]:
        # As last written, or a key that is to serve alone could be overlooked for longer than it is remembered.
        first, left_out = keys.byok_key(account_id, ""), "attribute_not_exists(deleted_at)"
        return items_from(self._client, self._table, first, FilterExpression=left_out)


def _to_item(key: ByokKey) -> _Item:
    optional: dict[str, Any] = {
        "name": None if key.name is None else {"S": key.name},
        "declared_zdr": None if key.declared_zdr is None else {"BOOL": key.declared_zdr},
        "declared_region": None if key.declared_region is None else {"S": key.declared_region},
        "updated_at": None if key.updated_at_s is None else {"N": str(key.updated_at_s)},
        "only_model": None if key.place.model is None else {"S": key.place.model},
        "upstream_model": None if key.place.upstream_model is None else {"S": key.place.upstream_model},
    }
    for name in _LISTS:
        values: tuple[str, ...] | None = getattr(key, name)
        optional[name] = None if values is None else {"L": [{"S": value} for value in values]}
    return {
        **keys.byok_key(key.account_id, key.id),
        "id": {"S": key.id},
        "account_id": {"S": key.account_id},
        "provider": {"S": key.provider},
        "label": {"S": key.label},
        "data_key": {"B": key.sealed.data_key},
        "ciphertext": {"B": key.sealed.ciphertext},
        "place": {"L": [{"L": [{"S": name}, {"S": value}]} for name, value in key.place.variables]},
        "sort_order": {"N": str(key.sort_order)},
        "created_at": {"N": str(key.created_at_s)},
        "revision": {"N": str(key.revision)},
        **{name: {"BOOL": getattr(key, name)} for name in _FLAGS},
        **{name: value for name, value in optional.items() if value is not None},
    }


def _from_item(item: Mapping[str, Any]) -> ByokKey:
    lists: dict[str, Any] = {
        name: tuple(value["S"] for value in item[name]["L"]) if name in item else None for name in _LISTS
    }
    return ByokKey(
        id=item["id"]["S"],
        account_id=AccountId(item["account_id"]["S"]),
        provider=item["provider"]["S"],
        label=item["label"]["S"],
        sealed=Sealed(item["data_key"]["B"], item["ciphertext"]["B"]),
        place=Place(
            tuple((pair["L"][0]["S"], pair["L"][1]["S"]) for pair in item["place"]["L"]),
            _text(item, "only_model"),
            _text(item, "upstream_model"),
        ),
        name=_text(item, "name"),
        sort_order=int(item["sort_order"]["N"]),
        declared_zdr=item["declared_zdr"]["BOOL"] if "declared_zdr" in item else None,
        declared_region=cast("DeclaredRegion | None", _text(item, "declared_region")),
        created_at_s=int(item["created_at"]["N"]),
        updated_at_s=int(item["updated_at"]["N"]) if "updated_at" in item else None,
        revision=int(item["revision"]["N"]),
        **{name: item[name]["BOOL"] for name in _FLAGS},
        **lists,
    )


def _text(item: Mapping[str, Any], name: str) -> str | None:
    return item[name]["S"] if name in item else None
