"""An ASGI app that does what its path says: what a host has to cope with, one thing a path.

A `gate` in the query is a named pipe: whoever waits at it goes on once the test has written to it.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

SECRET = "the text of a prompt"
started = 0


class App:
    def __init__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        self.scope, self.receive, self._send = scope, receive, send
        self.query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}

    async def start(self, status: int = 200, kind: str = "text/plain", *more: tuple[bytes, bytes]) -> None:
        headers = [(b"content-type", kind.encode()), *more]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, body: bytes = b"", *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def end(self, body: bytes = b"") -> None:
        await self.send(body, more=False)

    async def wait_at_gate(self) -> None:
        await asyncio.to_thread(Path(self.query["gate"]).read_bytes)

    async def echo(self) -> None:
        request = await self.receive()
        context = self.scope["aws.context"]
        facts = {
            "method": self.scope["method"],
            "path": self.scope["path"],
            "query": self.scope["query_string"].decode(),
            "headers": [[name.decode(), value.decode()] for name, value in self.scope["headers"]],
            "body": request["body"].decode(),
            "more_body": request["more_body"],
            "started": started,
            "request_id": context.aws_request_id,
            "left_ms": context.get_remaining_time_in_millis(),
            "function": [context.function_name, context.function_version, context.memory_limit_in_mb],
            "arn": context.invoked_function_arn,
            "traces": [context.trace_id, os.environ.get("_X_AMZN_TRACE_ID")],
        }
        await self.start(201, "application/json", (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
        await self.end(json.dumps(facts).encode())

    async def mirror(self) -> None:
        body = (await self.receive())["body"]
        await self.start(200, "audio/pcm")
        await self.send(body[:100])
        await self.end(body[100:])

    async def size(self) -> None:
        await self.start()
        await self.end(str(len((await self.receive())["body"])).encode())

    async def gated(self) -> None:
        await self.start()
        await self.send(b"first")
        await self.wait_at_gate()
        await self.end(b"second")

    async def after(self) -> None:
        await self.start()
        await self.end(b"all")
        await self.wait_at_gate()
        print("after the response")

    async def disconnected(self) -> None:
        await self.receive()
        watching = asyncio.create_task(self.receive())  # type: ignore[arg-type]
        await self.start()
        await self.send(b"still there: ")
        await self.end(str(not watching.done()).encode())
        print((await watching)["type"])

    async def empty(self) -> None:
        await self.start(204)
        await self.end()

    async def holes(self) -> None:
        await self.start()
        for body in (b"", b"a", b"", b"\0" * 9, b"", b"b"):
            await self.send(body)
        await self.end()

    async def many_headers(self) -> None:
        await self.start(200, "text/plain", *((b"x-%d" % number, b"x" * 1000) for number in range(20)))
        await self.end(b"all")

    async def large(self) -> None:
        await self.start()
        for _ in range(int(self.query["mb"])):
            await self.send(bytes(1024 * 1024))
        await self.end()

    async def fails(self) -> None:
        raise ValueError(SECRET)

    async def fails_with_head(self) -> None:
        await self.start()
        await self.fails()

    async def fails_late(self) -> None:
        await self.start(200, self.query.get("kind", "text/plain"))
        await self.send(b"some")
        await self.fails()

    async def fails_at_last(self) -> None:
        await self.start()
        await self.end(b"all")
        await self.fails()

    async def stops(self) -> None:
        pass

    async def stops_half_way(self) -> None:
        await self.start()
        await self.send(b"some")

    async def starts_twice(self) -> None:
        await self.start()
        await self.start()

    async def cancels(self) -> None:
        raise asyncio.CancelledError

    async def never_ends(self) -> None:
        await self.start()
        await self.send(b"some")
        try:
            await asyncio.Event().wait()
        finally:
            # As what was used is reported, whatever ends the call.
            await asyncio.sleep(0)
            print("cleaned up")

    async def blocks(self) -> None:
        await self.start()
        await self.send(b"some")
        Path(self.query["gate"]).read_bytes()  # noqa: ASYNC240

    async def exits(self) -> None:
        if "late" in self.query:
            await self.start()
            await self.send(b"some")
            await self.wait_at_gate()
        os._exit(3)

    async def strays(self) -> None:
        async def fail() -> None:
            raise ValueError(SECRET)

        stray = asyncio.create_task(fail())
        await asyncio.sleep(0)
        del stray
        logging.getLogger("toy").warning("a warning")
        logging.getLogger("toy").info("an information")
        await self.start()
        await self.end()


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    global started
    started += 1
    name = scope["path"].strip("/").replace("-", "_")
    await getattr(App(scope, receive, send), name)()
