"""Asks a batch's requests of the API itself, as they would come over HTTP, and makes results of what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Scope

from turnpike.api.auth import Guard
from turnpike.domain.api_keys import Principal
from turnpike.domain.batches import Batch, BatchRequest, Ending
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import GenerationId, KeyHash
from turnpike.services.ask_chunk import Keep, Reply
from turnpike.services.authenticate import Authenticate
from turnpike.services.batch_lines import complete_body
from turnpike.telemetry import log_failure

FORWARDED = (
    *("http-referer", "x-openrouter-title", "x-title", "x-openrouter-categories", "user-agent"),
    *("x-openrouter-metadata", "x-anthropic-beta", "anthropic-version"),
)
"""Headers of the request that makes a batch which each of its requests has as well."""

_KEY_HASH = "x-turnpike-key-hash"
_ROUTED = "openrouter_metadata"
_BROKEN = {"error": {"message": "Internal Server Error", "metadata": {"error_type": "server"}}}
_NOT_KEPT = {
    "error": {"message": "The answer could not be kept, and is not charged", "metadata": {"error_type": "server"}}
}
_ENDED: Mapping[Ending, str] = {
    "batch_cancelled": "The batch was cancelled before this request began",
    "batch_expired": "The batch's day was over before this request began",
}


class BatchGuard(Guard):
    """Lets in what was let in with its key when the batch was made, as long as the key may still do it.

    The key's secret is nowhere: its hash stands in a header that only this module sets, in scopes that never were HTTP.
    """

    def __init__(self, authenticate: Authenticate) -> None:
        super().__init__(authenticate)
        self._by_hash = authenticate.by_hash

    async def any_key(self, headers: Headers) -> Principal:
        return await self._by_hash(KeyHash(headers[_KEY_HASH]))


@dataclass(frozen=True, slots=True)
class _TimeLeft:
    """What the API asks of Lambda's context."""

    seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass(frozen=True, slots=True)
class AskApp:
    """`app` has a `BatchGuard`. `note_kept` is told of a generation whose answer is kept, before it is reported."""

    app: ASGIApp
    note_kept: Callable[[GenerationId], None]

    async def ask(self, batch: Batch, request: BatchRequest, *, time_left_s: float, keep: Keep) -> Reply:
        body = orjson.dumps(complete_body(batch, request.body))
        answer = _Answer(self, batch, request, keep)
        try:
            await self.app(_scope(batch, body, time_left_s), _receiver(body), answer.send)
        except Exception as error:  # Whatever it is: it is logged already, and the answer did not come.
            log_failure("a batch's request broke off", error, batch=batch.id, request=request.number)
        return answer.reply()

    def end(self, batch: Batch, request: BatchRequest, ending: Ending) -> bytes:
        error = {"message": _ENDED[ending], "param": None, "type": ending}
        return _line(batch, request, None, error)


class _Answer:
    """Of one request: what the API sends, and in the end the result."""

    def __init__(self, asker: AskApp, batch: Batch, request: BatchRequest, keep: Keep) -> None:
        self._asker, self._batch, self._request, self._keep = asker, batch, request, keep
        self._status = 500
        self._headers = Headers()
        self._parts: list[bytes] = []
        self._reply: Reply | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], Headers(raw=list(message["headers"]))
            return
        self._parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            await self._end()

    def reply(self) -> Reply:
        if self._reply is None:
            self._reply = Reply(500, self._refusal(500, _BROKEN), is_kept=False)
        return self._reply

    async def _end(self) -> None:
        """Now, and not when the app returns: by then the answer would have been reported."""
        content = orjson.loads(b"".join(self._parts))
        if self._status >= 400:
            retry_after = self._headers.get("retry-after", "")
            wait_s = int(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
            self._reply = Reply(self._status, self._refusal(self._status, content), is_kept=False, retry_after_s=wait_s)
            return
        generation_id = self._headers.get("x-generation-id")
        response = {"status_code": self._status, "request_id": generation_id, "body": content}
        line = _line(self._batch, self._request, response, None)
        try:
            is_kept = await self._keep(line)
        except TemporarilyBusy:
            is_kept = False
        if not is_kept:
            # It is asked again, or found to be there by then.
            self._reply = Reply(503, self._refusal(503, _NOT_KEPT), is_kept=False)
            return
        if generation_id:
            self._asker.note_kept(GenerationId(generation_id))
        self._reply = Reply(self._status, line, is_kept=True)

    def _refusal(self, status: int, content: Mapping[str, Any]) -> bytes:
        """Whatever its skin's form, in the one that results have; what else the skin says of it stays."""
        error = content.get("error") or {}
        # Anthropic's form has it next to the error.
        metadata = error.get("metadata") or content.get("metadata") or {}
        error_type = content.get("error_type") or error.get("error_type") or metadata.get("error_type")
        routed = content.get(_ROUTED)
        refusal = {
            **error,
            "message": error.get("message", ""),
            "param": None,
            "type": error.get("type") or error_type or "server",
            "code": status,
            **({"error_type": error_type} if error_type else {}),
            **({"metadata": metadata} if metadata else {}),
            **({_ROUTED: routed} if routed else {}),
        }
        return _line(self._batch, self._request, None, refusal)


def _line(
    batch: Batch, request: BatchRequest, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
) -> bytes:
    # Of the answer only one is there: typed clients read any response as an answer of the batch's endpoint.
    return orjson.dumps(
        {
            "id": f"{batch.id}-{request.number}",
            "custom_id": request.custom_id,
            "response": response,
            "error": error,
        }
    )


def _scope(batch: Batch, body: bytes, time_left_s: float) -> Scope:
    headers = {
        **batch.headers,
        _KEY_HASH: batch.key_hash,
        "content-type": "application/json",
        "content-length": str(len(body)),
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": batch.endpoint,
        "raw_path": batch.endpoint.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()],
        "aws.context": _TimeLeft(time_left_s),
    }


def _receiver(body: bytes) -> Callable[[], Any]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
