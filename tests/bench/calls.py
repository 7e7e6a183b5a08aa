"""Counts a process's AWS calls, and tells them over HTTP beside the app that makes them."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from turnpike.storage.aws_json.answers import Answer
from turnpike.storage.aws_json.client import Attempt

CALLS_PATH = "/bench/calls"
_REMEMBERED_CALLS = 2_000


class CountedCalls:
    """The AWS calls of this process, from in front of its clients' tries. It costs some microseconds a call."""

    def __init__(self, *clients: Any) -> None:
        """`clients`: of JSON protocols."""
        self._sent: Counter[str] = Counter()
        self._took_ms: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_REMEMBERED_CALLS))
        for client in clients:
            client.attempt = partial(self._attempt, client.service.name, client.attempt)

    def report(self) -> Mapping[str, Any]:
        """`sent` counts every try of every call so far; `took_ms` is how long each one took since the last report."""
        took_ms = {operation: list(samples) for operation, samples in self._took_ms.items()}
        self._took_ms.clear()
        return {"sent": self._sent, "took_ms": took_ms}

    def _attempt(self, service: str, attempt: Attempt, operation: str, body: bytes) -> Answer:
        name = f"{service}.{operation}"
        self._sent[name] += 1
        began = time.perf_counter()
        answer = attempt(operation, body)
        self._took_ms[name].append((time.perf_counter() - began) * 1000)
        return answer


class Observed:
    """The app, and beside it one path that tells the bench what was counted."""

    def __init__(self, inner: ASGIApp, calls: CountedCalls) -> None:
        self._inner, self._calls = inner, calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != CALLS_PATH:
            await self._inner(scope, receive, send)
            return
        body = orjson.dumps(self._calls.report())
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
