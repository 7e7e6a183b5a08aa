"""The contract of `ports.ApiKeys`."""

import secrets
from dataclasses import replace
from typing import Any

import pytest

from turnpike.domain.api_keys import ApiKey, hash_secret, label_of, new_secret
from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId, KeyHash
from turnpike.domain.money import NanoUsd
from turnpike.ports.accounts import ApiKeys

NOW = 1_795_428_000
EVERYTHING: dict[str, Any] = {
    "role": "management",
    "limit": NanoUsd(0),
    "limit_reset": "weekly",
    "include_byok_in_limit": True,
    "disabled": True,
    "updated_at_s": NOW + 1,
    "expires_at_s": NOW + 2,
}


class ApiKeysContract:
    """A subclass provides the fixture `api_keys`. Every test has an account of its own."""

    @pytest.fixture
    def account(self) -> AccountId:
        return AccountId(f"acct-{secrets.token_hex(8)}")

    def new_key(self, account_id: AccountId, **changes: Any) -> ApiKey:
        secret = new_secret()
        key = ApiKey(hash_secret(secret), account_id, "Schlüssel", label_of(secret), created_at_s=NOW)
        return replace(key, **changes)

    @pytest.mark.parametrize("changes", [{}, EVERYTHING])
    def test_a_key_is_found_as_it_was_created(
        self, api_keys: ApiKeys, account: AccountId, changes: dict[str, Any]
    ) -> None:
        key = self.new_key(account, **changes)
        api_keys.create(key)

        assert api_keys.find(key.hash) == key
        assert api_keys.find(key.hash, fresh=True) == key

    def test_an_unknown_key_is_none(self, api_keys: ApiKeys) -> None:
        assert api_keys.find(KeyHash("f" * 64)) is None

    def test_a_hash_is_created_once(self, api_keys: ApiKeys, account: AccountId) -> None:
        key = self.new_key(account)
        api_keys.create(key)

        with pytest.raises(Conflict):
            api_keys.create(replace(key, name="Another"))
        assert api_keys.find(key.hash, fresh=True) == key

    def test_a_list_is_the_accounts_own_newest_first(self, api_keys: ApiKeys, account: AccountId) -> None:
        ages = (3, 1, 2, 1)
        keys = [self.new_key(account, created_at_s=NOW - age) for age in ages]
        for key in (*keys, self.new_key(AccountId(f"{account}-other"))):
            api_keys.create(key)

        listed = api_keys.list_for(account)

        assert {key.hash for key in listed} == {key.hash for key in keys}
        assert [NOW - key.created_at_s for key in listed] == sorted(ages)
        assert api_keys.list_for(account) == listed

    def test_an_account_without_keys_has_an_empty_list(self, api_keys: ApiKeys, account: AccountId) -> None:
        assert list(api_keys.list_for(account)) == []

    @pytest.mark.parametrize("field", sorted(EVERYTHING))
    def test_a_replaced_key_is_as_it_was_written(self, api_keys: ApiKeys, account: AccountId, field: str) -> None:
        plain = self.new_key(account)
        changed = replace(plain, **{field: EVERYTHING[field]})
        api_keys.create(plain)

        api_keys.replace(changed, was=plain)
        assert api_keys.find(plain.hash, fresh=True) == changed
        api_keys.replace(plain, was=changed)
        assert api_keys.find(plain.hash, fresh=True) == plain

    @pytest.mark.parametrize("field", sorted(EVERYTHING))
    @pytest.mark.parametrize("gained", [True, False])
    def test_a_key_that_is_not_as_it_was_stays(
        self, api_keys: ApiKeys, account: AccountId, field: str, gained: bool
    ) -> None:
        plain = self.new_key(account)
        other = replace(plain, **{field: EVERYTHING[field]})
        stored, remembered = (other, plain) if gained else (plain, other)
        api_keys.create(stored)

        with pytest.raises(Conflict):
            api_keys.replace(replace(remembered, name="Changed"), was=remembered)
        assert api_keys.find(plain.hash, fresh=True) == stored

    def test_a_key_that_is_gone_does_not_come_back(self, api_keys: ApiKeys, account: AccountId) -> None:
        key = self.new_key(account)
        api_keys.create(key)
        api_keys.delete(key)

        with pytest.raises(Conflict):
            api_keys.replace(replace(key, name="Changed"), was=key)
        assert api_keys.find(key.hash, fresh=True) is None
        assert list(api_keys.list_for(account)) == []

    def test_deleting_twice_is_deleting_once(self, api_keys: ApiKeys, account: AccountId) -> None:
        key = self.new_key(account)
        api_keys.create(key)

        api_keys.delete(key)
        api_keys.delete(key)

        assert api_keys.find(key.hash, fresh=True) is None

    def test_another_accounts_key_is_not_deleted(self, api_keys: ApiKeys, account: AccountId) -> None:
        key = self.new_key(account)
        api_keys.create(key)

        with pytest.raises(Conflict):
            api_keys.delete(replace(key, account_id=AccountId("acct-thief")))
        assert api_keys.find(key.hash, fresh=True) == key
