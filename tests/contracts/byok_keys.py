"""The contract of `ports.ByokKeys`."""

import secrets
import uuid
from dataclasses import replace
from typing import Any

import pytest

from turnpike.domain.byok import ByokKey, Place, Sealed
from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.ports.accounts import ByokKeys

NOW = 1_795_428_000
EVERYTHING: dict[str, Any] = {
    "name": "Schlüssel",
    "place": Place((("base_url", "https://x.openai.azure.com/openai/v1"),), "openai/gpt-5", "my-gpt"),
    "sort_order": 3,
    "is_fallback": True,
    "is_required": True,
    "is_byok_only": True,
    "disabled": True,
    "allowed_models": ("openai/gpt-5", "openai/o3"),
    "allowed_api_key_hashes": ("a" * 64,),
    "allowed_user_ids": ("acct-1",),
    "declared_zdr": False,
    "declared_region": "europe",
    "updated_at_s": NOW + 1,
    "revision": 4,
    "label": "sk-...wxyz",
    "sealed": Sealed(b"\xff data key", b"ciphertext \x00"),
}


class ByokKeysContract:
    """A subclass provides the fixture `byok_keys`. Every test has an account of its own."""

    @pytest.fixture
    def account(self) -> AccountId:
        return AccountId(f"acct-{secrets.token_hex(8)}")

    def new_key(self, account_id: AccountId, **changes: Any) -> ByokKey:
        sealed = Sealed(b"data key", b"ciphertext")
        key = ByokKey(str(uuid.uuid4()), account_id, "openai", "sk-...abcd", sealed, created_at_s=NOW)
        return replace(key, **changes)

    @pytest.mark.parametrize("changes", [{}, EVERYTHING, {"declared_zdr": True, "declared_region": "global"}])
    def test_a_key_is_found_as_it_was_created(
        self, byok_keys: ByokKeys, account: AccountId, changes: dict[str, Any]
    ) -> None:
        key = self.new_key(account, **changes)
        byok_keys.create(key)

        assert byok_keys.find(account, key.id) == key
        assert list(byok_keys.list_for(account)) == [key]

    def test_an_unknown_key_is_none(self, byok_keys: ByokKeys, account: AccountId) -> None:
        assert byok_keys.find(account, str(uuid.uuid4())) is None
        assert list(byok_keys.list_for(account)) == []

    def test_a_key_is_its_accounts_own(self, byok_keys: ByokKeys, account: AccountId) -> None:
        key = self.new_key(account)
        byok_keys.create(key)
        other = AccountId(f"{account}-other")

        assert byok_keys.find(other, key.id) is None
        assert list(byok_keys.list_for(other)) == []

    def test_an_id_is_created_once(self, byok_keys: ByokKeys, account: AccountId) -> None:
        key = self.new_key(account)
        byok_keys.create(key)

        with pytest.raises(Conflict):
            byok_keys.create(replace(key, name="Another"))
        assert byok_keys.find(account, key.id) == key

    def test_a_list_is_in_the_order_in_which_keys_are_tried(self, byok_keys: ByokKeys, account: AccountId) -> None:
        orders = [("openai", 1), ("anthropic", 5), ("openai", 0), ("openai", 2), ("groq", 0)]
        for provider, order in orders:
            byok_keys.create(self.new_key(account, provider=provider, sort_order=order))

        listed = [(key.provider, key.sort_order) for key in byok_keys.list_for(account)]

        assert listed == sorted(orders)

    @pytest.mark.parametrize("field", sorted(EVERYTHING.keys() - {"revision"}))
    def test_a_replaced_key_is_as_it_was_written(self, byok_keys: ByokKeys, account: AccountId, field: str) -> None:
        plain = self.new_key(account)
        changed = replace(plain, revision=1, **{field: EVERYTHING[field]})
        byok_keys.create(plain)

        byok_keys.replace(changed, was=plain)
        assert byok_keys.find(account, plain.id) == changed
        byok_keys.replace(replace(plain, revision=2), was=changed)
        assert byok_keys.find(account, plain.id) == replace(plain, revision=2)

    def test_of_two_changes_to_the_same_key_one_is_refused(self, byok_keys: ByokKeys, account: AccountId) -> None:
        was = self.new_key(account)
        byok_keys.create(was)
        byok_keys.replace(replace(was, name="First", revision=1), was=was)

        with pytest.raises(Conflict):
            byok_keys.replace(replace(was, name="Second", revision=1), was=was)
        found = byok_keys.find(account, was.id)
        assert found is not None
        assert found.name == "First"

    def test_a_deleted_key_is_gone_for_good(self, byok_keys: ByokKeys, account: AccountId) -> None:
        key = self.new_key(account)
        byok_keys.create(key)
        byok_keys.delete(key, NOW)

        assert byok_keys.find(account, key.id) is None
        assert list(byok_keys.list_for(account)) == []
        # Not even its wiped secret may come back.
        with pytest.raises(Conflict):
            byok_keys.replace(replace(key, name="Changed", revision=1), was=key)
        with pytest.raises(Conflict):
            byok_keys.create(key)
        assert byok_keys.find(account, key.id) is None

    def test_deleting_twice_is_deleting_once(self, byok_keys: ByokKeys, account: AccountId) -> None:
        key, other = self.new_key(account), self.new_key(account)
        for each in (key, other):
            byok_keys.create(each)

        byok_keys.delete(key, NOW)
        byok_keys.delete(key, NOW + 1)
        byok_keys.delete(self.new_key(account), NOW)

        assert list(byok_keys.list_for(account)) == [other]

    def test_a_deletion_does_not_mind_a_change(self, byok_keys: ByokKeys, account: AccountId) -> None:
        key = self.new_key(account)
        byok_keys.create(key)
        byok_keys.replace(replace(key, name="Changed", revision=1), was=key)

        byok_keys.delete(key, NOW)

        assert byok_keys.find(account, key.id) is None
