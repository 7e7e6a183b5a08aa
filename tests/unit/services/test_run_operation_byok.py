"""What is no chat, for customers with provider keys of their own."""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from turnpike.domain.catalog import FixedCatalog
from turnpike.domain.chat import ProviderPreferences
from turnpike.domain.embeddings import EmbeddingRequest
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded, NoEndpoints
from turnpike.domain.money import NanoUsd
from turnpike.services.generation_call import Origin
from turnpike.services.operation_call import OperationCall
from turnpike.services.run_operation import RunOperation

from tests.scenario import endpoint, failure, principal
from tests.unit.services.test_complete_chat_byok import Customer
from tests.unit.services.test_run_operation import PRICED, TOKEN_NANO_USD, VECTORS

pytestmark = pytest.mark.anyio
PRICE = 7 * TOKEN_NANO_USD


def customer(scripts: dict[str, Any], **options: Any) -> Customer:
    found = Customer(scripts, endpoint("one", pricing=PRICED), endpoint("two", pricing=PRICED), **options)
    models = [replace(model, output_modalities=("embeddings",)) for model in found.world.catalog.models]
    found.world.catalog = FixedCatalog(models, found.world.catalog.providers)
    return found


async def embed(found: Customer, text: str = "Hello", **key: Any) -> OperationCall[Any]:
    now = time.monotonic()
    request = EmbeddingRequest(models=("acme/chat",), inputs=[text], provider=ProviderPreferences(order=("one", "two")))
    call = await RunOperation(found.world.case)(principal(**key), request, Origin(now, now + 60))
    try:
        await call.perform()
    finally:
        await call.report()
    return call


async def test_the_customers_account_pays_and_ours_takes_its_fee() -> None:
    found = customer({"one+own": [[VECTORS]], "one": [[VECTORS]], "two": [[VECTORS]]}, fee="0.1")
    call = await embed(found)
    assert (call.is_byok, call.upstream_cost.total, call.cost) == (True, PRICE, PRICE // 10)
    assert found.asked == ["one+own"]
    assert found.generation().byok_cost == PRICE
    assert found.spent() == PRICE // 10


async def test_our_own_capacity_is_behind_a_key_that_fails() -> None:
    found = customer({"one+own": [[failure(503)]], "one": [[VECTORS]], "two": [[VECTORS]]})
    await embed(found)
    assert found.asked == ["one+own", "one"]
    assert found.spent() == PRICE


async def test_without_credit_the_customers_own_key_serves_alone() -> None:
    found = customer({"one+own": [[VECTORS]]}, credit_usd="0")
    await embed(found)
    assert found.spent() == 0
    failing = customer({"one+own": [[failure(503)]], "one": [[VECTORS]]}, credit_usd="0")
    with pytest.raises(Exception, match="It broke"):
        await embed(failing)
    assert failing.asked == ["one+own"]


async def test_a_fee_that_is_not_covered_is_refused() -> None:
    found = customer({"one+own": [[VECTORS]]}, credit_usd="0", fee="0.1")
    with pytest.raises(InsufficientCredit):
        await embed(found)


async def test_a_keys_limit_may_count_what_others_are_paid() -> None:
    found = customer({"one+own": [[VECTORS]], "one": [[VECTORS]], "two": [[VECTORS]]})
    with pytest.raises(KeyLimitExceeded) as caught:
        await embed(found, limit=NanoUsd(PRICE // 10), include_byok_in_limit=True)
    # All of which the customer's own account would be charged.
    assert "may cost up to $0.000040000, and $0.000014000 is left" in caught.value.message
    # Without it, nothing of ours is spent.
    await embed(found, limit=NanoUsd(PRICE // 10))
    assert found.asked == ["one+own"]


async def test_what_keys_are_to_serve_alone_is_kept_from_ours() -> None:
    only = Customer.key(is_byok_only=True, allowed_models=("acme/other",))
    found = customer({"two": [[VECTORS]]}, keys=[only])
    await embed(found)
    assert found.asked == ["two"]
    found.world.upstream.offering = frozenset({"one"})
    with pytest.raises(NoEndpoints) as caught:
        await embed(found)
    assert caught.value.availability is not None
    assert caught.value.availability.excluded_by == ["byok_required", "operation"]


def test_the_price_is_what_the_other_tests_take_it_for() -> None:
    assert PRICED.prompt == Decimal(TOKEN_NANO_USD).scaleb(-9)
