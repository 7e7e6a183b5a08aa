"""What went wrong, in the form in which the Runtime API wants to be told."""

import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_PLACES = 20
"""Of a stack trace, the innermost: trailers and headers have to fit into some kilobytes."""


@dataclass(frozen=True, slots=True)
class Failure:
    type: str
    message: str = ""
    places: Sequence[str] = ()

    def to_json(self) -> bytes:
        content = {"errorType": self.type, "errorMessage": self.message, "stackTrace": list(self.places)}
        return json.dumps(content).encode()


def failure_of(error: BaseException, *, message: str = "") -> Failure:
    """By the error's type and place. Its own text may quote a prompt or a secret, and is left out."""
    return Failure(type(error).__name__, message, places_of(error))


def places_of(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_PLACES:]
    return [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
