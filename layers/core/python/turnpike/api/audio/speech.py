"""From the body of `POST /audio/speech` to the canonical request, and the sound back as it comes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from turnpike.api.audio.schema import MOST_CHARACTERS, SpeechBody
from turnpike.api.auth import Guard
from turnpike.api.edge import BrokenOff, error_response, read_json
from turnpike.api.errors import present_error_body
from turnpike.api.inference.endpoint import Expand, origin_from
from turnpike.api.inference.operation import common_members, parse_operation
from turnpike.api.validation import parse
from turnpike.domain.errors import InvalidRequest, TurnpikeError
from turnpike.domain.speech import MEDIA_TYPES, SpeechRequest, Turn
from turnpike.services.run_speech import RunSpeech


def parse_speech_request(content: Mapping[str, Any], headers: Headers) -> SpeechRequest:
    """Raises InvalidRequest naming the field."""
    body = parse(SpeechBody, content)
    if body.input_references:
        raise InvalidRequest("voices cannot be cloned here; leave it out, and name a voice", field="input_references")
    if body.stream_format == "sse":
        raise InvalidRequest("the sound is streamed as bytes; leave it out", field="stream_format")
    voice = body.voice if isinstance(body.voice, str) or body.voice is None else body.voice.id
    given = [Turn(body.input)] if isinstance(body.input, str) else [_turn(each) for each in body.input]
    turns = tuple(
        Turn(turn.text, turn.voice or voice, turn.instructions or body.instructions or None) for turn in given
    )
    if sum(len(turn.text) for turn in turns) > MOST_CHARACTERS:
        raise InvalidRequest(f"the turns have more than {MOST_CHARACTERS:,} characters together", field="input")
    parameters: dict[str, Any] = {"speed": body.speed} if body.speed not in (None, 1.0) else {}
    if any(turn.instructions for turn in turns):
        parameters["instructions"] = True
    return SpeechRequest(
        **common_members(body, headers), turns=turns, format=body.response_format or "pcm", parameters=parameters
    )


def _turn(body: Any) -> Turn:
    return Turn(body.text, body.voice, body.instructions)


@dataclass(frozen=True, slots=True)
class SpeechEndpoint:
    """An ASGI endpoint, for the same reasons as `InferenceEndpoint`."""

    guard: Guard
    run: RunSpeech
    expand: Expand | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arrived_at = time.monotonic()
        headers = Headers(scope=scope)
        principal = await self.guard.inference(headers)
        content = await read_json(Request(scope, receive))
        request = await parse_operation(parse_speech_request, content, headers, principal, self.expand)
        call = await self.run(principal, request, origin_from(scope, headers, arrived_at))
        started = False

        async def emit(sound: bytes) -> None:
            nonlocal started
            if not started:
                # Not before: until then another provider may be asked, or an error told with its status.
                started = True
                told = [(b"content-type", MEDIA_TYPES[request.format].encode()), (b"x-generation-id", call.id.encode())]
                await send({"type": "http.response.start", "status": 200, "headers": told})
            await send({"type": "http.response.body", "body": sound, "more_body": True})

        try:
            await call.stream(emit)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TurnpikeError as error:
            if started:
                # There is no place for an error in sound: who plays it has to see that it is not whole.
                raise BrokenOff from None
            told = {"x-generation-id": call.id}
            await error_response(error, present_error_body(error, call.id), told)(scope, receive, send)
        finally:
            await call.report()
