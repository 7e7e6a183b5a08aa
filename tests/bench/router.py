"""The router as the bench measures it: the completions app alone in its process, with its AWS calls counted.

`python -m tests.bench.router --port N` serves what the environment configures.
"""

import argparse
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from botocore.client import BaseClient
from starlette.types import ASGIApp, Receive, Scope, Send

from turnpike.bootstrap.completions import app
from turnpike.bootstrap.resources import resources

from tests.bench.profiling import profiled

CALLS_PATH = "/bench/calls"
_BEGAN = "bench_began"
_REMEMBERED_CALLS = 2_000


class CountedCalls:
    """The AWS calls of this process, from botocore's own events. It costs some microseconds a call."""

    def __init__(self, *clients: BaseClient) -> None:
        self._sent: Counter[str] = Counter()
        self._took_ms: deque[float] = deque(maxlen=_REMEMBERED_CALLS)
        for client in clients:
            client.meta.events.register("provide-client-params", self._begin)
            client.meta.events.register("before-send", self._send)
            client.meta.events.register("after-call", self._end)

    def report(self) -> Mapping[str, Any]:
        """`sent` counts every try of every call; `took_ms` is how long the last ones took with all tries."""
        return {"sent": self._sent, "took_ms": list(self._took_ms)}

    def _begin(self, context: dict[str, Any], **_: Any) -> None:
        context[_BEGAN] = time.perf_counter()

    def _send(self, event_name: str, **_: Any) -> None:
        self._sent[event_name.removeprefix("before-send.")] += 1

    def _end(self, context: Mapping[str, Any], **_: Any) -> None:
        self._took_ms.append((time.perf_counter() - context[_BEGAN]) * 1000)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--profile", type=Path, help="write where the CPU went to this file at the end")
    arguments = parser.parse_args()
    # uvicorn ends with the signal that stopped it, and by default that would end us before the profile is written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    parts = resources()
    observed = Observed(app(), CountedCalls(parts.dynamodb, parts.sqs))
    with ExitStack() as stack:
        if arguments.profile:
            stack.enter_context(profiled(arguments.profile))
        # As the local host serves it (infra/local/serving.py), in one process.
        uvicorn.run(
            observed,
            port=arguments.port,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            access_log=False,
            server_header=False,
            log_level="critical",
        )


if __name__ == "__main__":
    main()
