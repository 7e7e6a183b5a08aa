"""What the server needs of a wire format, and the framing that most of them share."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tests.simulator.asked import Asked
from tests.simulator.http import Reply, Request
from tests.simulator.said import Said
from tests.simulator.trouble import Trouble

EVENTS = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Target:
    """What an address says: the model and whether to stream, unless the body has them."""

    model: str | None = None
    stream: bool | None = None
    api: str = ""
    """Which of the APIs, where a wire format has several."""
    operation: str = ""
    """Of `tests.simulator.operations`; empty for a chat."""


class Wire(Protocol):
    content_type: str
    """Of a stream."""
    call_id: str
    """The form of a tool call's id, with `{number}` in it."""

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        """None for an address of another wire format."""

    def check(self, request: Request, target: Target, key: str) -> Asked:
        """Raises Trouble, and LookupError, TypeError or AttributeError where a member is not of its type."""

    def whole(self, said: Said, asked: Asked) -> bytes: ...

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]: ...

    def refusal(self, trouble: Trouble) -> Reply: ...

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        """The error as it comes in the middle of a stream."""


def dump(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def data_event(content: Any) -> bytes:
    return b"data: " + dump(content) + b"\n\n"


def named_event(content: Mapping[str, Any]) -> bytes:
    """With the `type` of the content for the event's name."""
    return b"event: %b\ndata: %b\n\n" % (str(content["type"]).encode(), dump(content))
