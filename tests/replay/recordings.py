"""Real provider traffic, read in place from ../shared/recordings, and our own small cases beside this file.

A case is written from a provider's documentation, in the same form, and names its source.
"""

import base64
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent
_SHARED = _HERE.parents[1].parent / "shared" / "recordings"
_CASES = _HERE / "cases"

_NO_RECORDINGS = pytest.mark.skip(reason="there is no ../shared/recordings beside this repository")

_WIRE_OF_FOLDER = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "bedrock",
    "cohere": "cohere",
    "google": "google",
    "mistral": "mistral",
    "openai-responses": "openai_responses",
    "vertex-anthropic": "vertex_anthropic",
}
"""The wire format of a folder, or of a case's `provider`; the others speak OpenAI's chat completions."""

_WIRE_OF_PATH = {"/responses": "openai_responses", "/invoke": "bedrock_anthropic"}
"""Where the address says more than the folder."""

_RESPONSES = frozenset({"openai_error_1", "parallel_tool_call_wrapper_1"})
"""Recorded without an address, from OpenAI's Responses API."""

NO_CHAT = frozenset({"amazon_bedrock_reranking_1", "cohere_reranking_1", "embeddings_base64"})
"""Answers of other APIs, which no chat adapter reads."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer. `folder` is where the recording lies, which names the provider."""

    name: str
    folder: str
    wire: str
    status: int
    content_type: str
    headers: dict[str, str]
    body: bytes
    request: dict[str, Any] | None

    @property
    def framed(self) -> bool:
        """Whether the body is AWS's event stream."""
        return self.body[:1] == b"\0"

    @property
    def streamed(self) -> bool:
        return self.status == 200 and (self.framed or self.content_type.startswith("text/event-stream"))


def exchanges(*, wire: str | None = None, folder: str | None = None) -> list[Any]:
    """Parameters for a test: every exchange of a wire format, of a folder, or of all that are upstream answers;
    and one that is skipped and says why where there are no recordings.
    """
    found = [
        pytest.param(each, id=each.name)
        for each in _all()
        if wire in (None, each.wire) and (each.folder == folder if folder else each.folder != "openrouter" or wire)
    ]
    return found if _SHARED.is_dir() else [*found, pytest.param(None, id="recordings", marks=_NO_RECORDINGS)]


def find(name: str) -> Exchange:
    """By the name that test ids show; skips the test where there are no recordings."""
    found = [each for each in _all() if each.name == name]
    if not found and not _SHARED.is_dir():
        pytest.skip("there is no ../shared/recordings beside this repository")
    (exchange,) = found
    return exchange


def find_other(folder: str, stem: str) -> Exchange:
    """The one exchange of a recording that is no chat; skips the test where there are no recordings."""
    assert stem in NO_CHAT
    if not _SHARED.is_dir():
        pytest.skip("there is no ../shared/recordings beside this repository")
    [exchange] = _read(_SHARED / folder / f"{stem}.json")
    return exchange


@cache
def _all() -> list[Exchange]:
    paths = [path for path in sorted(_SHARED.glob("*/*.json")) if path.stem not in NO_CHAT]
    return [exchange for path in [*paths, *sorted(_CASES.glob("*.json"))] for exchange in _read(path)]


def _read(path: Path) -> Iterator[Exchange]:
    content = json.loads(path.read_bytes())
    folder = content["provider"] if path.parent == _CASES else path.parent.name
    for index, exchange in enumerate(content["exchanges"]):
        response = exchange["response"]
        wait = response.get("retry_after")
        yield Exchange(
            name=f"{folder}/{path.stem}[{index}]",
            folder=folder,
            wire=_wire(folder, path.stem, exchange),
            status=response["status"],
            content_type=response["content_type"],
            headers={"retry-after": str(wait)} if wait is not None else {},
            body=_body(response),
            request=exchange.get("request"),
        )


def _wire(folder: str, stem: str, exchange: Any) -> str:
    if stem in _RESPONSES:
        return "openai_responses"
    path = str((exchange.get("request") or {}).get("path"))
    by_path = next((wire for part, wire in _WIRE_OF_PATH.items() if part in path), None)
    if folder == "azure" and by_path:
        return "azure_responses"
    return by_path or _WIRE_OF_FOLDER.get(folder, "openai_compatible")


def _body(response: Any) -> bytes:
    if "events" in response:
        return b"".join(frames(response["events"]))
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    body = response["body"]
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def frames(events: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Decoded Converse events, each `{type: content}`, as the frames of AWS's event stream that held them."""
    for event in events:
        ((name, content),) = event.items()
        yield frame({":event-type": name, ":content-type": "application/json", ":message-type": "event"}, content)


def frame(headers: dict[str, str], content: Any) -> bytes:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html draws the layout."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    payload = json.dumps(content).encode()
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))
