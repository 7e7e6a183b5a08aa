"""A model provider on loopback that needs no account and has no model: OpenAI's wire format over real HTTP.

`python -m infra.local.demo_provider --port 9000` runs it alone; `Behaviour` lists what a model id can ask.
"""

import argparse
import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import uvicorn

from infra.local.demo_answer import Answer, build_answer
from infra.local.demo_audio import SPEECH, TRANSCRIPTION, present_speech, present_transcript, read_form
from infra.local.demo_behaviour import EMBEDDING, IMAGE, MODEL, Behaviour, parse_behaviour
from infra.local.demo_embeddings import present_embeddings
from infra.local.demo_images import present_image_events, present_images
from infra.local.demo_wire import DONE, present_chunks, present_completion, present_error, present_models

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
_HTML = (b"content-type", b"text/html")
_JUNK = b"<html><body>This is not JSON.</body></html>"
CUSTOMERS = b"demo-byok-"
"""What keys of customers with an account of their own at this provider begin with; any such key has one."""
_FAILURE = "The demo provider was told to fail."


@dataclass(slots=True)
class DemoProvider:
    """The ASGI app. Requests must bear `api_key`, or a customer's; counts are at `/stats`, which asks for no key."""

    api_key: str
    customers: Counter[str] = field(default_factory=Counter)
    """Requests by customers' keys."""
    requests: Counter[str] = field(default_factory=Counter)
    """Chat requests by upstream model id, failed ones included."""
    hang_ups: Counter[str] = field(default_factory=Counter)
    """Of these, the ones whose client left before the answer was complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        match scope["method"], scope["path"]:
            case "GET", "/stats":
                stats = {"requests": self.requests, "hang_ups": self.hang_ups, "customers": self.customers}
                await _respond(send, 200, orjson.dumps(stats))
            case _ if not self._is_authorized(scope):
                await _respond(send, 401, present_error(401, "Incorrect API key provided."))
            case "GET", "/v1/models":
                await _respond(send, 200, present_models([MODEL, EMBEDDING, IMAGE, SPEECH, TRANSCRIPTION]))
            case "POST", "/v1/chat/completions":
                await self._chat(await _read(receive), receive, send)
            case "POST", "/v1/embeddings":
                await self._embed(await _read(receive), send)
            case "POST", "/v1/audio/speech":
                await self._speak(await _read(receive), send)
            case "POST", "/v1/audio/transcriptions":
                await self._transcribe(_content_type(scope), await _read(receive), send)
            case "POST", "/v1/images/generations":
                await self._draw(await _read(receive), send)
            case _:
                await _respond(send, 404, present_error(404, "There is no such path."))

    def _is_authorized(self, scope: Scope) -> bool:
        keys = [value.removeprefix(b"Bearer ") for name, value in scope["headers"] if name == b"authorization"]
        customer = next((key.decode() for key in keys if key.startswith(CUSTOMERS)), None)
        if customer is not None:
            self.customers[customer] += 1
        return customer is not None or self.api_key.encode() in keys

    async def _chat(self, raw: bytes, receive: Receive, send: Send) -> None:
        try:
            body = orjson.loads(raw)
            model, _ = body["model"], body["messages"][-1]["role"]
        except (ValueError, LookupError, TypeError):
            await _respond(send, 400, present_error(400, "`model` and a list of `messages` are required."))
            return
        behaviour = parse_behaviour(str(model))
        if behaviour is None:
            await _respond(send, 404, present_error(404, f"The model `{model}` does not exist."))
            return
        self.requests[model] += 1
        exchange = _Exchange(body, model, f"chatcmpl-demo-{self.requests.total()}", receive, send)
        if behaviour.flaky and self.requests[model] % behaviour.flaky == 0:
            behaviour = replace(behaviour, status=503)
        if not await exchange.behave(behaviour):
            self.hang_ups[model] += 1

    async def _embed(self, raw: bytes, send: Send) -> None:
        try:
            body = orjson.loads(raw)
            if await self._behave(str(body["model"]), EMBEDDING, send) is None:
                return
            answer = present_embeddings(body)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
            await _respond(send, 400, present_error(400, "`model` and an `input` of texts or tokens are required."))
            return
        await _respond(send, 200, answer)

    async def _speak(self, raw: bytes, send: Send) -> None:
        try:
            body = orjson.loads(raw)
            behaviour = await self._behave(str(body["model"]), SPEECH, send)
            if behaviour is None:
                return
            spoken = present_speech(body)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError, ZeroDivisionError):
            message = "`model`, an `input` of text and a `response_format` of pcm or wav are required."
            await _respond(send, 400, present_error(400, message))
            return
        await _start(send, 200, (b"content-type", spoken.media_type.encode()))
        pieces = [] if behaviour.empty else spoken.pieces
        for piece in pieces:
            await _write(send, piece)
            await asyncio.sleep(behaviour.chunk_ms / 1000)
        await _write(send, b"", more=False)

    async def _transcribe(self, content_type: str, raw: bytes, send: Send) -> None:
        try:
            fields = read_form(content_type, raw)
            if await self._behave(fields["model"], TRANSCRIPTION, send) is None:
                return
            answer = present_transcript(fields)
        except (AttributeError, LookupError, TypeError, ValueError):
            message = "A form with `model`, a `file` and a `response_format` of json or verbose_json is required."
            await _respond(send, 400, present_error(400, message))
            return
        await _respond(send, 200, answer)

    async def _draw(self, raw: bytes, send: Send) -> None:
        try:
            body = orjson.loads(raw)
            behaviour = await self._behave(str(body["model"]), IMAGE, send)
            if behaviour is None:
                return
            if not body.get("stream"):
                await _respond(send, 200, present_images(body))
                return
            events = present_image_events(body)
        except (AttributeError, LookupError, TypeError, ValueError):
            await _respond(send, 400, present_error(400, "A `prompt` and a `size` such as 512x512 are required."))
            return
        await _start(send, 200, _EVENTS)
        for event in events:
            await asyncio.sleep(behaviour.chunk_ms / 1000)
            await _write(send, event)
        await _write(send, b"", more=False)

    async def _behave(self, model: str, known: str, send: Send) -> Behaviour | None:
        """Waits and fails as the model's name says; None when that was the answer."""
        name, _, options = model.partition("?")
        behaviour = parse_behaviour(f"{MODEL}?{options}") if name == known else None
        if behaviour is None:
            await _respond(send, 404, present_error(404, f"The model `{name}` cannot do that."))
            return None
        self.requests[model] += 1
        await asyncio.sleep(behaviour.ttft_ms / 1000)
        if behaviour.status != 200:
            await _respond(send, behaviour.status, present_error(behaviour.status, _FAILURE))
            return None
        return behaviour


@dataclass(slots=True)
class _Exchange:
    """One chat request being answered."""

    body: Any
    model: str
    answer_id: str
    receive: Receive
    send: Send
    hang_up: asyncio.Future[Any] | None = None

    async def behave(self, behaviour: Behaviour) -> bool:
        """Whether the client was there to the end."""
        if not await self._pause(behaviour.ttft_ms):
            return False
        if behaviour.hang:
            await self.receive()
            return False
        if behaviour.status != 200:
            await self._fail(behaviour.status, behaviour.retry_after)
            return True
        if behaviour.junk:
            await _respond(self.send, 200, _JUNK, _HTML)
            return True
        try:
            answer = build_answer(
                self.body,
                reasoning=bool(behaviour.reasoning),
                chunks=None if behaviour.chunks < 0 else behaviour.chunks,
                empty=bool(behaviour.empty),
            )
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # Tools and formats are taken as they come; a schema that is none shows only now.
            await _respond(self.send, 400, present_error(400, "The request cannot be understood."))
            return True
        if behaviour.finish:
            answer = replace(answer, finish_reason=behaviour.finish)
        return await (self._stream if self.body.get("stream") else self._complete)(answer, behaviour)

    async def _complete(self, answer: Answer, behaviour: Behaviour) -> bool:
        if not await self._pause(behaviour.chunk_ms * answer.completion_tokens):
            return False
        if behaviour.error_after >= 0:
            await self._fail(500, behaviour.retry_after)
            return True
        payload = present_completion(answer, self.answer_id, self.model, usage=not behaviour.no_usage)
        if behaviour.cut_after >= 0:
            await _start(self.send, 200, _JSON, (b"content-length", b"%d" % len(payload)))
            await _write(self.send, payload[: len(payload) // 2])
            # Leaving a response unfinished makes the server close its connection.
            return True
        await _respond(self.send, 200, payload)
        return True

    async def _stream(self, answer: Answer, behaviour: Behaviour) -> bool:
        wanted = bool((self.body.get("stream_options") or {}).get("include_usage")) and not behaviour.no_usage
        chunks: Iterable[bytes] = present_chunks(answer, self.answer_id, self.model, usage=wanted)
        stop_after = max(behaviour.error_after, behaviour.cut_after)
        if stop_after >= 0:
            # The first chunk has only the role, which nobody counts.
            chunks = list(chunks)[: stop_after + 1]
        await _start(self.send, 200, _EVENTS)
        if not await self._write_all(chunks, behaviour):
            return False
        if behaviour.cut_after >= 0:
            return True
        failure = b"data: " + present_error(500, _FAILURE) + b"\n\n"
        await _write(self.send, failure if behaviour.error_after >= 0 else DONE, more=False)
        return True

    async def _write_all(self, chunks: Iterable[bytes], behaviour: Behaviour) -> bool:
        if behaviour.together:
            await _write(self.send, b"".join(chunks))
            return True
        if not behaviour.chunk_ms:
            for chunk in chunks:
                await _write(self.send, chunk)
            return True
        # By a timetable rather than by pauses, so that the work between two chunks does not add up.
        due_s = time.monotonic()
        for chunk in chunks:
            if not await self._pause((due_s - time.monotonic()) * 1000):
                return False
            await _write(self.send, chunk)
            due_s += behaviour.chunk_ms / 1000
        return True

    async def _pause(self, pause_ms: float) -> bool:
        """Wait so long, or until the client hangs up; whether it is still there."""
        if pause_ms <= 0:
            return True
        if self.hang_up is None:
            # Once the body is read, the next message can only be the disconnect.
            self.hang_up = asyncio.ensure_future(self.receive())
        await asyncio.wait((self.hang_up,), timeout=pause_ms / 1000)
        return not self.hang_up.done()

    async def _fail(self, status: int, retry_after_s: int) -> None:
        headers = [(b"retry-after", b"%d" % retry_after_s)] if retry_after_s >= 0 else []
        await _respond(self.send, status, present_error(status, _FAILURE), _JSON, *headers)


def _content_type(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"), "")


async def _read(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    await _start(send, status, *(headers or (_JSON,)), (b"content-length", b"%d" % len(body)))
    await _write(send, body, more=False)


async def _start(send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def _write(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api-key", default=os.environ.get("DEMO_API_KEY", "demo"))
    arguments = parser.parse_args()
    app = DemoProvider(arguments.api_key)
    uvicorn.run(app, port=arguments.port, lifespan="off", access_log=False, log_level="critical")


if __name__ == "__main__":
    main()
