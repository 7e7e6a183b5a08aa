"""The refreshed catalog and the operator's word on it, in a table of their own.

    CATALOG   ARTEFACT    version, base, fetched_at, etags, and the compiled catalog itself, 30 kB of zlib
              OVERRIDES   version, put_at, and the text, packed by zlib
              REFRESH     due_at: when upkeep is to compile it anew

The first two are replaced only where they are as whoever replaces them has seen them: of two at the same time one
wins, and the other has to look again.
"""

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from turnpike.domain.errors import Conflict
from turnpike.domain.stored_catalog import CatalogVersions, StoredArtefact, StoredOverrides
from turnpike.storage.items import Item, number
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ARTEFACT, _OVERRIDES, _REFRESH = "ARTEFACT", "OVERRIDES", "REFRESH"
_MOST_TEXT_BYTES = 4_000_000
"""Unpacked; an item holds a tenth of it, packed."""


class DynamoCatalogStore:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def versions(self) -> CatalogVersions:
        with translated():
            found = self._client.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                # `base` is one of DynamoDB's own words.
                ProjectionExpression="sk, #version, #base",
                ExpressionAttributeNames={"#version": "version", "#base": "base"},
                ExpressionAttributeValues={":pk": {"S": _PARTITION}},
            )
        items = {item["sk"]["S"]: item for item in found["Items"]}
        artefact, overrides = items.get(_ARTEFACT, {}), items.get(_OVERRIDES, {})
        return CatalogVersions(_text(artefact, "version"), _text(artefact, "base"), _text(overrides, "version"))

    def find_artefact(self) -> StoredArtefact | None:
        item = self._find(_ARTEFACT)
        if item is None:
            return None
        return StoredArtefact(
            version=item["version"]["S"],
            base=item["base"]["S"],
            data=bytes(item["data"]["B"]),
            fetched_at_s=int(item["fetched_at"]["N"]),
            etags={address: etag["S"] for address, etag in item["etags"]["M"].items()},
        )

    def put_artefact(self, artefact: StoredArtefact, *, was: str | None) -> None:
        item: Item = {
            "version": {"S": artefact.version},
            "base": {"S": artefact.base},
            "data": {"B": artefact.data},
            "fetched_at": number(artefact.fetched_at_s),
            "etags": {"M": {address: {"S": etag} for address, etag in artefact.etags.items()}},
        }
        self._put(_ARTEFACT, item, was)

    def find_overrides(self) -> StoredOverrides | None:
        item = self._find(_OVERRIDES)
        if item is None:
            return None
        text = zlib.decompressobj().decompress(bytes(item["text"]["B"]), _MOST_TEXT_BYTES)
        return StoredOverrides(text.decode(), int(item["put_at"]["N"]))

    def put_overrides(self, overrides: StoredOverrides, *, was: str | None) -> None:
        item: Item = {
            "version": {"S": overrides.version},
            "text": {"B": zlib.compress(overrides.text.encode())},
            "put_at": number(overrides.put_at_s),
        }
        self._put(_OVERRIDES, item, was)

    def claim_refresh(self, now_s: int, *, until_s: int) -> bool:
        try:
            with translated():
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(_REFRESH),
                    UpdateExpression="SET due_at = :until",
                    # Only if it is due: whoever comes second finds that it is not, any more.
                    ConditionExpression="attribute_not_exists(due_at) OR due_at <= :now",
                    ExpressionAttributeValues={":now": number(now_s), ":until": number(until_s)},
                )
        except ClientError as error:
            if _is_refused(error):
                return False
            raise
        return True

    def schedule_refresh(self, at_s: int) -> None:
        with translated():
            self._client.update_item(
                TableName=self._table,
                Key=_key(_REFRESH),
                UpdateExpression="SET due_at = :at",
                # Only who has claimed one schedules the next one.
                ConditionExpression="attribute_exists(due_at)",
                ExpressionAttributeValues={":at": number(at_s)},
            )

    def _find(self, sort_key: str) -> Item | None:
        with translated():
            found: Mapping[str, Any] = self._client.get_item(
                TableName=self._table, Key=_key(sort_key), ConsistentRead=True
            )
        return found.get("Item")

    def _put(self, sort_key: str, item: Item, was: str | None) -> None:
        expected: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(version)"}
        if was is not None:
            expected = {
                "ConditionExpression": "version = :was",
                "ExpressionAttributeValues": {":was": {"S": was}},
            }
        try:
            with translated():
                # Only if it is still what was seen.
                self._client.put_item(TableName=self._table, Item={**_key(sort_key), **item}, **expected)
        except ClientError as error:
            if _is_refused(error):
                raise Conflict("Somebody else has just changed the catalog; try again") from error
            raise


_PARTITION = "CATALOG"


def _key(sort_key: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": _PARTITION}, "sk": {"S": sort_key}}


def _text(item: Mapping[str, Any], name: str) -> str | None:
    return item[name]["S"] if name in item else None


def _is_refused(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
