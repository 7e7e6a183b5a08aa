"""Answers of HTTP/1.1, read from a socket."""

import re
import socket

from turnpike.storage.aws_json.answers import Answer

_AT_ONCE_BYTES = 64 * 1024
_MOST_HEAD_BYTES = 64 * 1024
_MOST_BODY_BYTES = 32 * 1024 * 1024
"""DynamoDB answers with 16 MB at most."""
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?")
_NO_BODY = frozenset({204, 304})


class Closed(Exception):
    """The connection ended before the answer did."""


class Malformed(Exception):
    """What came is no answer. The message holds nothing of it."""


class Incoming:
    """What comes over one connection."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._seen = bytearray()

    def read_answer(self) -> tuple[Answer, bool]:
        """The next one, and whether another may follow. Raises OSError, Closed, Malformed."""
        minor, status, headers = self._read_head()
        while status < 200:  # Says only that it takes longer.
            minor, status, headers = self._read_head()
        stays_open = minor == b"1" and headers.get("connection", "").lower() != "close"
        encoding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if status in _NO_BODY:
            body = b""
        elif encoding is not None:
            if encoding.lower() != "chunked" or length is not None:
                raise Malformed("its length cannot be told")
            body = self._read_chunks()
        elif length is not None:
            body = self._read_exactly(_number(length, 10))
        else:
            body, stays_open = self._read_rest(), False
        # Nobody has asked for more; whatever there is would be taken for the answer to the next call.
        return Answer(status, headers, body), stays_open and not self._seen

    def _read_head(self) -> tuple[bytes, int, dict[str, str]]:
        first, *lines = self._read_until(b"\r\n\r\n").split(b"\r\n")
        found = _STATUS_LINE.fullmatch(first)
        if found is None:
            raise Malformed("it does not begin with a status")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not name or name != name.strip():
                raise Malformed("one of its headers is none")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return found[1], int(found[2]), headers

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            size, _, _ = self._read_until(b"\r\n").partition(b";")
            length = _number(size.decode("latin-1").strip(), 16)
            if len(body) + length > _MOST_BODY_BYTES:
                raise Malformed("it is too long")
            if not length:
                break
            body += self._read_exactly(length)
            if self._read_exactly(2) != b"\r\n":
                raise Malformed("a chunk does not end where it says")
        while self._read_until(b"\r\n"):
            pass  # Trailers, which tell nothing that is needed.
        return bytes(body)

    def _read_until(self, end: bytes) -> bytes:
        """What comes before `end`, which is read as well."""
        looked = 0
        while (at := self._seen.find(end, looked)) < 0:
            if len(self._seen) > _MOST_HEAD_BYTES:
                raise Malformed("its headers are too long")
            looked = max(len(self._seen) - len(end) + 1, 0)
            self._receive()
        found = bytes(self._seen[:at])
        del self._seen[: at + len(end)]
        return found

    def _read_exactly(self, length: int) -> bytes:
        if length > _MOST_BODY_BYTES:
            raise Malformed("it is too long")
        while len(self._seen) < length:
            self._receive()
        found = bytes(self._seen[:length])
        del self._seen[:length]
        return found

    def _read_rest(self) -> bytes:
        try:
            while len(self._seen) <= _MOST_BODY_BYTES:
                self._receive()
        except Closed:
            found = bytes(self._seen)
            self._seen.clear()
            return found
        raise Malformed("it is too long")

    def _receive(self) -> None:
        received = self._socket.recv(_AT_ONCE_BYTES)
        if not received:
            raise Closed
        self._seen += received


def _number(text: str, base: int) -> int:
    """int() takes signs, spaces and underscores as well."""
    try:
        if not text.isascii() or not text.isalnum():
            raise ValueError
        return int(text, base)
    except ValueError:
        raise Malformed("its length is no number") from None
