"""Server-sent events, against the algorithm of the specification written down once more, the slow way."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.providers.sse import Event, EventTooLarge, SseDecoder


def decode(*pieces: bytes) -> list[Event]:
    decoder = SseDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.finish()


def by_the_book(stream: bytes) -> list[Event]:
    """WHATWG HTML 9.2.6, line by line; an event that the end cuts off is given out, as our decoder does."""
    events: list[Event] = []
    name = b""
    data: list[bytes] = []
    for line in [*re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf")), b""]:
        if line == b"":
            if data:
                events.append(Event((name or b"message").decode(), b"\n".join(data)))
            name, data = b"", []
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        # The examples of the specification, 9.2.5 and 9.2.6.
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", b"YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [("message", b"first event"), ("message", b"second event"), ("message", b" third event")],
        ),
        (b"data\n\ndata\ndata\n\ndata:\n\n", [("message", b""), ("message", b"\n"), ("message", b"")]),
        (b"data:test\n\ndata: test\n\n", [("message", b"test"), ("message", b"test")]),
        (b"event: add\ndata: 73857293\n\n", [("add", b"73857293")]),
        # Names end with their event, and an event without data is none.
        (b"event: add\n\ndata: x\n\n", [("message", b"x")]),
        (b"event:\ndata: x\n\n", [("message", b"x")]),
        (b"\xef\xbb\xbfdata: x\n\n", [("message", b"x")]),
        (b"data: \xef\xbb\xbfx\n\n", [("message", b"\xef\xbb\xbfx")]),
        (b"data: x\r\n\r\ndata: y\r\rdata: z\n\n", [("message", b"x"), ("message", b"y"), ("message", b"z")]),
        (b"\n\n\ndata: x\n\n\n\n", [("message", b"x")]),
        (b"retry: 10\nunknown: x\n: comment\n\n", []),
        (b" data: x\n\nDATA: x\n\n", []),
        (b"data: a: b\n\n", [("message", b"a: b")]),
        # Not by the book, which drops it: Anthropic's compatible endpoint ends with one line feed.
        (b"data: x\n\ndata: [DONE]\n", [("message", b"x"), ("message", b"[DONE]")]),
        (b"data: [DONE]", [("message", b"[DONE]")]),
        (b"", []),
    ],
)
def test_the_specification(stream: bytes, events: list[tuple[str, bytes]]) -> None:
    assert decode(stream) == events
    assert by_the_book(stream) == events
    assert decode(*(stream[i : i + 1] for i in range(len(stream)))) == events


_LINES = st.sampled_from(
    [
        b"",
        b"",
        b"data: x",
        b"data: \xe2\x82\xac\xf0\x9f\x99\x82",
        b"data:{}",
        b"data",
        b"data: ",
        b"event: error",
        b"event",
        b": OPENROUTER PROCESSING",
        b"id: 1",
        b"retry: 1",
        b"data: \xef\xbb\xbf",
        b"nonsense",
    ]
)
_ENDINGS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.tuples(_LINES, _ENDINGS), max_size=24))
    start = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb"]))
    rest = draw(st.sampled_from([b"", b"data: unfinished"]))
    return start + b"".join(line + ending for line, ending in lines) + rest


@given(stream=streams(), cuts=st.lists(st.integers(0, 200), max_size=12))
def test_where_the_network_cut_it_does_not_matter(stream: bytes, cuts: list[int]) -> None:
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(borders)]
    assert decode(*pieces) == by_the_book(stream)


@given(st.binary(max_size=200))
def test_any_bytes_are_some_stream(stream: bytes) -> None:
    assert decode(*(stream[i : i + 1] for i in range(len(stream)))) == decode(stream)


def test_an_event_comes_out_with_its_blank_line() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: x\r\n\r") == [("message", b"x")]
    assert decoder.feed(b"\ndata: y\n\n") == [("message", b"y")]


def test_an_event_has_a_longest_size() -> None:
    decoder = SseDecoder(max_event_bytes=1000)
    assert decoder.feed(b"data: " + b"x" * 900 + b"\n\n")
    decoder.feed(b"data: " + b"x" * 900)
    with pytest.raises(EventTooLarge):
        decoder.feed(b"x" * 200)


def test_a_long_event_in_many_pieces_is_put_together_once() -> None:
    decoder = SseDecoder()
    pieces = [b"data: ", *[b"x" * 1000] * 5_000, b"\n", b"\n"]
    events = [event for piece in pieces for event in decoder.feed(piece)]
    assert events == [("message", b"x" * 5_000_000)]
