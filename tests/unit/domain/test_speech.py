"""What speech costs before it is heard, and after."""

from decimal import Decimal
from typing import Any

import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.cost import price
from turnpike.domain.pricing import Pricing
from turnpike.domain.recordings import wav_header
from turnpike.domain.speech import Heard, SoundFormat, SpeechRequest, Turn
from turnpike.domain.transcription import Recording, RemoteRecording, TranscriptionRequest

BY_CHARACTER = Pricing(character=Decimal("0.000015"))
BY_TOKEN = Pricing(prompt=Decimal("0.0000006"), completion=Decimal("0.000012"))
BY_SECOND = Pricing(second=Decimal("0.0001"))


def at(pricing: Pricing) -> Endpoint:
    return Endpoint("acme/voice", "one", "voice", "https://api.test/v1", pricing, 4096)


def asked(text: str, **changes: Any) -> SpeechRequest:
    return SpeechRequest(models=("acme/voice",), turns=(Turn(text),), **changes)


def heard(size: int, head: bytes = b"") -> Heard:
    found = Heard()
    found.record(head)
    found.record(bytes(size - len(head)))
    return found


def test_characters_are_exact_before_and_after() -> None:
    request = asked("Grüße 👋")
    assert request.most_used(at(BY_CHARACTER)) == request.used(at(BY_CHARACTER), heard(9)) == Usage(prompt_characters=7)
    assert price(Usage(prompt_characters=7), BY_CHARACTER).total == 7 * 15_000


@pytest.mark.parametrize(
    ("form", "sound", "seconds"),
    [
        ("pcm", heard(480_000), 10.0),
        ("wav", heard(480_000), 10.0),
        ("mp3", heard(160_000, b"\xff\xfb\x94\x00"), 10.0),
        ("opus", heard(160_000), None),
        ("mp3", heard(160_000, b"what is this"), None),
    ],
)
def test_tokens_are_estimated_from_the_length(form: SoundFormat, sound: Heard, seconds: float | None) -> None:
    assert sound.seconds(form) == seconds
    request = asked("a" * 150, format=form)
    usage = request.used(at(BY_TOKEN), sound)
    # A text of 150 characters takes ten seconds, too.
    assert (usage.completion_tokens, usage.estimated) == (251, True)
    assert usage.prompt_tokens == 52


@pytest.mark.parametrize("text", ["word " * 100, "a", "你好世界" * 50])
@pytest.mark.parametrize("speed", [None, 0.25, 4.0])
def test_more_is_held_for_than_anybody_takes_to_say_it(text: str, speed: float | None) -> None:
    request = asked(text, parameters={} if speed is None else {"speed": speed})
    slowly_s = (len(text) / 10 if text.isascii() else len(text) / 3) / min(speed or 1, 1)
    assert request.most_used(at(BY_TOKEN)).completion_tokens >= slowly_s * 25
    assert request.most_used(at(BY_TOKEN)).completion_tokens <= (slowly_s + 13) * 50


def recorded(ms: int, **changes: Any) -> TranscriptionRequest:
    size = ms * 48
    audio = Recording(wav_header(24_000, size) + bytes(size), "wav")
    return TranscriptionRequest(**({"models": ("acme/ear",), "audio": audio} | changes))


def test_seconds_are_held_for_by_the_recording() -> None:
    assert recorded(15_000).most_used(at(BY_SECOND)).prompt_audio_ms == 15_000
    request = recorded(1_500)
    # As the provider that bills for the most of it does.
    assert price(request.most_used(at(BY_SECOND)), BY_SECOND).total == 1_000_000
    used = request.used(at(BY_TOKEN), "What was said")
    assert used is not None
    assert (used.prompt_audio_tokens, used.completion_tokens, used.estimated) == (49, 5, True)
    assert request.most_used(at(BY_TOKEN)).completion_tokens > used.completion_tokens


def test_what_nobody_has_seen_is_held_for_by_two_hours() -> None:
    request = recorded(0, audio=RemoteRecording("https://example.com/a.mp3", "mp3"))
    assert request.most_used(at(BY_SECOND)).prompt_audio_ms == 7_200_000
    assert request.used(at(BY_SECOND), "") is None


def test_formats_with_times_demand_an_endpoint_that_knows_them() -> None:
    assert recorded(1).demands == frozenset()
    for form in ("verbose_json", "srt", "vtt"):
        assert recorded(1, format=form).demands == {"timestamp_granularities"}
        assert recorded(1, format=form).granularities == ("segment",)
    assert recorded(1, parameters={"diarize": True}).demands == {"diarize"}


def test_a_millisecond_is_a_thousandth_of_a_second() -> None:
    pricing = Pricing(second=Decimal("0.0000616666666667"))
    assert price(Usage(prompt_audio_ms=1), pricing).total == 62
    assert price(Usage(prompt_audio_ms=3_600_000), pricing).total == 222_000_001
    assert not pricing.is_free
    assert pricing.combined == pricing.second
