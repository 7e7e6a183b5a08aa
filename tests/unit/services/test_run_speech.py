"""Speech goes the way of every operation, and its sound comes as it is made."""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from turnpike.domain.catalog import Endpoint, FixedCatalog
from turnpike.domain.chat import Usage
from turnpike.domain.errors import AttemptsFailed, InsufficientCredit, UpstreamError
from turnpike.domain.generation import Generation
from turnpike.domain.money import parse_usd
from turnpike.domain.pricing import Pricing
from turnpike.domain.speech import SpeechPiece, SpeechRequest, Turn
from turnpike.services.generation_call import Origin
from turnpike.services.run_speech import RunSpeech

from tests.scenario import ACCOUNT, Script, World, endpoint, failure, principal

pytestmark = pytest.mark.anyio

BY_CHARACTER = Pricing(character=Decimal("0.00001"))
BY_TOKEN = Pricing(completion=Decimal("0.00001"))
SECOND = SpeechPiece(bytes(48_000))
IN_ORDER = {"order": ("one", "two")}


def world(scripts: dict[str, list[Script]], *endpoints: Endpoint, **options: Any) -> World:
    """Its models speak and do nothing else."""
    found = World(scripts, *(endpoints or (endpoint(pricing=BY_CHARACTER),)), **options)
    models = [replace(model, output_modalities=("speech",)) for model in found.catalog.models]
    found.catalog = FixedCatalog(models, found.catalog.providers)
    return found


def asked(text: str = "Hello", **changes: Any) -> SpeechRequest:
    return SpeechRequest(**({"models": ("acme/chat",), "turns": (Turn(text),)} | changes))


async def speak(world: World, request: SpeechRequest, heard: list[bytes] | None = None) -> list[bytes]:
    sounds = [] if heard is None else heard

    async def emit(sound: bytes) -> None:
        sounds.append(sound)

    now = time.monotonic()
    call = await RunSpeech(world.case)(principal(), request, Origin(now, now + 60))
    try:
        await call.stream(emit)
    finally:
        await call.report()
    return sounds


def settled(world: World) -> Generation:
    """The one generation, after which nothing is held any more."""
    world.settle()
    assert world.ledger.get_balance(ACCOUNT).held == 0
    [(generation, _)] = world.sent_events()
    return generation


def spent(world: World) -> int:
    return parse_usd("1") - world.ledger.get_balance(ACCOUNT).available


def two(**options: Any) -> tuple[Endpoint, Endpoint]:
    return endpoint("one", pricing=BY_CHARACTER, **options), endpoint("two", pricing=BY_CHARACTER, **options)


async def test_sound_is_passed_on_piece_by_piece_and_paid_by_the_character() -> None:
    case = world({"one": [[SpeechPiece(b"\xff"), SpeechPiece(b"\x00", upstream_id="up")]]})
    assert await speak(case, asked(user="ann")) == [b"\xff", b"\x00"]
    generation = settled(case)
    assert (generation.api_type, generation.streamed, generation.user) == ("tts", True, "ann")
    assert (generation.upstream_id, generation.usage) == ("up", Usage(prompt_characters=5))
    assert generation.cost == spent(case) == 5 * 10_000
    assert case.upstream.closed == 1


async def test_tokens_that_the_provider_counts_are_paid_for() -> None:
    counted = SpeechPiece(usage=Usage(3, 40, completion_audio_tokens=40))
    case = world({"one": [[SECOND, counted]]}, endpoint(pricing=BY_TOKEN))
    await speak(case, asked())
    assert settled(case).cost == spent(case) == 40 * 10_000


async def test_tokens_that_nobody_counts_are_estimated_from_the_sound() -> None:
    case = world({"one": [[SECOND, SECOND]]}, endpoint(pricing=BY_TOKEN))
    await speak(case, asked())
    generation = settled(case)
    assert (generation.usage.completion_tokens, generation.usage.estimated) == (51, True)
    assert spent(case) == 51 * 10_000


@pytest.mark.parametrize("first", [[failure(503)], [SpeechPiece(), failure(None)], [], [SpeechPiece(b"")]])
async def test_until_the_first_byte_the_next_endpoint_is_asked(first: Script) -> None:
    case = world({"one": [first], "two": [[SECOND]]}, *two())
    assert await speak(case, asked(provider=replace(asked().provider, **IN_ORDER))) == [SECOND.sound]
    generation = settled(case)
    assert [attempt.provider for attempt in generation.attempts] == ["one", "two"]
    assert (generation.provider, generation.cost) == ("Two", 5 * 10_000)


async def test_after_the_first_byte_nobody_else_is_asked_and_nobody_pays() -> None:
    case = world({"one": [[SECOND, failure(None)]], "two": [[SECOND]]}, *two())
    heard: list[bytes] = []
    with pytest.raises(UpstreamError):
        await speak(case, asked(provider=replace(asked().provider, **IN_ORDER)), heard)
    assert heard == [SECOND.sound]
    generation = settled(case)
    assert ([name for name, _ in case.upstream.calls], generation.finish_reason) == (["one"], "error")
    assert (generation.cost, spent(case), generation.upstream_cost) == (0, 0, 5 * 10_000)


async def test_a_client_that_is_cut_off_pays_nothing() -> None:
    case = world({"one": [[SECOND, RuntimeError("the server stops")]]})
    with pytest.raises(RuntimeError):
        await speak(case, asked())
    assert (settled(case).cost, spent(case), case.upstream.closed) == (0, 0, 1)


async def test_no_sound_at_all_is_no_answer() -> None:
    case = world({"one": [[SpeechPiece()]]})
    with pytest.raises(AttemptsFailed) as caught:
        await speak(case, asked())
    assert "sent no sound" in caught.value.message
    assert (settled(case).provider, spent(case)) == (None, 0)


async def test_what_it_may_cost_at_most_is_held_before_anybody_is_asked() -> None:
    case = world({"one": [[SECOND]]}, credit_usd="0.0001")
    with pytest.raises(InsufficientCredit) as caught:
        await speak(case, asked("a" * 11))
    assert "cost up to $0.000110000, and $0.000100000 is left" in caught.value.message
    assert case.upstream.calls == []
    await speak(case, asked("a" * 10))
    assert settled(case).cost == 100_000
