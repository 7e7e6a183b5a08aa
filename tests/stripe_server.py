"""The HTTP side of the fake Stripe: its paths, form bodies, keys, idempotency, and days on which it fails."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from infra.local.serving import HOST, listen, port_of, serving

from tests.fake_stripe import FakeStripe
from tests.stripe_account import Object, StripeFault

Mishap = Literal["refuses", "fails after", "answer lost", "key refused", "overloaded"]
"""What befalls one request: a 500 before anything is done, one after all is done, a connection that breaks when all is
done, a key that is not known any more, or 429."""

_PART = re.compile(r"[^\[\]]+")


@dataclass
class StripeServer:
    """An ASGI app. `mishaps` befall the next requests, one each; None stands for a good day."""

    stripe: FakeStripe
    url: str = ""
    mishaps: deque[Mishap | None] = field(default_factory=deque)
    requests: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    """Method, path and parameters, as they came."""
    _gate: asyncio.Event | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _kept: dict[str, tuple[str, int, bytes]] = field(default_factory=dict)
    _in_use: set[str] = field(default_factory=set)

    def created(self, kind: str) -> int:
        """How many there are of such objects."""
        return sum(each["object"] == kind for each in self.stripe.objects.values())

    def hold(self) -> None:
        """From now on POSTs wait, with their idempotency keys in use, until they are let go."""
        self._gate = asyncio.Event()

    def let_go(self) -> None:
        gate, self._gate = self._gate, None
        assert gate is not None
        assert self._loop is not None
        self._loop.call_soon_threadsafe(gate.set)

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        self._loop = asyncio.get_running_loop()
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        mishap = self.mishaps.popleft() if self.mishaps else None
        text = (body or scope["query_string"]).decode()
        status, content = await self._answer(scope["method"], scope["path"], text, headers, mishap)
        if mishap == "fails after":
            status, content = 500, _error_body(StripeFault(500, "api_error", None, "Something broke"))
        answer_headers = [(b"content-type", b"application/json"), (b"request-id", b"req_fake")]
        if mishap == "answer lost":
            answer_headers.append((b"content-length", b"100000"))
        await send({"type": "http.response.start", "status": status, "headers": answer_headers})
        if mishap == "answer lost":
            # uvicorn closes the connection when an app ends with more announced than sent.
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            return
        await send({"type": "http.response.body", "body": content})

    async def _answer(
        self, method: str, path: str, text: str, headers: Mapping[str, str], mishap: Mishap | None
    ) -> tuple[int, bytes]:
        params = _nested(text)
        self.requests.append((method, path, params))
        try:
            if mishap == "refuses":
                raise StripeFault(500, "api_error", None, "Something broke")
            if mishap == "overloaded":
                raise StripeFault(429, "invalid_request_error", "rate_limit", "Too many requests")
            if mishap == "key refused" or headers.get("authorization") != f"Bearer {self.stripe.secret_key}":
                raise StripeFault(401, "invalid_request_error", None, "Invalid API Key provided: sk_test_********")
            if method == "POST":
                return await self._once(path, text, params, headers.get("idempotency-key", ""))
            return 200, json.dumps(self._read(path, params)).encode()
        except StripeFault as fault:
            return fault.status, _error_body(fault)

    async def _once(self, path: str, text: str, params: Mapping[str, Any], key: str) -> tuple[int, bytes]:
        """What the first request with this key was answered, failures included, as long as it is the same request."""
        assert key, "the library makes one up for every POST"
        if key in self._in_use:
            raise StripeFault(409, "idempotency_error", "idempotency_key_in_use", "Another request is at it")
        if key not in self._kept:
            self._in_use.add(key)
            try:
                if self._gate is not None:
                    await self._gate.wait()
                try:
                    answer = 200, json.dumps(self._write(path, params)).encode()
                except StripeFault as fault:
                    # What fails validation is not kept; a decline is.
                    if fault.status != 402:
                        raise
                    answer = fault.status, _error_body(fault)
                self._kept[key] = (path + text, *answer)
            finally:
                self._in_use.discard(key)
        asked, status, content = self._kept[key]
        if asked != path + text:
            raise StripeFault(400, "idempotency_error", None, "Keys are for requests with the same parameters")
        return status, content

    def _write(self, path: str, params: Mapping[str, Any]) -> Object:
        if path == "/v1/checkout/sessions":
            return self.stripe.create_session(params)
        if path == "/v1/payment_intents":
            return self.stripe.create_payment(params)
        raise StripeFault(404, "invalid_request_error", None, f"Unrecognized request URL (POST: {path})")

    def _read(self, path: str, params: Mapping[str, Any]) -> Object:
        _, _, collection, object_id = path.split("/")
        kinds = {"payment_intents": "payment_intent", "disputes": "dispute"}
        return self.stripe.get(kinds[collection], object_id, list(params.get("expand", {}).values()))


@contextmanager
def serving_stripe(stripe: FakeStripe | None = None) -> Iterator[StripeServer]:
    sock = listen()
    server = StripeServer(stripe or FakeStripe(), f"http://{HOST}:{port_of(sock)}")
    with serving(server, sock):
        yield server


def _nested(text: str) -> dict[str, Any]:
    """`a[b][0]=c` as {"a": {"b": {"0": "c"}}}."""
    params: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        *parents, last = _PART.findall(name)
        level = params
        for parent in parents:
            level = level.setdefault(parent, {})
        level[last] = value
    return params


def _error_body(fault: StripeFault) -> bytes:
    return json.dumps({"error": fault.error}).encode()
