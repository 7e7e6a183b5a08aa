"""What is no chat goes the same way: routing, credit, fallback, insurance and the record of it."""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from turnpike.domain.catalog import Endpoint, FixedCatalog
from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings
from turnpike.domain.errors import AttemptsFailed, InsufficientCredit, InvalidRequest, KeyLimitExceeded, NoEndpoints
from turnpike.domain.generation import Generation
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.domain.pricing import Pricing
from turnpike.services.generation_call import Origin
from turnpike.services.run_operation import RunOperation

from tests.scenario import ACCOUNT, Script, World, endpoint, failure, principal

pytestmark = pytest.mark.anyio

VECTORS = Embeddings([[0.5, -1.0]], Usage(prompt_tokens=7))
PRICED = Pricing(prompt=Decimal("0.00002"))
TOKEN_NANO_USD = 20_000


def world(scripts: dict[str, list[Script]], *endpoints: Endpoint, **options: Any) -> World:
    """Its models give embeddings and nothing else."""
    found = World(scripts, *(endpoints or (endpoint(pricing=PRICED),)), **options)
    models = [replace(model, output_modalities=("embeddings",)) for model in found.catalog.models]
    found.catalog = FixedCatalog(models, found.catalog.providers)
    return found


def asked(*inputs: str, **changes: Any) -> EmbeddingRequest:
    return EmbeddingRequest(**({"models": ("acme/chat",), "inputs": inputs or ("Hello",)} | changes))


async def embed(world: World, request: EmbeddingRequest, *, limit: NanoUsd | None = None, **key: Any) -> Embeddings:
    now = time.monotonic()
    call = await RunOperation(world.case)(principal(limit=limit, **key), request, Origin(now, now + 60))
    try:
        return await call.perform()
    finally:
        await call.report()


def settled(world: World) -> Generation:
    """The one generation, after which nothing is held any more."""
    world.settle()
    assert world.ledger.get_balance(ACCOUNT).held == 0
    [(generation, _)] = world.sent_events()
    return generation


def spent(world: World) -> int:
    world.settle()
    return parse_usd("1") - world.ledger.get_balance(ACCOUNT).available


async def test_it_is_answered_charged_and_recorded() -> None:
    case = world({"one": [[VECTORS]]})
    result = await embed(case, asked(user="ann", session_id="s"))
    assert result is VECTORS
    generation = settled(case)
    assert (generation.api_type, generation.usage.prompt_tokens) == ("embeddings", 7)
    assert (generation.user, generation.session_id, generation.streamed) == ("ann", "s", False)
    assert (generation.provider, generation.model) == ("One", "acme/chat")
    assert generation.cost == spent(case) == 7 * TOKEN_NANO_USD


async def test_a_failure_falls_back_to_the_next_endpoint() -> None:
    case = world({"one": [[failure(503)]], "two": [[VECTORS]]}, endpoint("one"), endpoint("two", pricing=PRICED))
    await embed(case, asked(provider=replace(asked().provider, order=("one", "two"))))
    generation = settled(case)
    assert [(a.provider, a.status) for a in generation.attempts] == [("one", 503), ("two", 200)]
    assert spent(case) == 7 * TOKEN_NANO_USD


async def test_what_one_provider_cannot_be_asked_for_another_is() -> None:
    refused = InvalidRequest("this model's provider takes texts alone", field="input.0")
    refused.only_here = True
    scripts: dict[str, list[Script]] = {"one": [[refused], [refused]], "two": [[VECTORS], [failure(503)]]}
    case = world(scripts, endpoint("one"), endpoint("two", pricing=PRICED))
    inorder = asked(provider=replace(asked().provider, order=("one", "two")))
    await embed(case, inorder)
    generation = settled(case)
    assert [(a.provider, a.outcome) for a in generation.attempts] == [("one", "client"), ("two", "ok")]
    assert spent(case) == 7 * TOKEN_NANO_USD
    with pytest.raises(AttemptsFailed):
        await embed(case, inorder)


async def test_a_provider_that_failed_before_may_take_it_another_time() -> None:
    refused = InvalidRequest("this model's provider takes texts alone", field="input.0")
    refused.only_here = True
    case = world({"one": [[failure(503)]], "two": [[refused]]}, endpoint("one"), endpoint("two"))
    with pytest.raises(AttemptsFailed) as caught:
        await embed(case, asked(provider=replace(asked().provider, order=("one", "two"))))
    assert caught.value.metadata["provider_name"] == "One"


async def test_what_nobody_can_be_asked_for_is_told_and_costs_nothing() -> None:
    refusals = [InvalidRequest(f"{name} takes texts alone", field="input.0") for name in ("one", "two")]
    for each in refusals:
        each.only_here = True
    case = world({"one": [[refusals[0]]], "two": [[refusals[1]]]}, endpoint("one"), endpoint("two"))
    with pytest.raises(InvalidRequest, match=r"input\.0: two takes texts alone"):
        await embed(case, asked(provider=replace(asked().provider, order=("one", "two"))))
    assert [attempt.provider for attempt in settled(case).attempts] == ["one", "two"]
    assert spent(case) == 0


async def test_another_model_is_asked_when_the_first_fails() -> None:
    case = world({"one": [[failure(400, retryable=False)]], "two": [[VECTORS]]}, endpoint(), endpoint("two", "acme/b"))
    await embed(case, asked(models=("acme/chat", "acme/b")))
    assert settled(case).model == "acme/b"


async def test_what_nobody_answers_costs_nothing() -> None:
    case = world({"one": [[failure(503)]]})
    with pytest.raises(AttemptsFailed):
        await embed(case, asked())
    assert settled(case).provider is None
    assert spent(case) == 0


async def test_what_is_interrupted_costs_nothing() -> None:
    case = world({"one": [[RuntimeError("the server stops")]]})
    with pytest.raises(RuntimeError):
        await embed(case, asked())
    assert (settled(case).cost, spent(case)) == (0, 0)


async def test_a_provider_that_counts_nothing_is_paid_by_the_estimate() -> None:
    case = world({"one": [[Embeddings([[1.0]], None)]]})
    await embed(case, asked("a" * 30))
    generation = settled(case)
    assert (generation.usage.estimated, generation.usage.prompt_tokens) == (True, 11)
    assert spent(case) == 11 * TOKEN_NANO_USD


async def test_the_dearest_endpoint_is_held_for_before_anybody_is_asked() -> None:
    case = world({"one": [[VECTORS]], "two": [[VECTORS]]}, endpoint("one"), endpoint("two", pricing=PRICED))
    now = time.monotonic()
    call = await RunOperation(case.case)(principal(), asked("a" * 30), Origin(now, now + 60))
    assert case.ledger.get_balance(ACCOUNT).held == 11 * TOKEN_NANO_USD
    await call.report()
    case.settle()
    assert case.ledger.get_balance(ACCOUNT).held == 0


async def test_credit_that_does_not_cover_it_is_refused_with_what_it_costs() -> None:
    case = world({"one": [[VECTORS]]}, credit_usd="0.0001")
    with pytest.raises(InsufficientCredit) as caught:
        await embed(case, asked("a" * 30))
    assert "cost up to $0.000220000, and $0.000100000 is left" in caught.value.message
    assert case.upstream.calls == []


async def test_a_keys_limit_holds() -> None:
    case = world({"one": [[VECTORS]]})
    with pytest.raises(KeyLimitExceeded) as caught:
        await embed(case, asked("a" * 30), limit=NanoUsd(1_000))
    said = "Key limit exceeded (total limit). This request may cost up to $0.000220000, and $0.000001000 is left of the"
    assert caught.value.message.startswith(said)
    assert case.upstream.calls == []


async def test_leased_credit_serves_it_as_it_serves_chats() -> None:
    case = world({"one": [[VECTORS]]}, lease_s=60)
    for _ in range(5):
        await embed(case, asked())
    assert [generation.lease_id is not None for generation, _ in case.sent_events()][-1]
    await case.leases.aclose()  # type: ignore[union-attr]  # The world was made with them.
    assert spent(case) == 5 * 7 * TOKEN_NANO_USD


async def test_an_endpoint_whose_wire_format_cannot_do_it_is_left_out() -> None:
    case = world({"one": [[failure(503)]], "two": [[VECTORS]]}, endpoint("one"), endpoint("two"))
    case.upstream.offering = frozenset({"two"})
    await embed(case, asked())
    assert [provider for provider, _ in case.upstream.calls] == ["two"]
    case.upstream.offering = frozenset()
    with pytest.raises(NoEndpoints) as caught:
        await embed(case, asked())
    assert caught.value.availability is not None
    assert caught.value.availability.excluded_by == ["operation"]
    assert "one, two cannot be asked for embeddings here" in caught.value.message


async def test_a_model_for_chats_gives_no_embeddings() -> None:
    case = World({"one": [[VECTORS]]})
    with pytest.raises(NoEndpoints) as caught:
        await embed(case, asked())
    assert "The model gives text; GET /models?output_modalities=embeddings lists others" in str(caught.value)


async def test_the_auto_router_is_for_chats() -> None:
    with pytest.raises(NoEndpoints) as caught:
        await embed(world({"one": [[VECTORS]]}), asked(models=("openrouter/auto",)))
    assert "name a model" in caught.value.message


async def test_the_context_is_for_each_input_and_not_for_all_together() -> None:
    short = endpoint(context_length=100)
    await embed(world({"one": [[VECTORS]]}, short), asked(*["a" * 150] * 50))
    with pytest.raises(NoEndpoints) as caught:
        await embed(world({"one": [[VECTORS]]}, short), asked("a" * 1_500))
    assert "However, you requested about 501 tokens (of the longest input)" in caught.value.message


async def test_a_vector_of_another_length_than_was_asked_for_is_no_answer() -> None:
    case = world(
        {"one": [[failure(503)]], "two": [[VECTORS]]},
        endpoint("one"),
        endpoint("two", supported_parameters=frozenset({"dimensions"})),
    )
    await embed(case, asked(parameters={"dimensions": 2}))
    assert [provider for provider, _ in case.upstream.calls] == ["two"]


async def test_free_models_are_counted() -> None:
    counted: list[str] = []

    async def count(account_id: str) -> None:
        counted.append(account_id)

    case = world({"one": [[VECTORS]]}, endpoint(model="acme/embed:free", pricing=Pricing()), credit_usd="0")
    case.case = replace(case.case, count_free=count)
    await embed(case, asked(models=("acme/embed:free",)))
    assert counted == [ACCOUNT]
