"""The contract of `ports.Presets`."""

import secrets
import uuid
from dataclasses import replace
from typing import Any

import pytest

from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import Preset, PresetVersion
from turnpike.ports.accounts import Presets

NOW = 1_795_428_000
CONFIG: dict[str, Any] = {
    "model": "openai/gpt-5",
    "temperature": 0.1,
    "logit_bias": {"1": -100},
    "provider": {"only": ["openai"], "max_price": {"prompt": 1e-9}},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"größer": [None, True, 10**15]}}}],
}


def new_version(number: int = 1, **changes: Any) -> PresetVersion:
    version = PresetVersion(str(uuid.uuid4()), number, {"temperature": number / 10}, None, NOW + number)
    return replace(version, **changes)


def new_preset(account_id: AccountId, slug: str = "one", **changes: Any) -> Preset:
    preset = Preset(
        str(uuid.uuid4()), account_id, slug, slug.title(), new_version(), 1, created_at_s=NOW, updated_at_s=NOW
    )
    return replace(preset, **changes)


def changed(preset: Preset, **changes: Any) -> Preset:
    return replace(preset, revision=preset.revision + 1, **changes)


def said_anew(preset: Preset, **changes: Any) -> Preset:
    """With one version more."""
    number = preset.latest + 1
    return changed(preset, designated=new_version(number, **changes), latest=number)


class PresetsContract:
    """A subclass provides the fixture `presets`. Every test has an account of its own."""

    @pytest.fixture
    def account(self) -> AccountId:
        return AccountId(f"acct-{secrets.token_hex(8)}")

    @pytest.mark.parametrize("fresh", [True, False])
    def test_a_preset_is_found_as_it_was_created(self, presets: Presets, account: AccountId, fresh: bool) -> None:
        full = {"description": "Für alle", "status": "archived", "status_updated_at_s": NOW, "updated_at_s": NOW + 1}
        version = new_version(config=CONFIG, system_prompt="Sei kurz.")
        preset = new_preset(account, designated=version, revision=3, **full)
        presets.create(preset)

        assert presets.find(account, "one", fresh=fresh) == preset
        assert list(presets.list_for(account)) == [preset]
        assert list(presets.list_versions(preset)) == [version]
        assert presets.find_version(preset, 1) == version

    def test_what_there_is_not_is_none(self, presets: Presets, account: AccountId) -> None:
        assert presets.find(account, "one") is None
        assert list(presets.list_for(account)) == []
        preset = new_preset(account)
        presets.create(preset)
        assert presets.find(account, "on") is None
        assert presets.find_version(preset, 2) is None

    def test_a_preset_is_its_accounts_own(self, presets: Presets, account: AccountId) -> None:
        presets.create(new_preset(account))
        other = AccountId(f"{account}-other")

        assert presets.find(other, "one") is None
        assert list(presets.list_for(other)) == []

    def test_a_slug_is_taken_once(self, presets: Presets, account: AccountId) -> None:
        preset = new_preset(account)
        presets.create(preset)

        with pytest.raises(Conflict):
            presets.create(new_preset(account))
        assert presets.find(account, "one") == preset
        assert list(presets.list_versions(preset)) == [preset.designated]

    def test_a_change_of_what_it_says_is_one_more_version(self, presets: Presets, account: AccountId) -> None:
        first = new_preset(account)
        presets.create(first)
        second = said_anew(first, system_prompt="Be brief.")
        presets.replace(second, was=first)
        third = said_anew(second)
        presets.replace(third, was=second)

        assert presets.find(account, "one") == third
        assert list(presets.list_versions(third)) == [first.designated, second.designated, third.designated]
        assert presets.find_version(third, 2) == second.designated

    def test_versions_are_in_the_order_of_their_numbers(self, presets: Presets, account: AccountId) -> None:
        preset = new_preset(account)
        presets.create(preset)
        for _ in range(10):
            was, preset = preset, said_anew(preset)
            presets.replace(preset, was=was)

        assert [version.number for version in presets.list_versions(preset)] == list(range(1, 12))

    def test_any_other_change_is_none(self, presets: Presets, account: AccountId) -> None:
        first = new_preset(account)
        presets.create(first)
        second = said_anew(first)
        presets.replace(second, was=first)
        back = changed(second, designated=first.designated, name="Back", status="disabled")
        presets.replace(back, was=second)

        assert presets.find(account, "one") == back
        assert list(presets.list_versions(back)) == [first.designated, second.designated]

    @pytest.mark.parametrize("change", [changed, said_anew])
    def test_of_two_changes_to_the_same_preset_one_is_refused(
        self, presets: Presets, account: AccountId, change: Any
    ) -> None:
        was = new_preset(account)
        presets.create(was)
        winner = said_anew(was)
        presets.replace(winner, was=was)

        with pytest.raises(Conflict):
            presets.replace(change(was), was=was)
        assert presets.find(account, "one") == winner
        assert list(presets.list_versions(winner)) == [was.designated, winner.designated]

    def test_a_list_has_those_first_that_were_changed_last(self, presets: Presets, account: AccountId) -> None:
        for slug, at in (("a", 1), ("b", 3), ("c", 2)):
            presets.create(new_preset(account, slug, updated_at_s=NOW + at))

        assert [preset.slug for preset in presets.list_for(account)] == ["b", "c", "a"]

    def test_a_deleted_preset_is_gone_with_all_it_said(self, presets: Presets, account: AccountId) -> None:
        first, other = new_preset(account), new_preset(account, "other")
        for each in (first, other):
            presets.create(each)
        second = said_anew(first)
        presets.replace(second, was=first)
        presets.delete(second)

        assert presets.find(account, "one") is None
        assert list(presets.list_versions(second)) == []
        assert list(presets.list_for(account)) == [other]
        assert list(presets.list_versions(other)) == [other.designated]
        presets.delete(second)
        with pytest.raises(Conflict):
            presets.replace(said_anew(second), was=second)
        assert list(presets.list_versions(second)) == []

    def test_a_slug_that_is_free_again_begins_anew(self, presets: Presets, account: AccountId) -> None:
        first = new_preset(account)
        presets.create(first)
        presets.delete(first)
        again = new_preset(account)
        presets.create(again)

        assert presets.find(account, "one") == again
        assert list(presets.list_versions(again)) == [again.designated]
        # Of the same revision, and yet another one.
        with pytest.raises(Conflict):
            presets.replace(said_anew(first), was=first)
        with pytest.raises(Conflict):
            presets.delete(first)
        assert presets.find(account, "one") == again

    def test_a_preset_of_many_versions_is_deleted_too(self, presets: Presets, account: AccountId) -> None:
        preset = new_preset(account)
        presets.create(preset)
        for _ in range(29):
            was, preset = preset, said_anew(preset)
            presets.replace(preset, was=was)
        presets.delete(preset)

        assert presets.find(account, "one") is None
        assert list(presets.list_versions(preset)) == []

    def test_what_was_changed_is_not_deleted(self, presets: Presets, account: AccountId) -> None:
        was = new_preset(account)
        presets.create(was)
        new = said_anew(was)
        presets.replace(new, was=was)

        with pytest.raises(Conflict):
            presets.delete(was)
        assert presets.find(account, "one") == new
        assert list(presets.list_versions(new)) == [was.designated, new.designated]
