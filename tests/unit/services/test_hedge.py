"""A second endpoint beside a late one: who answers, who is cancelled, who pays."""

import asyncio
import time
from dataclasses import replace
from decimal import Decimal

import pytest

from turnpike.domain.chat import ChatRequest, Delta, Usage
from turnpike.domain.errors import AttemptsFailed, InvalidRequest
from turnpike.domain.health import EndpointStats, Percentiles
from turnpike.domain.ledger import balance_of
from turnpike.domain.pricing import PriceOverride, Pricing
from turnpike.services.settle_usage import SettleUsage

from tests.scenario import ACCOUNT, Script, World, catalog, endpoint, failure, request, text

pytestmark = pytest.mark.anyio
LATE_S = 0.05
USUAL = EndpointStats(latency_s=Percentiles(p50=0.01, p75=0.02, p90=LATE_S, p99=5.0))
SLOW: Script = [10.0, *text("too late")]
SOON: Script = [0.2, *text("after all")]


def racing(one: Script, two: Script, *, stats: EndpointStats | None = USUAL, hedge: bool = True) -> World:
    """`one` comes first: it costs nothing, so that the default order all but always tries it before the other."""
    free, dear = endpoint("one", pricing=Pricing()), endpoint("two")
    world = World({"one": [one], "two": [two]}, free, dear, hedge="p90" if hedge else None)
    if stats:
        world.stats["one"] = stats
    return world


def asked(world: World) -> list[str]:
    return [provider for provider, _ in world.upstream.calls]


def said(deltas: list[Delta]) -> str:
    return "".join(delta.content or "" for delta in deltas)


def outcomes(world: World) -> list[tuple[str, str]]:
    return [(attempt.provider, attempt.outcome) for attempt in world.attempts]


async def test_the_faster_one_answers_and_the_late_one_is_cancelled() -> None:
    world = racing(SLOW, text("Hello"))
    began = time.monotonic()
    assert said(await world.stream(request())) == "Hello"
    assert LATE_S <= time.monotonic() - began < 2
    assert asked(world) == ["one", "two"]
    assert outcomes(world) == [("one", "cancelled"), ("two", "ok")]
    assert world.upstream.closed == 2
    generation = world.queue.events[0]["generation"]
    assert generation.provider == "Two"
    assert generation.cost == 10 * 1_000 + 5 * 2_000


async def test_one_that_is_late_and_still_first_answers() -> None:
    world = racing([0.15, *text("I am here")], SLOW)
    assert said(await world.stream(request())) == "I am here"
    assert asked(world) == ["one", "two"]
    assert outcomes(world) == [("two", "cancelled"), ("one", "ok")]
    assert world.upstream.closed == 2


async def test_what_the_loser_cost_is_absorbed_and_never_billed() -> None:
    world = racing([0.15, *text("Hello")], [Delta(usage=Usage(7, 1)), 10.0])
    await world.stream(request())
    loser, winner = world.attempts
    assert (loser.provider, loser.absorbed_cost) == ("two", 7 * 1_000 + 1 * 2_000)
    assert (winner.provider, winner.absorbed_cost) == ("one", 0)
    generation = world.queue.events[0]["generation"]
    # The winner is free, and so is the answer.
    assert (generation.cost, generation.upstream_cost) == (0, 0)
    SettleUsage(world.ledger)(generation, True, 1)
    balance = world.ledger.get_balance(ACCOUNT)
    assert balance == balance_of(world.ledger.list_entries(ACCOUNT))
    assert (balance.held, balance.usage_total) == (0, 0)


async def test_what_the_loser_cost_is_that_of_the_hour() -> None:
    world = racing([0.15, *text("Hello")], [Delta(usage=Usage(7, 1)), 10.0])
    all_day = PriceOverride((("prompt", Decimal("0.000005")),), utc_start=0, utc_end=0)
    dear = replace(endpoint("two").pricing, overrides=(all_day,))
    world.catalog = catalog(endpoint("one", pricing=Pricing()), endpoint("two", pricing=dear))
    await world.stream(request())
    assert world.attempts[0].absorbed_cost == 7 * 5_000 + 1 * 2_000


async def test_a_loser_that_said_nothing_is_counted_by_its_prompt() -> None:
    world = racing([0.15, *text("Hello")], SLOW)
    await world.stream(request())
    loser, _ = world.attempts
    assert loser.absorbed_cost > 0
    assert loser.absorbed_cost % 1_000 == 0


@pytest.mark.parametrize(
    ("stats", "hedge"), [(None, True), (EndpointStats(), True), (USUAL, False)], ids=["unknown", "unseen", "off"]
)
async def test_without_figures_or_when_it_is_off_nobody_is_raced(stats: EndpointStats | None, hedge: bool) -> None:
    world = racing(SOON, text("Hello"), stats=stats, hedge=hedge)
    assert said(await world.stream(request())) == "after all"
    assert asked(world) == ["one"]


async def test_one_that_is_in_time_is_not_raced() -> None:
    world = racing([LATE_S / 10, *text("Hello")], text("never"))
    assert said(await world.stream(request())) == "Hello"
    assert asked(world) == ["one"]
    assert world.upstream.closed == 1


async def test_an_answer_in_one_piece_is_not_raced() -> None:
    world = racing(SOON, text("Hello"))
    await world.complete(request(stream=False))
    assert asked(world) == ["one"]


async def test_the_clients_own_order_is_not_raced() -> None:
    world = racing(SOON, text("Hello"))
    await world.stream(request(provider=replace(request().provider, order=("one", "two"))))
    assert asked(world) == ["one"]


async def test_a_model_is_not_raced_against_another() -> None:
    scripts: dict[str, list[Script]] = {"one": [SOON], "two": [text("Hello")]}
    world = World(scripts, endpoint("one"), endpoint("two", "acme/long"), hedge="p90")
    world.stats["one"] = USUAL
    assert said(await world.stream(request(models=("acme/chat", "acme/long")))) == "after all"
    assert asked(world) == ["one"]


async def test_an_endpoint_in_trouble_is_not_raced() -> None:
    world = racing(SOON, text("Hello"))
    world.stats["two"] = EndpointStats(outage=True)
    await world.stream(request())
    assert asked(world) == ["one"]


async def test_a_failure_in_time_falls_back_as_ever() -> None:
    world = racing([failure(500)], text("Hello"))
    assert said(await world.stream(request())) == "Hello"
    assert outcomes(world) == [("one", "failed"), ("two", "ok")]


@pytest.mark.parametrize("broken", [failure(500), InvalidRequest("it could not be fetched")])
async def test_when_the_second_one_fails_the_first_one_goes_on(broken: Exception) -> None:
    world = racing(SOON, [broken])
    assert said(await world.stream(request())) == "after all"
    assert asked(world) == ["one", "two"]
    assert outcomes(world)[-1] == ("one", "ok")


async def test_when_the_first_one_fails_late_the_second_one_goes_on() -> None:
    world = racing([0.1, failure(500)], [0.2, *text("Hello")])
    assert said(await world.stream(request())) == "Hello"
    assert outcomes(world) == [("one", "failed"), ("two", "ok")]


async def test_when_both_fail_the_last_failure_is_told() -> None:
    world = racing([0.1, failure(500)], [0.2, failure(429, error_type="rate_limit_exceeded")])
    with pytest.raises(AttemptsFailed) as caught:
        await world.stream(request())
    assert caught.value.status == 429
    assert outcomes(world) == [("one", "failed"), ("two", "rate_limited")]
    assert world.upstream.closed == 2


async def test_the_deadline_ends_both() -> None:
    world = racing(SLOW, SLOW)
    with pytest.raises(AttemptsFailed) as caught:
        await world.stream(request(), seconds=0.2)
    assert caught.value.error_type == "timeout"
    assert sorted(outcomes(world)) == [("one", "cancelled"), ("two", "cancelled")]
    assert world.upstream.closed == 2


async def test_a_break_after_the_first_content_is_not_mended_by_the_other() -> None:
    world = racing(SLOW, [Delta(content="Hel"), Delta(error=failure(None))])
    deltas = await world.stream(request())
    assert said(deltas) == "Hel"
    assert deltas[-1].error is not None
    assert outcomes(world) == [("one", "cancelled"), ("two", "failed")]


async def test_many_at_once_leave_no_task_behind() -> None:
    async def one(asked: ChatRequest) -> str:
        world = racing(SLOW, text("Hello"))
        return said(await world.stream(asked))

    before = len(asyncio.all_tasks())
    assert set(await asyncio.gather(*(one(request()) for _ in range(50)))) == {"Hello"}
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before
