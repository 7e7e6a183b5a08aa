"""Which models a batch may ask, by the provider keys that there are: the deployment's, or the account's own."""

from typing import Any

import pytest

from turnpike.domain.errors import ModelNotFound, TemporarilyBusy
from turnpike.services.batch_catalog import BatchCatalog
from turnpike.storage.catalog_artefact import FORMAT, ArtefactCatalog

from tests.contracts.batches import new_batch
from tests.fake_byok import InMemoryByokKeys, own_key
from tests.scenario import ACCOUNT

MODEL: dict[str, Any] = {
    "name": "Acme: Chat",
    "description": "A model.",
    "created": 1767225600,
    "context_length": 200_000,
    "input_modalities": ["text"],
    "output_modalities": ["text"],
    "tokenizer": "Other",
    "parameters": 0,
    "endpoints": [{"provider": "one", "upstream_model": "chat", "pricing": {"prompt": "0", "completion": "0"}}],
}
ARTEFACT: dict[str, Any] = {
    "version": "abc",
    "format": FORMAT,
    "parameters": [["max_tokens"]],
    "providers": {"one": {"name": "One", "wire": "openai_compatible", "base_url": "https://one.test/v1"}},
    "models": {"acme/chat": MODEL},
    "aliases": {},
}
UNSERVED, SERVED = ArtefactCatalog(ARTEFACT, {}), ArtefactCatalog(ARTEFACT, {"ONE_API_KEY": "k"})
BATCH = new_batch(account_id=ACCOUNT)


@pytest.mark.parametrize("keys", [None, InMemoryByokKeys(), InMemoryByokKeys(own_key(disabled=True))])
def test_what_nobody_serves_cannot_be_asked(keys: InMemoryByokKeys | None) -> None:
    with pytest.raises(ModelNotFound):
        BatchCatalog(lambda: UNSERVED, keys)(BATCH).get_model("acme/chat")
    assert BatchCatalog(lambda: SERVED, keys)(BATCH).get_model("acme/chat")


def test_whatever_is_known_may_be_asked_with_keys_of_one_s_own() -> None:
    keys = InMemoryByokKeys(own_key())
    catalog = BatchCatalog(lambda: UNSERVED, keys)
    for _ in range(3):
        assert catalog(BATCH).get_model("acme/chat")
    assert keys.reads == 1
    # Another account's batch is another's.
    with pytest.raises(ModelNotFound):
        catalog(new_batch()).get_model("acme/chat")


def test_keys_that_cannot_be_read_refuse_nothing() -> None:
    keys = InMemoryByokKeys(own_key())
    keys.failing = TemporarilyBusy("busy")
    with pytest.raises(TemporarilyBusy):
        BatchCatalog(lambda: UNSERVED, keys)(BATCH)
