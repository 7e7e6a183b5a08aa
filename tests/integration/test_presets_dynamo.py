"""Presets on the emulator: the contract that the fake keeps too, and who wins where several write at once."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import Preset
from turnpike.services.manage_presets import ManagePresets, PresetContent
from turnpike.storage import keys
from turnpike.storage.presets import DynamoPresets
from turnpike.storage.schema import PRESETS, Table

from tests.contracts.presets import PresetsContract, new_preset, new_version, said_anew
from tests.integration.racing import at_once, kinds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(scope="module")
def table(new_table: Callable[[Table], str]) -> str:
    return new_table(PRESETS)


class TestDynamoPresets(PresetsContract):
    @pytest.fixture
    def presets(self, dynamodb: "DynamoDBClient", table: str) -> DynamoPresets:
        return DynamoPresets(dynamodb, table)

    def test_more_than_a_page_is_listed(self, presets: DynamoPresets, account: AccountId) -> None:
        # A page of a query is a megabyte.
        for place in range(12):
            version = new_version(system_prompt="x" * 99_000)
            presets.create(new_preset(account, f"large-{place}", designated=version))

        assert len(presets.list_for(account)) == 12

    def test_nothing_is_left_of_what_was_deleted(
        self, presets: DynamoPresets, dynamodb: "DynamoDBClient", table: str, account: AccountId
    ) -> None:
        first = new_preset(account)
        presets.create(first)
        second = said_anew(first)
        presets.replace(second, was=first)
        presets.delete(second)

        left = dynamodb.query(
            TableName=table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": keys.preset(account, "")["pk"]},
            ConsistentRead=True,
        )
        assert left["Items"] == []

    def test_of_several_who_create_it_one_does(self, presets: DynamoPresets, account: AccountId) -> None:
        made = [new_preset(account) for _ in range(8)]
        outcomes = at_once(*(lambda preset=preset: presets.create(preset) for preset in made))

        assert kinds(outcomes) == {type(None): 1, Conflict: 7}
        found = presets.find(account, "one", fresh=True)
        assert found in made
        assert [list(presets.list_versions(each)) for each in made if each != found] == [[]] * 7

    def test_of_several_who_change_it_one_does(self, presets: DynamoPresets, account: AccountId) -> None:
        was = new_preset(account)
        presets.create(was)
        made = [said_anew(was) for _ in range(8)]
        outcomes = at_once(*(lambda preset=preset: presets.replace(preset, was=was) for preset in made))

        assert kinds(outcomes) == {type(None): 1, Conflict: 7}
        found = presets.find(account, "one", fresh=True)
        assert found in made
        assert list(presets.list_versions(was)) == [was.designated, found.designated]

    def test_changes_at_once_are_versions_one_after_the_other(self, presets: DynamoPresets, account: AccountId) -> None:
        manage = ManagePresets(presets)

        def put(number: int) -> Preset:
            return asyncio.run(manage.put(account, "one", PresetContent({"seed": number})))

        outcomes = at_once(*(lambda number=number: put(number) for number in range(4)))
        made = [outcome for outcome in outcomes if isinstance(outcome, Preset)]

        assert len(made) == 4
        found = presets.find(account, "one", fresh=True)
        assert found is not None
        versions = presets.list_versions(found)
        assert [version.number for version in versions] == [1, 2, 3, 4]
        assert {version.config["seed"] for version in versions} == {0, 1, 2, 3}
        assert found.designated == versions[-1]

    def test_what_is_changed_while_it_is_deleted_is_all_there_or_all_gone(
        self, presets: DynamoPresets, account: AccountId
    ) -> None:
        for slug in map(str, range(6)):
            was = new_preset(account, slug)
            presets.create(was)
            changed = said_anew(was)
            deleted, written = at_once(
                lambda was=was: presets.delete(was), lambda was=was, to=changed: presets.replace(to, was=was)
            )

            found = presets.find(account, slug, fresh=True)
            versions = list(presets.list_versions(was))
            if deleted is None:
                assert isinstance(written, Conflict)
                assert (found, versions) == (None, [])
            else:
                assert (found, versions[-1]) == (changed, changed.designated)
