"""Provider keys of customers on the emulator: the contracts that the fakes keep too, and what only AWS has."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from infra.local.provision import create_byok_key
from turnpike.domain.byok import VaultError
from turnpike.domain.errors import Conflict, TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.storage import keys
from turnpike.storage.byok_keys import DynamoByokKeys
from turnpike.storage.schema import BYOK, Table
from turnpike.storage.vault import KmsVault

from tests.contracts.byok_keys import NOW, ByokKeysContract
from tests.contracts.vault import CONTEXT, SECRET, VaultContract

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient


@pytest.fixture(scope="module")
def table(new_table: Callable[[Table], str]) -> str:
    return new_table(BYOK)


class TestDynamoByokKeys(ByokKeysContract):
    @pytest.fixture
    def byok_keys(self, dynamodb: "DynamoDBClient", table: str) -> DynamoByokKeys:
        return DynamoByokKeys(dynamodb, table)

    def test_deleting_wipes_the_secret_and_marks_the_record(
        self, byok_keys: DynamoByokKeys, dynamodb: "DynamoDBClient", table: str, account: AccountId
    ) -> None:
        key = self.new_key(account)
        byok_keys.create(key)
        byok_keys.delete(key, NOW)

        item = dynamodb.get_item(TableName=table, Key=keys.byok_key(account, key.id), ConsistentRead=True)["Item"]

        assert item["deleted_at"] == {"N": str(NOW)}
        assert int(item["ttl"]["N"]) > NOW
        assert "data_key" not in item
        assert "ciphertext" not in item
        assert "sk-" not in repr({name: value for name, value in item.items() if name != "label"})

    def test_more_than_a_page_is_listed(self, byok_keys: DynamoByokKeys, account: AccountId) -> None:
        # A page of a query is a megabyte.
        large = tuple(f"model/{'x' * 240}-{number}" for number in range(100))
        made = [self.new_key(account, sort_order=order, allowed_models=large) for order in range(45)]
        for key in made:
            byok_keys.create(key)

        assert list(byok_keys.list_for(account)) == made

    def test_of_a_rotation_and_a_deletion_at_once_no_secret_is_left(
        self, byok_keys: DynamoByokKeys, dynamodb: "DynamoDBClient", table: str, account: AccountId
    ) -> None:
        for _ in range(10):
            key = self.new_key(account)
            byok_keys.create(key)
            barrier = threading.Barrier(2)

            def rotate(key=key, barrier=barrier) -> None:  # type: ignore[no-untyped-def]
                barrier.wait()
                try:
                    byok_keys.replace(replace(key, revision=1), was=key)
                except Conflict:
                    return

            thread = threading.Thread(target=rotate)
            thread.start()
            barrier.wait()
            byok_keys.delete(key, NOW)
            thread.join()

            assert byok_keys.find(account, key.id) is None
            item = dynamodb.get_item(TableName=table, Key=keys.byok_key(account, key.id), ConsistentRead=True)["Item"]
            assert "ciphertext" not in item


class TestKmsVault(VaultContract):
    @pytest.fixture
    def vault(self, kms: "KMSClient") -> KmsVault:
        return KmsVault(kms, create_byok_key(kms))

    def test_what_was_sealed_under_another_key_before_still_opens(self, kms: "KMSClient") -> None:
        before, now = (KmsVault(kms, create_byok_key(kms)) for _ in range(2))

        assert now.open(before.seal(SECRET, CONTEXT), CONTEXT) == SECRET

    def test_a_key_that_is_not_there_or_disabled_is_no_busy_moment(self, kms: "KMSClient") -> None:
        key_id = create_byok_key(kms)
        sealed = KmsVault(kms, key_id).seal(SECRET, CONTEXT)
        kms.disable_key(KeyId=key_id)

        for key in (key_id, "00000000-0000-0000-0000-000000000000"):
            with pytest.raises(VaultError):
                KmsVault(kms, key).seal(SECRET, CONTEXT)
        with pytest.raises(VaultError):
            KmsVault(kms, key_id).open(sealed, CONTEXT)

    def test_a_service_that_cannot_be_reached_is_one(self, lost_kms: "KMSClient") -> None:
        with pytest.raises(TemporarilyBusy):
            KmsVault(lost_kms, "key").seal(SECRET, CONTEXT)
