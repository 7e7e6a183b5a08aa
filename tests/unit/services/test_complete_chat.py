"""The main job, with a scripted provider and the ledger in memory."""

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from turnpike.domain.catalog import FixedCatalog
from turnpike.domain.chat import Delta, Usage
from turnpike.domain.errors import AttemptsFailed, InsufficientCredit, KeyLimitExceeded, TemporarilyBusy
from turnpike.domain.ledger import balance_of
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.services.settle_usage import parse_usage_event

from tests.scenario import ACCOUNT, World, endpoint, failure, request, text

pytestmark = pytest.mark.anyio
COST_OF_TEXT = 10 * 1_000 + 5 * 2_000
"""10 prompt tokens and 5 completion tokens at the scenario's prices, in nano-USD."""


def content_of(deltas: list[Delta]) -> str:
    return "".join(delta.content or "" for delta in deltas)


def spent(world: World) -> int:
    world.settle()
    balance = world.ledger.get_balance(ACCOUNT)
    assert balance.held == 0
    assert balance == balance_of(world.ledger.list_entries(ACCOUNT))
    return parse_usd("1") - balance.available


async def test_a_streamed_answer_is_relayed_and_charged() -> None:
    world = World({"one": [text("Hel", "lo")]})
    assert content_of(await world.stream(request())) == "Hello"
    assert spent(world) == COST_OF_TEXT


async def test_a_whole_answer_is_charged_the_same() -> None:
    world = World({"one": [text("Hello")]})
    completion = await world.complete(request(stream=False))
    assert completion.choices[0].message["content"] == "Hello"
    assert spent(world) == COST_OF_TEXT


async def test_each_image_is_charged_where_it_has_a_price() -> None:
    pricing = replace(endpoint().pricing, image=Decimal("0.002"))
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/1.png"}}
    asked = [{"role": "user", "content": [{"type": "text", "text": "Same?"}, picture, picture]}]
    for served, images in ((endpoint(pricing=pricing), 2), (endpoint(), 0)):
        world = World({"one": [text("No")]}, served)
        models = [replace(model, input_modalities=("text", "image")) for model in world.catalog.models]
        world.catalog = FixedCatalog(models, world.catalog.providers)
        await world.stream(request(messages=asked))
        assert spent(world) == COST_OF_TEXT + images * 2_000_000
        assert world.queue.events[0]["generation"].usage.prompt_images == images


async def test_a_failure_before_the_first_content_moves_on_unseen() -> None:
    world = World(
        {"one": [[Delta(), failure(503)]], "two": [text("Hello")]},
        endpoint("one"),
        endpoint("two"),
    )
    asked = request(provider=replace(request().provider, order=("one", "two")))
    assert content_of(await world.stream(asked)) == "Hello"
    generation, answered = parse_usage_event(orjson.loads(orjson.dumps(world.queue.events[0])))
    assert answered
    assert [(a.provider, a.status) for a in generation.attempts] == [("one", 503), ("two", 200)]
    # The record has the name of the provider that answered already.
    assert [a.provider_name for a in generation.attempts] == ["One", ""]
    assert generation.provider == "Two"
    assert spent(world) == COST_OF_TEXT


@pytest.mark.parametrize(("fails", "discount"), [(False, 5 * 900), (True, 0)])
async def test_what_the_providers_cache_saved_is_recorded_where_it_is_charged(fails: bool, discount: int) -> None:
    pricing = replace(endpoint().pricing, input_cache_read=Decimal("0.0000001"))
    answer = text("Hello", usage=Usage(10, 5, cached_tokens=5), finish=not fails)
    world = World({"one": [[*answer, *([failure(502)] if fails else [])]]}, endpoint("one", pricing=pricing))
    await world.stream(request())
    generation, _ = parse_usage_event(orjson.loads(orjson.dumps(world.queue.events[0])))
    assert generation.cache_discount == discount
    assert generation.cost == (0 if fails else COST_OF_TEXT - discount)


@pytest.mark.parametrize("stream", [True, False])
async def test_what_there_is_besides_text_is_recorded(stream: bool) -> None:
    world = World({"one": [[*text("Hello"), Delta(extra={"images": [{}, {}]})]]})
    seeing = [replace(model, input_modalities=("text", "image", "file", "audio")) for model in world.catalog.models]
    world.catalog = FixedCatalog(seeing, world.catalog.providers)
    parts = [{"type": kind} for kind in ("image_url", "file", "input_audio")]
    asked = request(messages=[{"role": "user", "content": parts}], stream=stream)
    await (world.stream if stream else world.complete)(asked)
    generation, _ = parse_usage_event(orjson.loads(orjson.dumps(world.queue.events[0])))
    assert (generation.prompt_media, generation.prompt_audio, generation.completion_media) == (2, 1, 2)


async def test_an_empty_stream_moves_on() -> None:
    world = World({"one": [[]], "two": [text("Hello")]}, endpoint("one"), endpoint("two"))
    asked = request(provider=replace(request().provider, order=("one", "two")))
    assert content_of(await world.stream(asked)) == "Hello"


async def test_an_error_that_the_request_caused_stays_with_its_model() -> None:
    refused = failure(400, retryable=False, error_type="invalid_request")
    world = World({"one": [[refused]], "two": [text("Hello")]}, endpoint("one"), endpoint("two"))
    asked = request(provider=replace(request().provider, order=("one", "two")))
    with pytest.raises(AttemptsFailed) as caught:
        await world.stream(asked)
    assert caught.value.status == 400
    assert [provider for provider, _ in world.upstream.calls] == ["one"]


async def test_another_model_is_asked_after_any_error() -> None:
    refused = failure(400, retryable=False, error_type="context_length_exceeded")
    world = World({"one": [[refused]], "two": [text("Hello")]}, endpoint("one"), endpoint("two", "acme/long"))
    assert content_of(await world.stream(request(models=("acme/chat", "acme/long")))) == "Hello"


async def test_when_nobody_answers_nothing_is_charged_and_everything_returned() -> None:
    world = World({"one": [[failure(429, error_type="rate_limit_exceeded")]], "two": [[failure(503)]]},
                  endpoint("one"), endpoint("two"))  # fmt: skip
    with pytest.raises(AttemptsFailed) as caught:
        await world.stream(request())
    assert caught.value.availability is not None
    assert caught.value.availability.code == "temporarily_unavailable"
    assert spent(world) == 0


async def test_every_endpoint_rate_limited_is_said_so() -> None:
    world = World({"one": [[failure(429, error_type="rate_limit_exceeded")]]})
    with pytest.raises(AttemptsFailed) as caught:
        await world.complete(request(stream=False))
    assert caught.value.status == 429
    assert caught.value.availability is not None
    assert caught.value.availability.code == "capacity_exhausted"


async def test_a_failure_after_the_first_content_never_splices_and_is_not_charged() -> None:
    broken = [Delta(content="Hel"), Delta(error=failure(None))]
    world = World({"one": [broken], "two": [text("lo")]}, endpoint("one"), endpoint("two"))
    asked = request(provider=replace(request().provider, order=("one", "two")))
    deltas = await world.stream(asked)
    assert content_of(deltas) == "Hel"
    assert deltas[-1].error is not None
    assert deltas[-1].finish_reason == "error"
    assert [provider for provider, _ in world.upstream.calls] == ["one"]
    generation, _ = parse_usage_event(orjson.loads(orjson.dumps(world.queue.events[0])))
    assert generation.cost == 0
    assert generation.upstream_cost > 0
    assert spent(world) == 0


async def test_a_raised_error_after_the_first_content_ends_the_stream_too() -> None:
    world = World({"one": [[Delta(content="Hel"), failure(None)]]})
    deltas = await world.stream(request())
    assert deltas[-1].error is not None
    assert spent(world) == 0


async def test_the_invocations_deadline_ends_a_hanging_provider() -> None:
    world = World({"one": [[30.0]], "two": [text("never asked")]}, endpoint("one"), endpoint("two"))
    with pytest.raises(AttemptsFailed) as caught:
        await world.stream(request(), seconds=0.05)
    assert caught.value.error_type == "timeout"
    assert len(world.upstream.calls) == 1
    assert spent(world) == 0


async def test_an_answer_without_reported_usage_is_billed_by_its_text() -> None:
    world = World({"one": [text("x" * 300, usage=None)]})
    await world.stream(request())
    generation, _ = parse_usage_event(orjson.loads(orjson.dumps(world.queue.events[0])))
    assert generation.usage.estimated
    assert generation.usage.completion_tokens == 100
    assert spent(world) == generation.cost


async def test_an_empty_answer_with_a_blank_finish_is_free() -> None:
    world = World({"one": [[Delta(content="", usage=Usage(10, 0)), Delta(content=" ")]]})
    await world.stream(request())
    generation, _ = parse_usage_event(orjson.loads(orjson.dumps(world.queue.events[0])))
    assert generation.cost == 0
    assert spent(world) == 0


async def test_max_tokens_must_be_affordable_and_the_refusal_names_what_is() -> None:
    world = World({"one": [text("Hello")]}, credit_usd="0.001")
    with pytest.raises(InsufficientCredit, match=r"up to 5000 tokens, but can only afford (\d+)") as caught:
        await world.stream(request(max_tokens=5_000))
    affordable = int(str(caught.value).split("afford ")[1].split(".")[0])
    assert not world.upstream.calls
    # What was named is really enough.
    assert content_of(await world.stream(request(max_tokens=affordable))) == "Hello"


async def test_little_credit_gets_a_shorter_answer_rather_than_a_refusal() -> None:
    world = World({"one": [text("Hello")]}, credit_usd="0.0001")
    assert content_of(await world.stream(request())) == "Hello"
    _, asked = world.upstream.calls[0]
    assert asked.max_tokens is not None
    assert 16 <= asked.max_tokens <= 50


async def test_no_credit_at_all_is_refused() -> None:
    world = World({"one": [text("Hello")]}, credit_usd="0")
    with pytest.raises(InsufficientCredit, match="Insufficient credits"):
        await world.stream(request())


async def test_a_growing_answer_extends_its_hold() -> None:
    words = [Delta(content="x" * 30) for _ in range(50)]
    world = World({"one": [[*words, *text(usage=Usage(10, 500))]]}, allowance_tokens=100)
    deltas = await world.stream(request())
    assert len(content_of(deltas)) == 1_500
    holds = [entry for entry in world.ledger.list_entries(ACCOUNT) if entry.kind == "hold"]
    assert len(holds) > 3
    assert spent(world) == 10 * 1_000 + 500 * 2_000


async def test_a_stream_ends_with_402_when_the_credit_is_gone_and_what_came_is_charged() -> None:
    words = [Delta(content="x" * 30) for _ in range(500)]
    world = World({"one": [[*words, *text()]]}, credit_usd="0.001", allowance_tokens=100)
    deltas = await world.stream(request())
    assert isinstance(deltas[-1].error, InsufficientCredit)
    assert world.upstream.closed == 1
    world.settle()
    balance = world.ledger.get_balance(ACCOUNT)
    assert balance.held == 0
    assert 0 <= balance.available < 100_000
    assert balance.usage_total > 900_000


async def test_an_answer_that_is_finished_is_not_broken_off_for_want_of_credit() -> None:
    world = World({"one": [text("x" * 3_000, usage=Usage(10, 400))]}, credit_usd="0.001", allowance_tokens=100)
    world.upstream.together = True
    deltas = await world.stream(request())
    assert deltas[-1].error is None
    assert deltas[-1].finish_reason == "stop" or deltas[-1].usage is not None
    world.settle()
    assert world.ledger.get_balance(ACCOUNT).usage_total == 10 * 1_000 + 400 * 2_000


async def test_a_key_over_its_limit_is_refused() -> None:
    world = World({"one": [text("Hello")]})
    with pytest.raises(KeyLimitExceeded, match="Key limit exceeded"):
        await world.stream(request(max_tokens=1_000), limit=NanoUsd(1_000))


async def test_a_provider_that_refuses_our_key_is_reported_to_the_operator() -> None:
    world = World({"one": [[failure(401)]], "two": [text("Hello")]}, endpoint("one"), endpoint("two"))
    asked = request(provider=replace(request().provider, order=("one", "two")))
    await world.stream(asked)
    assert [refusal.provider for refusal in world.refusals] == ["one"]


async def test_an_unreachable_queue_settles_on_the_spot() -> None:
    world = World({"one": [text("Hello")]})
    world.queue.failing = True
    await world.stream(request())
    balance = world.ledger.get_balance(ACCOUNT)
    assert (balance.held, balance.usage_total) == (0, COST_OF_TEXT)
    assert not world.unsettled


async def test_when_the_ledger_is_unreachable_too_the_event_is_logged_whole() -> None:
    class Unreachable:
        def capture(self, *_: object) -> None:
            raise TemporarilyBusy("away")

    world = World({"one": [text("Hello")]})
    world.queue.failing = True
    object.__setattr__(world.case.report.settle, "ledger", Unreachable())
    await world.stream(request())
    (event,) = world.unsettled
    assert event["generation"].cost == COST_OF_TEXT
    assert world.ledger.get_balance(ACCOUNT).held > 0


async def test_redelivered_events_change_nothing() -> None:
    world = World({"one": [text("Hello")]})
    await world.stream(request())
    world.settle()
    world.settle()
    assert spent(world) == COST_OF_TEXT


async def test_an_event_that_comes_after_the_hold_expired_charges_nothing_and_keeps_the_record() -> None:
    world = World({"one": [text("Hello")]})
    await world.stream(request())
    (hold,) = world.ledger.list_expired_holds(2**40)
    world.ledger.expire(ACCOUNT, hold.hold_id, 2**40)
    assert spent(world) == 0
    record = world.ledger.generations.find(ACCOUNT, hold.hold_id)
    assert record is not None
    assert record.cost == 0
