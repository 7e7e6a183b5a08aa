"""The HTTP client where answers are sound, against the simulator: nothing is read ahead, and every end is told."""

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any
from zlib import crc32

import pytest

from turnpike.domain.catalog import Endpoint, Provider, Timeouts
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.domain.speech import SpeechPiece, SpeechRequest, Turn
from turnpike.domain.transcription import Recording, RemoteRecording, TranscriptionRequest
from turnpike.providers.fetch import Fetched, Fetcher
from turnpike.providers.upstream import HttpUpstream

from tests.simulator.operations.sounds import PIECE, sound_of
from tests.simulator.server import KEY, Simulator, simulating

pytestmark = pytest.mark.anyio

BY_CHARACTER = Pricing(character=Decimal("0.000015"))
TEXT = "The quick brown fox"
SHORT = Timeouts(connect_s=1, first_token_s=0.2, gap_s=0.2)


@pytest.fixture(scope="module")
def simulated() -> Iterator[tuple[Simulator, str]]:
    with simulating() as found:
        yield found


@pytest.fixture
def simulator(simulated: tuple[Simulator, str]) -> Iterator[Simulator]:
    simulated[0].requests.clear()
    yield simulated[0]
    simulated[0].plans.planned.clear()


class Shelf(Fetcher):
    """Has what it is given, and nothing else."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self.files = files

    async def fetch_each(self, urls: Iterable[str], *, within_s: float = 0) -> Mapping[str, Fetched]:
        missing = [url for url in urls if url not in self.files]
        if missing:
            raise InvalidRequest("it is not there; send the file itself as a data URL", field="messages")
        return {url: Fetched("audio/mpeg", self.files[url]) for url in urls}


@asynccontextmanager
async def upstream(
    simulated: tuple[Simulator, str], files: Mapping[str, bytes] | None = None
) -> AsyncIterator[HttpUpstream]:
    providers = [Provider(slug, slug, "openai_compatible", "") for slug in ("openai", "other")]
    found = HttpUpstream(providers, {each.slug: KEY for each in providers}, fetcher=Shelf(files or {}))
    try:
        yield found
    finally:
        await found.aclose()


def at(simulated: tuple[Simulator, str], model: str = "tts-1", provider: str = "openai", **changes: Any) -> Endpoint:
    base_url = f"{simulated[1]}/openai_compatible/v1"
    return replace(Endpoint("acme/model", provider, model, base_url, BY_CHARACTER, 4096), **changes)


def asked(**changes: Any) -> SpeechRequest:
    return SpeechRequest(**({"models": ("acme/model",), "turns": (Turn(TEXT, "alloy"),)} | changes))


async def speak(client: HttpUpstream, endpoint: Endpoint, found: list[SpeechPiece] | None = None) -> list[SpeechPiece]:
    pieces = [] if found is None else found
    async with aclosing(client.speak(asked(), endpoint)) as stream:
        async for piece in stream:
            pieces.append(piece)
    return pieces


def sound_in(pieces: Iterable[SpeechPiece]) -> bytes:
    return b"".join(piece.sound for piece in pieces)


async def test_plain_sound(simulated: Any, simulator: Simulator) -> None:
    async with upstream(simulated) as client:
        pieces = await speak(client, at(simulated))
    assert sound_in(pieces) == sound_of(TEXT)
    assert len(pieces) > 1
    assert simulator.requests[-1]["headers"]["authorization"] == f"Bearer {KEY}"


async def test_sound_in_events_with_their_usage(simulated: Any, simulator: Simulator) -> None:
    async with upstream(simulated) as client:
        pieces = await speak(client, at(simulated, "gpt-4o-mini-tts", pricing=Pricing(completion=Decimal("0.000012"))))
    assert sound_in(pieces) == sound_of(TEXT)
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.completion_audio_tokens == len(TEXT)
    assert simulator.requests[-1]["body"]["stream_format"] == "sse"


@pytest.mark.parametrize("fault", ["cut.1", "reset.1", "hang.1", "tear.1"])
@pytest.mark.parametrize("pricing", [BY_CHARACTER, Pricing()])
async def test_what_breaks_off_is_told_after_what_came(simulated: Any, fault: str, pricing: Pricing) -> None:
    endpoint = at(simulated, f"gpt~{fault}", timeouts=SHORT, pricing=pricing)
    found: list[SpeechPiece] = []
    async with upstream(simulated) as client:
        with pytest.raises(UpstreamError) as caught:
            await speak(client, endpoint, found)
    heard = sound_in(found)
    assert PIECE <= len(heard) < len(sound_of(TEXT))
    assert sound_of(TEXT).startswith(heard)
    assert caught.value.retryable
    assert caught.value.error_type == ("timeout" if "hang" in fault else "provider_unavailable")
    assert caught.value.__context__ is None


async def test_events_that_stop_are_not_whole(simulated: Any) -> None:
    async with upstream(simulated) as client:
        with pytest.raises(UpstreamError, match="The connection to the provider failed"):
            await speak(client, at(simulated, "gpt~stop.2", pricing=Pricing()))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("hang.headers", "did not answer in time"),
        ("hang.0", "did not answer in time"),
        ("cut.headers", "connection to the provider failed"),
        ("status.503", "told to fail"),
        ("garbage.0", "something that is no sound"),
    ],
)
async def test_nothing_comes_of_a_failure_before_the_first_byte(simulated: Any, fault: str, says: str) -> None:
    found: list[SpeechPiece] = []
    began = time.monotonic()
    async with upstream(simulated) as client:
        with pytest.raises(UpstreamError, match=says):
            await speak(client, at(simulated, f"tts-1~{fault}", timeouts=SHORT), found)
    assert found == []
    assert time.monotonic() - began < 5


async def test_a_recording_is_sent_as_a_form(simulated: Any, simulator: Simulator) -> None:
    sound = bytes(range(256)) * 40
    request = TranscriptionRequest(
        models=("acme/model",), audio=Recording(sound, "mp3"), parameters={"language": "en", "prompt": "Größe"}
    )
    async with upstream(simulated) as client:
        found = await client.perform(request, at(simulated, "gpt-4o-transcribe"))
    assert found.text == f"{len(sound)} bytes, {crc32(sound):08x}"
    assert found.usage is not None
    assert found.usage.prompt_audio_tokens == 100
    headers = simulator.requests[-1]["headers"]
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert headers["authorization"] == f"Bearer {KEY}"


async def test_clients_options_are_fields_of_the_form(simulated: Any) -> None:
    options = {"openai": {"chunking_strategy": {"type": "server_vad"}, "model": "another"}}
    preferences = replace(asked().provider, options=options)
    request = TranscriptionRequest(models=("a/b",), audio=Recording(b"x", "mp3"), provider=preferences)
    async with upstream(simulated) as client:
        # The simulator knows nothing of it, and says so.
        with pytest.raises(UpstreamError, match="Unknown parameter: 'chunking_strategy'"):
            await client.perform(request, at(simulated))


async def test_what_stands_at_an_address_is_fetched_for_those_who_do_not(simulated: Any) -> None:
    there, nowhere = (RemoteRecording(f"https://example.com/{name}.mp3", "mp3") for name in ("a", "b"))
    request = TranscriptionRequest(models=("acme/model",), audio=there)
    async with upstream(simulated, {there.url: b"sound"}) as client:
        assert (await client.perform(request, at(simulated))).text.startswith("5 bytes")
        with pytest.raises(InvalidRequest) as caught:
            await client.perform(replace(request, audio=nowhere), at(simulated))
    assert caught.value.message == "input_audio.url: it is not there; send the file itself in input_audio.data"
    assert not caught.value.only_here
