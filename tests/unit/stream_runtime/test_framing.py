"""The bytes of a streamed answer, and how the front of the tests reads them back."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_runtime.failure import Failure, failure_of
from stream_runtime.framing import DELIMITER, END, chunk, prelude, trailers

from tests.runtime_api.answers import Head, PreludeReader, Violation, read_trailers

NAMES = st.from_regex(re.compile(r"x-[a-z]{1,8}", re.ASCII), fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


def unchunked(framed: bytes) -> list[bytes]:
    chunks = []
    while framed:
        size, framed = framed.split(b"\r\n", 1)
        length = int(size, 16)
        assert framed[length : length + 2] == b"\r\n"
        chunks.append(framed[:length])
        framed = framed[length + 2 :]
    return chunks


def read(data: bytes, *, cut_at: int) -> tuple[Head, bytes]:
    reader = PreludeReader()
    found = reader.feed(data[:cut_at])
    if found is None:
        found = reader.feed(data[cut_at:])
        assert found is not None
        return found
    head, rest = found
    return head, rest + data[cut_at:]


def test_a_chunk() -> None:
    assert chunk(b"data") == b"4\r\ndata\r\n"
    assert chunk(b"x" * 300).startswith(b"12c\r\n")


def test_no_data_is_no_chunk() -> None:
    """It would be the last one."""
    assert chunk(b"") == b""


def test_metadata_and_delimiter_are_chunks_of_their_own() -> None:
    """Lambda takes them together, too; cargo-lambda does not."""
    metadata, delimiter = unchunked(prelude(402, [(b"Content-Type", b"application/json")]))
    assert json.loads(metadata) == {"statusCode": 402, "headers": {"content-type": "application/json"}, "cookies": []}
    assert delimiter == DELIMITER == b"\0" * 8


def test_repeated_headers_are_joined_and_cookies_are_not() -> None:
    headers = [(b"Vary", b"a"), (b"vary", b"b"), (b"Set-Cookie", b"a=1, x"), (b"set-cookie", b"b=2")]
    metadata, _ = unchunked(prelude(200, headers))
    assert json.loads(metadata)["headers"] == {"vary": "a, b"}
    assert json.loads(metadata)["cookies"] == ["a=1, x", "b=2"]


def test_how_the_body_is_framed_is_not_the_apps_to_say() -> None:
    headers = [(b"content-length", b"17"), (b"Transfer-Encoding", b"chunked"), (b"connection", b"keep-alive")]
    metadata, _ = unchunked(prelude(200, headers))
    assert json.loads(metadata)["headers"] == {}


def test_no_nul_gets_into_the_metadata() -> None:
    metadata, _ = unchunked(prelude(200, [(b"x-nul", b"a\0b\xff")]))
    assert b"\0" not in metadata
    assert json.loads(metadata)["headers"]["x-nul"] == "a\0b\xff"


def test_the_delimiter_is_found_wherever_the_chunks_end() -> None:
    metadata, delimiter = unchunked(prelude(200, [(b"x-a", b"b"), (b"set-cookie", b"c=d")]))
    # A body that begins with the same bytes is still all body.
    data = metadata + delimiter + b"\0\0body"
    for cut_at in range(len(data) + 1):
        assert read(data, cut_at=cut_at) == (Head(200, [("x-a", "b"), ("set-cookie", "c=d")]), b"\0\0body")


def test_byte_by_byte() -> None:
    metadata, delimiter = unchunked(prelude(200, []))
    reader = PreludeReader()
    *before, last = [reader.feed(bytes([byte])) for byte in metadata + delimiter]
    assert set(before) == {None}
    assert last == (Head(200, []), b"")


@given(st.integers(100, 599), st.dictionaries(NAMES, VALUES), st.binary(max_size=40), st.data())
def test_what_is_written_is_what_is_read(
    status: int, headers: dict[str, str], body: bytes, data: st.DataObject
) -> None:
    written = b"".join(
        unchunked(prelude(status, [(name.encode(), value.encode()) for name, value in headers.items()]) + chunk(body))
    )
    cut_at = data.draw(st.integers(0, len(written)))
    assert read(written, cut_at=cut_at) == (Head(status, list(headers.items())), body)


@pytest.mark.parametrize(
    "data",
    [
        b"no json" + DELIMITER,
        b"[]" + DELIMITER,
        b'{"statusCode": "200"}' + DELIMITER,
        b'{"statusCode": 200, "body": ""}' + DELIMITER,
        b'{"statusCode": 200, "headers": {"content-length": "1"}}' + DELIMITER,
        b'{"statusCode": 200, "headers": {"x": 1}}' + DELIMITER,
        b'{"statusCode": \0 200}' + DELIMITER,
        b" " * 20_000,
    ],
)
def test_the_front_is_strict(data: bytes) -> None:
    with pytest.raises(Violation):
        PreludeReader().feed(data)


def test_a_failure_is_in_the_trailers_in_base64() -> None:
    failure = Failure("ValueError", "two\nlines", ["app.py:1 in f"])
    framed = trailers(failure)

    first, kind, body, *rest = framed.split(b"\r\n")
    assert (first, rest) == (b"0", [b"", b""])
    assert kind == b"Lambda-Runtime-Function-Error-Type: ValueError"
    encoded = body.removeprefix(b"Lambda-Runtime-Function-Error-Body: ")
    assert json.loads(base64.b64decode(encoded, validate=True)) == {
        "errorType": "ValueError",
        "errorMessage": "two\nlines",
        "stackTrace": ["app.py:1 in f"],
    }
    # As a server that reads headers has them.
    fields = dict(line.decode().split(": ") for line in (kind, body))
    found = read_trailers({name.lower(): value for name, value in fields.items()})
    assert (found["errorType"], found["header"]) == ("ValueError", "ValueError")


def test_the_end_is_an_empty_chunk_without_trailers() -> None:
    assert END == b"0\r\n\r\n"
    assert read_trailers({}) is None


def test_an_errors_text_is_not_told() -> None:
    try:
        raise ValueError("the prompt")
    except ValueError as error:
        failure = failure_of(error)
    assert b"the prompt" not in failure.to_json()
    assert failure.type == "ValueError"
    [place] = failure.places
    assert place.startswith(__file__)


def test_a_deep_stack_fits_into_a_trailer() -> None:
    def fall(depth: int) -> None:
        if depth:
            fall(depth - 1)
        raise KeyError

    with pytest.raises(KeyError) as caught:
        fall(500)
    assert len(trailers(failure_of(caught.value))) < 8_000
