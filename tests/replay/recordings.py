"""Real provider traffic, read in place from ../shared/recordings, and our own small cases beside this file.

A case is written from a provider's documentation, in the same form, and names its source.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent
_SHARED = _HERE.parents[1].parent / "shared" / "recordings"
_CASES = _HERE / "cases"

_NO_RECORDINGS = pytest.mark.skip(reason="there is no ../shared/recordings beside this repository")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer. `folder` is where the recording lies, which names its wire format."""

    name: str
    folder: str
    status: int
    content_type: str
    headers: dict[str, str]
    body: bytes
    request: dict[str, Any] | None

    @property
    def streamed(self) -> bool:
        return self.status == 200 and self.content_type.startswith("text/event-stream")


def exchanges(*folders: str, without: frozenset[str] = frozenset()) -> list[Any]:
    """Parameters for a test: every exchange of these folders, or one that is skipped and says why.

    `without` holds the names of files that speak another wire format.
    """
    paths = [path for folder in folders for path in sorted((_SHARED / folder).glob("*.json"))]
    paths += [path for path in sorted(_CASES.glob("*.json")) if _folder(path) in folders]
    found = [pytest.param(each, id=each.name) for path in paths if path.stem not in without for each in _read(path)]
    return found if _SHARED.is_dir() else [*found, pytest.param(None, id="recordings", marks=_NO_RECORDINGS)]


def _folder(path: Path) -> str:
    return path.parent.name if path.parent != _CASES else str(json.loads(path.read_bytes())["provider"])


def _read(path: Path) -> Iterator[Exchange]:
    folder = _folder(path)
    for index, exchange in enumerate(json.loads(path.read_bytes())["exchanges"]):
        response = exchange["response"]
        if "events" in response:
            continue
        body = (
            base64.b64decode(response["body_base64"])
            if "body_base64" in response
            else (response["body"] if isinstance(response["body"], str) else json.dumps(response["body"])).encode()
        )
        wait = response.get("retry_after")
        yield Exchange(
            name=f"{folder}/{path.stem}[{index}]",
            folder=folder,
            status=response["status"],
            content_type=response["content_type"],
            headers={"retry-after": str(wait)} if wait is not None else {},
            body=body,
            request=exchange.get("request"),
        )
