"""AWS's event stream, the binary framing of everything that Bedrock streams.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html draws the layout.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson
from botocore.eventstream import EventStreamBuffer, ParserError

from turnpike.providers.sse import Event, EventTooLarge

EXCEPTION = "exception:"
"""Begins the name of an event that is an error; the rest is its type, as in `exception:throttlingException`."""

_SMALLEST_FRAME = 16
_LENGTH_BYTES = 4
_MAX_FRAME_BYTES = 16 * 1024 * 1024
"""An image comes in one frame and takes a few megabytes; what is longer is no answer."""


class EventStreamFraming:
    """Implements `answer.Framing`. An event has its `:event-type` as name, and its payload as data."""

    __slots__ = ("_max_bytes", "_open", "_parser")

    def __init__(self, *, max_frame_bytes: int = _MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_frame_bytes
        self._open = bytearray()
        # Given whole frames only: on its own it would copy all that it holds for each piece that arrives.
        self._parser = EventStreamBuffer()

    def feed(self, data: bytes) -> Iterator[Event]:
        """One at a time, so that what came before a damaged frame counts wherever the network cut.

        Raises EventTooLarge, and ValueError for what is no frame or was damaged on its way.
        """
        self._open += data
        while len(self._open) >= _LENGTH_BYTES:
            (length,) = struct.unpack_from(">I", self._open)
            if length > self._max_bytes:
                raise EventTooLarge(f"a frame is longer than {self._max_bytes} bytes")
            if length < _SMALLEST_FRAME:
                raise ValueError("not a frame")
            if len(self._open) < length:
                return
            frame = bytes(self._open[:length])
            del self._open[:length]
            yield self._parse(frame)

    def finish(self) -> list[Event]:
        """What is left of a frame is no event: its checksum is missing."""
        self._open.clear()
        return []

    def _parse(self, frame: bytes) -> Event:
        try:
            self._parser.add_data(frame)
            message = self._parser.next()
        except (ParserError, LookupError, StopIteration, struct.error) as error:
            raise ValueError(f"not a frame: {error}") from None
        headers = cast(Mapping[str, Any], message.headers)
        kind = headers.get(":message-type")
        if kind == "exception":
            return Event(f"{EXCEPTION}{headers.get(':exception-type', '')}", _as_object(message.payload))
        if kind == "error":
            told = orjson.dumps({"message": str(headers.get(":error-message", ""))})
            return Event(f"{EXCEPTION}{headers.get(':error-code', '')}", told)
        return Event(str(headers.get(":event-type", "")), message.payload)


def _as_object(payload: bytes) -> bytes:
    """An exception counts whatever it says, and even when it says nothing."""
    try:
        content = orjson.loads(payload)
    except orjson.JSONDecodeError:
        content = payload.decode("utf-8", "replace")
    return payload if isinstance(content, dict) else orjson.dumps({"message": content})
