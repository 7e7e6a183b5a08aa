"""Server-sent events out of a byte stream, wherever the network cut it (WHATWG HTML, 9.2.6)."""

from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"
_MAX_EVENT_BYTES = 40 * 1024 * 1024
"""An image comes in one event; the largest, of 4K, take some 30 MB in base64. What is longer is no answer."""


class Event(NamedTuple):
    """`data` stays bytes, since its reader parses JSON, which has to look at every byte anyway."""

    name: str
    data: bytes


class EventTooLarge(ValueError):
    """One event is longer than any answer."""


class SseDecoder:
    """Holds one stream. Events come out as soon as the blank line that ends them is in."""

    __slots__ = ("_after_cr", "_at_start", "_max_bytes", "_open", "_open_bytes")

    def __init__(self, *, max_event_bytes: int = _MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_event_bytes
        # Pieces of the event that is not complete yet; joined once, when it is.
        self._open: list[bytes] = []
        self._open_bytes = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> list[Event]:
        """Raises EventTooLarge."""
        if self._at_start:
            data = self._without_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._with_line_feeds(data)
        if self._open:
            if b"\n\n" not in data and not (data[:1] == b"\n" and self._open[-1][-1:] == b"\n"):
                self._keep(data)
                return []
            self._open.append(data)
            data = b"".join(self._open)
        blocks = data.split(b"\n\n")
        self._open, self._open_bytes = [], 0
        self._keep(blocks.pop())
        events: list[Event] = []
        for block in blocks:
            # The form of nearly every event of every provider.
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(Event("message", block[6:]))
            elif (event := _parse(block)) is not None:
                events.append(event)
        return events

    def finish(self) -> list[Event]:
        """The stream ended. An event without its blank line is given out too: some servers forget it."""
        rest = b"".join(self._open)
        self._open, self._open_bytes = [], 0
        event = None if self._at_start else _parse(rest)
        return [] if event is None else [event]

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._open.append(data)
        self._open_bytes += len(data)
        if self._open_bytes > self._max_bytes:
            raise EventTooLarge(f"an event is longer than {self._max_bytes} bytes")

    def _without_bom(self, data: bytes) -> bytes:
        """Empty until it is known whether the stream begins with a byte order mark."""
        data = b"".join((*self._open, data))
        self._open = []
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._open = [data] if data else []
            return b""
        self._at_start = False
        return data.removeprefix(_BOM)

    def _with_line_feeds(self, data: bytes) -> bytes:
        """Every line ending as one line feed; the second half of a CR LF may come with the next piece."""
        if not data:
            return data
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
            if not data:
                return data
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _parse(block: bytes) -> Event | None:
    """One event from its lines; None for comments, and for lines that say nothing."""
    name = "message"
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace") or "message"
    return Event(name, b"\n".join(data)) if data else None
