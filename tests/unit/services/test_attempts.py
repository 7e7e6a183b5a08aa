"""Which endpoint is asked next, which is left alone, and what is noted of each attempt."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from turnpike.domain.chat import Delta, Usage
from turnpike.domain.errors import AttemptsFailed, ErrorType, InvalidRequest, UpstreamError

from tests.scenario import ACCOUNT, Script, World, endpoint, request, text

pytestmark = pytest.mark.anyio
EITHER_WAY = pytest.mark.parametrize("stream", [True, False])
WORDS = text("Hello")


def failing(
    status: int | None, error_type: ErrorType, *, retryable: bool = True, wait_s: int | None = None, by: str = "one"
) -> UpstreamError:
    return UpstreamError(
        by, "It broke", upstream_status=status, error_type=error_type, retryable=retryable, retry_after_s=wait_s
    )


def limited(wait_s: int | None, by: str = "one") -> UpstreamError:
    return failing(429, "rate_limit_exceeded", wait_s=wait_s, by=by)


async def ask(world: World, *order: str, stream: bool = True, **changes: Any) -> None:
    asked = request(stream=stream, **changes)
    asked = replace(asked, provider=replace(asked.provider, order=order))
    if stream:
        await world.stream(asked)
    else:
        await world.complete(asked)


def three(one: list[Script], two: list[Script] | None = None, three: list[Script] | None = None) -> World:
    scripts = {"one": one, "two": two or [WORDS], "three": three or [WORDS]}
    return World(scripts, endpoint("one"), endpoint("two"), endpoint("three"))


def asked(world: World) -> list[str]:
    return [provider for provider, _ in world.upstream.calls]


@EITHER_WAY
@pytest.mark.parametrize(
    "error",
    [
        failing(408, "timeout"),
        limited(None),
        failing(500, "provider_unavailable"),
        failing(503, "provider_overloaded"),
        failing(None, "timeout"),
        failing(None, "provider_unavailable"),
        failing(200, "provider_unavailable"),
        failing(404, "not_found"),
    ],
    ids=lambda error: f"{error.upstream_status}-{error.error_type}",
)
async def test_two_of_three_may_fail_unseen(error: UpstreamError, stream: bool) -> None:
    world = three([[error]], [[error]])
    await ask(world, "one", "two", "three", stream=stream)
    assert asked(world) == ["one", "two", "three"]
    assert [attempt.outcome for attempt in world.attempts][-1] == "ok"
    assert world.begun == [attempt.provider for attempt in world.attempts]


async def test_what_one_provider_said_of_itself_is_not_told_of_another() -> None:
    begun = Delta(upstream_id="from-one", service_tier="flex", usage=Usage(1_000, 500))
    world = three([[begun, failing(503, "provider_overloaded")]], [text("Hi", usage=None)])
    await ask(world, "one", "two")
    generation = world.queue.events[0]["generation"]
    assert (generation.upstream_id, generation.service_tier, generation.provider) == (None, None, "Two")
    assert generation.usage.estimated


@EITHER_WAY
@pytest.mark.parametrize("error_type", ["context_length_exceeded", "content_policy_violation", "invalid_request"])
async def test_after_the_requests_own_fault_the_next_model_is_asked_and_no_other_endpoint(
    error_type: ErrorType, stream: bool
) -> None:
    refused = failing(400, error_type, retryable=False)
    scripts: dict[str, list[Script]] = {"one": [[refused]], "two": [WORDS], "three": [WORDS]}
    world = World(scripts, endpoint("one"), endpoint("two"), endpoint("three", "acme/long"))
    await ask(world, "one", "two", stream=stream, models=("acme/chat", "acme/long"))
    assert asked(world) == ["one", "three"]
    assert [attempt.outcome for attempt in world.attempts] == ["client", "ok"]


@EITHER_WAY
@pytest.mark.parametrize(
    ("status", "is_refusal", "told"), [(429, True, True), (400, True, True), (429, False, False), (403, False, True)]
)
async def test_the_operator_is_told_of_a_refused_credential_whatever_status_it_came_with(
    status: int, is_refusal: bool, told: bool, stream: bool
) -> None:
    """OpenAI says with 429 that there are no funds, Google with 400 that the key is wrong."""
    refused = UpstreamError(
        "one",
        "It broke",
        upstream_status=status,
        error_type="provider_unavailable",
        retryable=True,
        is_refusal=is_refusal,
    )
    world = three([[refused]])
    await ask(world, "one", "two", stream=stream)
    assert asked(world) == ["one", "two"]
    assert world.refusals == ([refused] if told else [])


async def test_when_the_last_model_fails_its_error_is_told() -> None:
    scripts: dict[str, list[Script]] = {
        "one": [[limited(30)]],
        "two": [[failing(400, "context_length_exceeded", retryable=False, by="two")]],
    }
    world = World(scripts, endpoint("one"), endpoint("two", "acme/long"))
    with pytest.raises(AttemptsFailed) as caught:
        await ask(world, models=("acme/chat", "acme/long"))
    assert (caught.value.status, caught.value.error_type) == (400, "context_length_exceeded")
    assert caught.value.metadata["provider_name"] == "Two"


async def test_without_fallbacks_the_clients_own_order_is_still_followed_to_its_end() -> None:
    world = three([[limited(None)]], [[limited(None)]])
    preferences = replace(request().provider, order=("one", "two"), allow_fallbacks=False)
    with pytest.raises(AttemptsFailed):
        await world.stream(request(provider=preferences))
    assert asked(world) == ["one", "two"]


async def test_a_file_that_cannot_be_had_is_no_fault_of_the_endpoint() -> None:
    world = three([[InvalidRequest("it could not be fetched", field="messages")]])
    with pytest.raises(InvalidRequest):
        await ask(world, "one", "two")
    assert len(world.begun) == len(world.attempts)
    assert asked(world) == ["one"]
    assert [(attempt.outcome, attempt.status) for attempt in world.attempts] == [("client", None)]
    assert not world.queue.events[0]["answered"]


@EITHER_WAY
async def test_an_endpoint_is_not_asked_again_before_it_said(stream: bool) -> None:
    world = three([[limited(60)], WORDS])
    for _ in range(3):
        await ask(world, "one", "two", stream=stream)
    assert asked(world) == ["one", "two", "two", "two"]


async def test_it_is_asked_again_when_the_time_is_over() -> None:
    world = three([[limited(1)], WORDS])
    await ask(world, "one", "two")
    await ask(world, "one", "two")
    await asyncio.sleep(1.05)
    await ask(world, "one", "two")
    assert asked(world) == ["one", "two", "two", "one"]


async def test_without_a_wait_it_is_asked_again_at_once() -> None:
    world = three([[limited(None)], WORDS])
    await ask(world, "one", "two")
    await ask(world, "one", "two")
    assert asked(world) == ["one", "two", "one"]


@EITHER_WAY
async def test_when_all_fail_the_shortest_wait_is_told(stream: bool) -> None:
    world = three([[limited(40)]], [[limited(7, "two")]], [[failing(503, "provider_overloaded", by="three")]])
    with pytest.raises(AttemptsFailed) as caught:
        await ask(world, "one", "two", "three", stream=stream)
    assert caught.value.retry_after_s == 7
    assert caught.value.availability is not None
    assert caught.value.availability.retry_after_s == 7


async def test_an_endpoint_that_is_left_alone_counts_for_the_wait_too() -> None:
    world = three([[limited(5)]], [WORDS, [failing(500, "provider_unavailable", by="two")]])
    preferences = replace(request().provider, order=("one", "two"), allow_fallbacks=False)
    await world.stream(request(provider=preferences))
    with pytest.raises(AttemptsFailed) as caught:
        await world.stream(request(provider=preferences))
    assert asked(world) == ["one", "two", "two"]
    assert caught.value.status == 502
    assert caught.value.retry_after_s == 5


@EITHER_WAY
async def test_while_everybody_wants_to_be_left_alone_nobody_is_asked_and_nothing_held(stream: bool) -> None:
    world = three([[limited(40)]], [[limited(7, "two")]], [[limited(20, "three")]])
    with pytest.raises(AttemptsFailed):
        await ask(world, stream=stream)
    entries = len(list(world.ledger.list_entries(ACCOUNT)))
    with pytest.raises(AttemptsFailed) as caught:
        await ask(world, stream=stream)
    assert len(world.upstream.calls) == 3
    assert len(list(world.ledger.list_entries(ACCOUNT))) == entries
    error = caught.value
    assert (error.status, error.error_type, error.retry_after_s) == (429, "rate_limit_exceeded", 7)
    assert error.availability is not None
    assert error.availability.code == "capacity_exhausted"
    assert error.availability.affected_providers == ["one", "three", "two"]


async def test_the_deadline_is_nobodys_failure() -> None:
    world = three([[30.0]])
    began = time.monotonic()
    asking = request(provider=replace(request().provider, order=("one",)), stream=False)
    with pytest.raises(AttemptsFailed) as caught:
        await world.complete(asking, seconds=0.05)
    assert (caught.value.status, caught.value.error_type) == (504, "timeout")
    assert time.monotonic() - began < 1
    assert asked(world) == ["one"]
    [attempt] = world.attempts
    assert (attempt.outcome, attempt.status) == ("cancelled", None)


async def test_a_server_that_stops_notes_the_attempt_and_tells_nothing_of_the_endpoint() -> None:
    world = World({"one": [[30.0]]})
    running = asyncio.create_task(world.stream(request()))
    await world.upstream.waiting.wait()
    running.cancel()
    await asyncio.wait((running,))
    assert [attempt.outcome for attempt in world.attempts] == ["cancelled"]
    assert world.upstream.closed == 1
    assert not world.queue.events[0]["answered"]


async def test_an_attempt_says_how_fast_it_was() -> None:
    script: Script = [0.1, Delta(content="Hello"), 0.2, Delta(finish_reason="stop"), Delta(usage=Usage(10, 100))]
    world = World({"one": [script]}, endpoint("one", quantization="fp8"))
    await world.stream(request())
    [attempt] = world.attempts
    assert (attempt.outcome, attempt.status, attempt.tag) == ("ok", 200, "one/fp8")
    assert attempt.first_content_ms is not None
    assert 100 <= attempt.first_content_ms < 190
    assert attempt.output_tokens_per_s is not None
    assert 250 < attempt.output_tokens_per_s <= 500


async def test_an_answer_in_one_piece_tells_how_long_all_of_it_took() -> None:
    world = World({"one": [[0.1, Delta(content="Hello"), Delta(usage=Usage(10, 100))]]})
    await world.complete(request(stream=False))
    (whole,) = world.attempts
    assert whole.first_content_ms is None
    assert whole.latency_ms == whole.took_ms >= 100
    assert whole.output_tokens_per_s is not None
    assert 500 < whole.output_tokens_per_s <= 1000


async def test_a_stream_that_comes_at_once_says_nothing_of_its_speed() -> None:
    world = World({"one": [[0.1, Delta(content="Hello"), Delta(usage=Usage(10, 100))]]})
    world.upstream.together = True
    await world.stream(request())
    (burst,) = world.attempts
    assert burst.first_content_ms is not None
    assert burst.output_tokens_per_s is None


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ([limited(None)], "rate_limited"),
        ([failing(500, "provider_unavailable")], "failed"),
        ([failing(None, "timeout")], "failed"),
        ([failing(401, "provider_unavailable")], "failed"),
        ([failing(413, "payload_too_large", retryable=False)], "client"),
        ([Delta(content="Hel"), Delta(error=failing(None, "provider_unavailable"))], "failed"),
        ([], "failed"),
    ],
)
async def test_each_failure_is_told_by_its_kind(script: Script, outcome: str) -> None:
    world = World({"one": [script]})
    if outcome == "failed" and script[:1] == [Delta(content="Hel")]:
        await world.stream(request())
    else:
        with pytest.raises(AttemptsFailed):
            await world.stream(request())
    [attempt] = world.attempts
    assert attempt.outcome == outcome
    assert list(world.queue.events[0]["generation"].attempts) == [attempt]
