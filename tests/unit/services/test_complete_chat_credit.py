"""What is set aside for an answer: a share of a lease, a hold, or as much as there is."""

import pytest

from turnpike.domain.chat import Delta, Usage
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded
from turnpike.domain.ledger import Hold, balance_of
from turnpike.domain.money import NanoUsd, parse_usd

from tests.scenario import ACCOUNT, World, failure, request, text

pytestmark = pytest.mark.anyio
COST_OF_TEXT = 10 * 1_000 + 5 * 2_000
LONGEST = 8_000 * 2_000
"""The longest answer of the scenario's endpoint, in nano-USD; its prompt comes on top."""


def holds(world: World) -> list[Hold]:
    return list(world.ledger.list_expired_holds(2**40))


def check(world: World, cost: int, *, credit_usd: str = "1") -> None:
    world.settle()
    balance = world.ledger.get_balance(ACCOUNT)
    assert balance == balance_of(world.ledger.list_entries(ACCOUNT))
    assert balance.usage_total == cost
    assert balance.available + balance.held == parse_usd(credit_usd) - cost


async def busy(script: list[Delta | Exception | float] | None = None) -> World:
    """A world whose key has a lease by now, and has made three requests."""
    world = World({"one": [text("Hi"), text("Hi"), text("Hi"), script or text("Hello")]}, lease_s=60)
    for _ in range(3):
        await world.stream(request())
    assert [hold.is_lease for hold in holds(world)] == [False, False, False, True]
    return world


async def test_a_busy_key_is_served_without_a_write_before_the_provider_is_called() -> None:
    world = await busy()
    before = holds(world)
    call = await world.call(request())
    assert holds(world) == before
    lease = before[-1]
    await call.stream(ignore)
    await call.report()
    assert world.queue.events[-1]["generation"].lease_id == lease.hold_id
    check(world, 4 * COST_OF_TEXT)
    assert world.ledger.get_balance(ACCOUNT).held == lease.amount - COST_OF_TEXT
    record = world.ledger.generations.find(ACCOUNT, call.id)
    assert record is not None
    assert (record.cost, record.lease_id) == (COST_OF_TEXT, lease.hold_id)


async def test_what_nobody_answered_costs_a_lease_nothing() -> None:
    world = await busy([failure()])
    with pytest.raises(Exception, match="It broke"):
        await world.stream(request())
    check(world, 3 * COST_OF_TEXT)
    assert world.queue.events[-1]["answered"] is False
    assert holds(world)[-1].captured == 0


async def test_a_long_answer_grows_within_the_lease_and_then_with_it() -> None:
    # Ten times the allowance, which the lease was made for.
    usage = Usage(10, 1_000)
    world = await busy([*(Delta(content="x" * 300) for _ in range(10)), *text("", usage=usage)])
    (before,) = (hold for hold in holds(world) if hold.is_lease)
    deltas = await world.stream(request())
    assert deltas[-1].error is None
    after = world.ledger.find_hold(ACCOUNT, before.hold_id)
    assert after is not None
    assert after.amount > before.amount
    check(world, 3 * COST_OF_TEXT + 10 * 1_000 + 1_000 * 2_000)


async def test_a_whole_answer_of_a_rich_account_has_no_limit_but_its_own() -> None:
    world = World({"one": [text("Hello")]})
    await world.complete(request(stream=False))
    ((_, sent),) = world.upstream.calls
    assert sent.max_tokens is None
    # No more than the allowance was held for it.
    check(world, COST_OF_TEXT)


async def test_a_whole_answer_is_limited_to_what_the_account_can_pay() -> None:
    world = World({"one": [text("Hello")]}, credit_usd="0.01")
    await world.complete(request(stream=False))
    ((_, sent),) = world.upstream.calls
    assert sent.max_tokens is not None
    assert 0.99 * parse_usd("0.01") < sent.max_tokens * 2_000 < parse_usd("0.01") < LONGEST
    (hold,) = holds(world)
    # Others can still ask: what is held is the allowance.
    assert hold.amount < 300_000


async def test_a_whole_answer_is_limited_to_what_the_key_may_use() -> None:
    world = World({"one": [text("Hello")]})
    await world.complete(request(stream=False), limit=parse_usd("0.01"))
    ((_, sent),) = world.upstream.calls
    assert sent.max_tokens is not None
    assert sent.max_tokens * 2_000 < parse_usd("0.01")


async def test_a_streamed_answer_grows_instead() -> None:
    world = World({"one": [text("Hello")]}, credit_usd="0.01")
    await world.stream(request())
    ((_, sent),) = world.upstream.calls
    assert sent.max_tokens is None


async def test_a_key_with_little_left_gets_an_answer_as_long_as_that() -> None:
    world = World({"one": [text("Hello")]})
    await world.stream(request(), limit=NanoUsd(100_000))
    ((_, sent),) = world.upstream.calls
    assert sent.max_tokens is not None
    assert 16 <= sent.max_tokens < 50


async def test_a_maximum_that_the_key_cannot_pay_is_refused() -> None:
    world = World({"one": [text("Hello")]}, credit_usd="0.01")
    said = r"Key limit exceeded \(total limit\)\. You requested up to 500 tokens, but can only afford \d\d\."
    with pytest.raises(KeyLimitExceeded, match=said):
        await world.stream(request(max_tokens=500), limit=NanoUsd(100_000))
    with pytest.raises(InsufficientCredit, match=r"requested up to 8000 tokens, but can only afford 49\d\d"):
        await world.stream(request(max_tokens=8_000))
    check(world, 0, credit_usd="0.01")


async def ignore(_: object) -> None:
    """What is emitted is not looked at."""
