"""What is the same for every streamed answer: framing, junk, and ends that are none."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from turnpike.domain.chat import Delta, Usage
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import AnswerDecoder, Json, raise_error
from turnpike.providers.sse import Event, EventTooLarge


class Words:
    """A wire format of one member: `word`, and `last` with the end."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.ended: list[bool] = []

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        raise_error("acme", name, event)
        if "used" in event:
            self.usage = Usage(event["used"], 1)
        deltas.append(Delta(content=event["word"].lower()))
        return bool(event.get("last"))

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        self.ended.append(told)
        if told:
            deltas.append(Delta(finish_reason="stop"))
        return told


def decoder(answer: Words | None = None) -> AnswerDecoder:
    return AnswerDecoder("acme", answer or Words())


def error_of(deltas: Sequence[Delta]) -> UpstreamError:
    assert [delta.error for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    error = deltas[-1].error
    assert isinstance(error, UpstreamError)
    return error


def test_an_event_may_end_the_answer() -> None:
    reading = decoder()
    assert [d.content for d in reading.feed(b'data: {"word":"A"}\n\ndata: {"word":"B","last":1}\n\n')] == ["a", "b"]
    assert reading.done
    assert reading.feed(b'data: {"word":"C"}\n\n') == []
    assert reading.finish() == []


def test_the_provider_may_say_that_it_is_over() -> None:
    answer = Words()
    reading = decoder(answer)
    deltas = reading.feed(b'data: {"word":"A"}\n\ndata: [DONE]\n\ndata: {"word":"B"}\n\n')
    assert [delta.finish_reason for delta in deltas] == [None, "stop"]
    assert answer.ended == [True]
    assert reading.done


def test_an_answer_that_stops_is_cut_and_its_usage_is_told() -> None:
    reading = decoder()
    reading.feed(b'data: {"word":"A","used":7}\n\n')
    assert not reading.done
    usage, error = reading.finish()
    assert usage.usage == Usage(7, 1)
    assert error_of([error]).upstream_status is None
    assert reading.done


@pytest.mark.parametrize(
    "body",
    [
        b"data: nonsense\n\n",
        b"data: [1]\n\n",
        b'data: {"word":5}\n\n',
        b"data: {}\n\n",
        b'data: {"word":"A"}\n\ndata: {"word":null}\n\n',
    ],
)
def test_what_is_no_event_ends_in_an_error(body: bytes) -> None:
    reading = decoder()
    error = error_of(reading.feed(body))
    assert (error.upstream_status, error.error_type, error.retryable) == (200, "provider_unavailable", True)
    assert reading.done


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_json_instead_of_a_stream_is_read_as_an_error(size: int) -> None:
    body = b'\n {"error": {"message": "Slow down", "code": 429}}'
    reading = decoder()
    deltas = [d for i in range(0, len(body), size) for d in reading.feed(body[i : i + size])]
    assert deltas == []
    error = error_of(reading.finish())
    assert (error.message, error.error_type) == ("Slow down", "rate_limit_exceeded")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_array_of_events_is_read_as_a_stream(size: int) -> None:
    body = b'[{"word":"A"}\n,\r\n{"word":"B","last":1}]'
    reading = decoder()
    deltas = [d for i in range(0, len(body), size) for d in reading.feed(body[i : i + size])]
    assert [d.content for d in [*deltas, *reading.finish()]] == ["a", "b"]


def test_json_that_is_cut_is_a_cut_answer() -> None:
    reading = decoder()
    assert reading.feed(b'{"word":') == []
    assert error_of(reading.finish()).upstream_status is None


def test_an_event_without_its_blank_line_counts_and_half_of_one_does_not() -> None:
    whole, half = decoder(), decoder()
    whole.feed(b'data: {"word":"A","last":1}')
    assert [d.content for d in whole.finish()] == ["a"]
    half.feed(b'data: {"word":"A"}\n\ndata: {"word":"B')
    assert error_of(half.finish()).message == "The provider's answer broke off"


def test_a_lost_last_brace_loses_nothing() -> None:
    assert [d.content for d in decoder().feed(b'data: {"word":"A"\n\ndata: {"word":"B"}\n\n')] == ["a", "b"]


def test_a_broken_character_loses_nothing_else() -> None:
    assert [d.content for d in decoder().feed(b'data: {"word":"A\xff"}\n\n')] == ["a�"]


class Torn:
    """A framing that cannot read what it is given."""

    def __init__(self, error: ValueError) -> None:
        self.error = error

    def feed(self, data: bytes) -> Sequence[Event]:
        raise self.error

    def finish(self) -> Sequence[Event]:
        raise self.error


@pytest.mark.parametrize("error", [ValueError("checksum"), EventTooLarge("too long")])
def test_bytes_that_are_no_events_end_in_an_error(error: ValueError) -> None:
    reading = AnswerDecoder("acme", Words(), Torn(error))
    assert error_of(reading.feed(b"\0\0")).upstream_status == 200
    assert reading.done
    fresh = AnswerDecoder("acme", Words(), Torn(error))
    assert error_of(fresh.finish()).upstream_status is None


@given(st.lists(st.binary(max_size=40), max_size=8))
@example([b"data:[DONE]"])
def test_junk_never_raises(pieces: list[bytes]) -> None:
    reading = decoder()
    deltas = [delta for piece in pieces for delta in reading.feed(piece)]
    deltas += reading.finish()
    assert reading.done
    # The one word that says that an answer is over is junk no more, wherever it comes from.
    if b"[DONE]" not in b"".join(pieces) or deltas[-1].finish_reason is None:
        error_of(deltas)
