"""Presets in DynamoDB: an item for each under its account, which has its designated version in it so that a request
reads one item, and an item for each version.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import Preset, PresetStatus, PresetVersion
from turnpike.storage import keys
from turnpike.storage.conflicts import refused
from turnpike.storage.items import Item, number
from turnpike.storage.queries import items_from
from turnpike.storage.transactions import Refused, Transactions, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutTypeDef, TransactWriteItemTypeDef

_CHANGED = "this preset was changed at the same time; read it again and repeat the change"

_TOGETHER = 25
"""Versions that are deleted in one transaction, which takes 4 MB of items."""


class DynamoPresets:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table
        self._transactions = Transactions(client)

    def find(self, account_id: AccountId, slug: str, *, fresh: bool = False) -> Preset | None:
        item = self._get(keys.preset(account_id, slug), fresh=fresh)
        return None if item is None else _preset_of(item)

    def list_for(self, account_id: AccountId) -> Sequence[Preset]:
        found = [_preset_of(item) for item in items_from(self._client, self._table, keys.preset(account_id, ""))]
        return sorted(found, key=lambda preset: (-preset.updated_at_s, preset.slug))

    def create(self, preset: Preset) -> None:
        # Only if there is none of this slug.
        self._write(preset, {"ConditionExpression": "attribute_not_exists(pk)"}, "there is a preset of this slug")

    def replace(self, preset: Preset, *, was: Preset) -> None:
        # Only if it is the same one still, and nobody has changed it since it was read.
        condition = _as_seen(was)
        if preset.latest > was.latest:
            self._write(preset, condition, _CHANGED)
            return
        with refused(_CHANGED):
            self._client.put_item(TableName=self._table, Item=_item_of(preset), **cast("Any", condition))

    def find_version(self, preset: Preset, wanted: int) -> PresetVersion | None:
        item = self._get(keys.preset_version(preset.account_id, preset.id, wanted), fresh=True)
        return None if item is None else _version_of(item)

    def list_versions(self, preset: Preset) -> Sequence[PresetVersion]:
        first = keys.preset_version(preset.account_id, preset.id, None)
        return sorted(
            (_version_of(item) for item in items_from(self._client, self._table, first)),
            key=lambda version: version.number,
        )

    def delete(self, preset: Preset) -> None:
        """Some versions at a time, the last of them with the preset: whatever interrupts it, it can be done again."""
        if self.find(preset.account_id, preset.slug, fresh=True) is None:
            return
        versions = [version.number for version in self.list_versions(preset)]
        *before, last = [versions[start : start + _TOGETHER] for start in range(0, len(versions), _TOGETHER)] or [[]]
        # Only if it is the same one still, and nobody has changed it since it was read, which may have added a version.
        unchanged = {"TableName": self._table, "Key": keys.preset(preset.account_id, preset.slug), **_as_seen(preset)}
        for some in before:
            self._transact(
                {"preset": {"ConditionCheck": cast("Any", unchanged)}, **self._without(preset, some)}, _CHANGED
            )
        self._transact({"preset": {"Delete": cast("Any", unchanged)}, **self._without(preset, last)}, _CHANGED)

    def _without(self, preset: Preset, versions: Sequence[int]) -> "dict[str, TransactWriteItemTypeDef]":
        # Whatever has become of them: the preset's own condition guards them.
        return {
            f"version {each}": {
                "Delete": {"TableName": self._table, "Key": keys.preset_version(preset.account_id, preset.id, each)}
            }
            for each in versions
        }

    def _write(self, preset: Preset, condition: Mapping[str, Any], conflict: str) -> None:
        """The preset with a version that is new, all or nothing."""
        head = cast("PutTypeDef", {"TableName": self._table, "Item": _item_of(preset), **condition})
        version: PutTypeDef = {
            "TableName": self._table,
            "Item": _version_item(preset),
            # Only if there is no version of this number.
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        self._transact({"preset": {"Put": head}, "version": {"Put": version}}, conflict)

    def _transact(self, actions: "Mapping[str, TransactWriteItemTypeDef]", conflict: str) -> None:
        try:
            self._transactions.write(actions)
        except Refused:
            raise Conflict(conflict) from None

    def _get(self, key: keys.Key, *, fresh: bool) -> Item | None:
        with translated():
            found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=fresh)
        return found.get("Item")


def _as_seen(preset: Preset) -> Mapping[str, Any]:
    return {
        "ConditionExpression": "id = :id AND revision = :seen",
        "ExpressionAttributeValues": {":id": {"S": preset.id}, ":seen": number(preset.revision)},
    }


def _item_of(preset: Preset) -> Item:
    optional = {
        "description": None if preset.description is None else {"S": preset.description},
        "status_updated_at": None if preset.status_updated_at_s is None else number(preset.status_updated_at_s),
    }
    return {
        **keys.preset(preset.account_id, preset.slug),
        "id": {"S": preset.id},
        "account_id": {"S": preset.account_id},
        "slug": {"S": preset.slug},
        "name": {"S": preset.name},
        "status": {"S": preset.status},
        "latest": number(preset.latest),
        "created_at": number(preset.created_at_s),
        "updated_at": number(preset.updated_at_s),
        "revision": number(preset.revision),
        "designated": {"M": _attributes_of(preset.designated)},
        **{name: value for name, value in optional.items() if value is not None},
    }


def _version_item(preset: Preset) -> Item:
    version = preset.designated
    return {**keys.preset_version(preset.account_id, preset.id, version.number), **_attributes_of(version)}


def _attributes_of(version: PresetVersion) -> Item:
    said = {} if version.system_prompt is None else {"system_prompt": {"S": version.system_prompt}}
    return {
        "id": {"S": version.id},
        "number": number(version.number),
        # As text: DynamoDB's own numbers would not all come back as they went.
        "config": {"S": json.dumps(version.config, ensure_ascii=False)},
        "created_at": number(version.created_at_s),
        **said,
    }


def _preset_of(item: Mapping[str, Any]) -> Preset:
    return Preset(
        id=item["id"]["S"],
        account_id=AccountId(item["account_id"]["S"]),
        slug=item["slug"]["S"],
        name=item["name"]["S"],
        designated=_version_of(item["designated"]["M"]),
        latest=int(item["latest"]["N"]),
        description=item["description"]["S"] if "description" in item else None,
        status=cast(PresetStatus, item["status"]["S"]),
        created_at_s=int(item["created_at"]["N"]),
        updated_at_s=int(item["updated_at"]["N"]),
        status_updated_at_s=int(item["status_updated_at"]["N"]) if "status_updated_at" in item else None,
        revision=int(item["revision"]["N"]),
    )


def _version_of(item: Mapping[str, Any]) -> PresetVersion:
    return PresetVersion(
        id=item["id"]["S"],
        number=int(item["number"]["N"]),
        config=json.loads(item["config"]["S"]),
        system_prompt=item["system_prompt"]["S"] if "system_prompt" in item else None,
        created_at_s=int(item["created_at"]["N"]),
    )
