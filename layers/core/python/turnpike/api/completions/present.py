"""Answers in the shape of OpenAI's text completions, with usage and cost as chat completions have them."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from turnpike.api.chat.present import DONE, present_usage
from turnpike.api.completions.choice import TextChoice
from turnpike.api.errors import present_error
from turnpike.api.inference.metadata import present_metadata, wants_metadata
from turnpike.api.inference.skin import Asked, Call
from turnpike.domain.chat import Completion, Delta
from turnpike.domain.errors import TurnpikeError
from turnpike.services.complete_chat import ChatCall

Json = dict[str, Any]

KEEPALIVE = b": OPENROUTER PROCESSING\n\n"


def present_envelope(call: Call) -> Json:
    """What whole answers and chunks share."""
    return {
        "id": call.id,
        "object": "text_completion",
        "created": call.created_at_s,
        "model": call.endpoint.model_id,
        "provider": call.provider.name,
    }


def present_event(content: Json) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"


class Chunks:
    """What all chunks of a generation share, serialised once."""

    def __init__(self, envelope: Json) -> None:
        self._prefix = b"data: " + orjson.dumps(envelope)[:-1] + b',"choices":['

    def present(self, pieces: Iterable[Json]) -> bytes:
        return b"".join([self._prefix + orjson.dumps(piece) + b"]}\n\n" for piece in pieces])


class CompletionPresenter:
    """Implements `Presenter` for an answer of one choice."""

    def __init__(self, call: Call, asked: Asked) -> None:
        self._call = call
        self._choice = TextChoice(call, asked)
        self._envelope = present_envelope(call)
        self._chunks = Chunks(self._envelope)
        self._wanted = wants_metadata(asked.headers)

    def present_completion(self, completion: Completion) -> Json:
        return {
            **self._envelope,
            "system_fingerprint": completion.system_fingerprint,
            "choices": [self._choice.whole(completion)],
            "usage": present_usage(self._call),
            **self._metadata(),
        }

    def present(self, deltas: Sequence[Delta]) -> bytes:
        return self._chunks.present(self._choice.pieces(deltas))

    def present_break(self, error: TurnpikeError) -> bytes:
        """SDKs raise on its top-level `error`."""
        self._choice.error = error
        return self._last({})

    def present_end(self) -> bytes:
        """As in the chat skin, the last chunk has the usage and repeats how the answer ended."""
        return self._last({"usage": present_usage(self._call)})

    def _last(self, members: Json) -> bytes:
        error = self._choice.error
        broken = {"error": present_error(error)} if error else {}
        choices = {"choices": [self._choice.ending()]}
        return present_event({**self._envelope, **broken, **choices, **members, **self._metadata()}) + DONE

    def _metadata(self) -> Json:
        """Nothing for an answer from the cache, which was not routed."""
        call = self._call
        return {"openrouter_metadata": present_metadata(call)} if self._wanted and isinstance(call, ChatCall) else {}
