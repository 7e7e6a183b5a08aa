"""Counts a process's AWS calls, and tells them over HTTP beside the app that makes them."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from typing import Any

import orjson
from botocore.client import BaseClient
from starlette.types import ASGIApp, Receive, Scope, Send

CALLS_PATH = "/bench/calls"
_BEGAN = "bench_began"
_REMEMBERED_CALLS = 2_000


class CountedCalls:
    """The AWS calls of this process, from botocore's own events. It costs some microseconds a call."""

    def __init__(self, *clients: BaseClient) -> None:
        self._sent: Counter[str] = Counter()
        self._took_ms: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_REMEMBERED_CALLS))
        for client in clients:
            client.meta.events.register("provide-client-params", self._begin)
            client.meta.events.register("before-send", self._send)
            client.meta.events.register("after-call", self._end)

    def report(self) -> Mapping[str, Any]:
        """`sent` counts every try of every call so far; `took_ms` is how long each one took since the last report."""
        took_ms = {operation: list(samples) for operation, samples in self._took_ms.items()}
        self._took_ms.clear()
        return {"sent": self._sent, "took_ms": took_ms}

    def _begin(self, context: dict[str, Any], **_: Any) -> None:
        context[_BEGAN] = time.perf_counter()

    def _send(self, event_name: str, **_: Any) -> None:
        self._sent[event_name.removeprefix("before-send.")] += 1

    def _end(self, event_name: str, context: Mapping[str, Any], **_: Any) -> None:
        operation = event_name.removeprefix("after-call.")
        self._took_ms[operation].append((time.perf_counter() - context[_BEGAN]) * 1000)


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
