"""An execution environment: a process of the function, and the Runtime API that it asks for work."""

import asyncio
import itertools
import json
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.runtime_api.answers import (
    ERROR_TYPE,
    Head,
    PreludeReader,
    Violation,
    check_streamed,
    read_error,
    read_trailers,
    require,
)
from tests.runtime_api.wire import Request, WireError, read_request

HOST = "127.0.0.1"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:under-test"
_RUNTIME = "/2018-06-01/runtime"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Function:
    """What a deployment says of a function. `layers` is the folder into which Lambda merges them: its /opt."""

    folder: Path
    layers: Path
    log: Path
    bytecode: Path
    handler: str = "handler.handler"
    wrapper: str = "bootstrap-stream"
    timeout_s: float = 30.0
    at_once: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)

    def environ(self, port: int) -> dict[str, str]:
        """As documented at https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "_HANDLER": self.handler,
            "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{port}",
            "AWS_LAMBDA_EXEC_WRAPPER": str(self.layers / self.wrapper),
            "AWS_LAMBDA_FUNCTION_NAME": "under-test",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/under-test",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[$LATEST]0123456789abcdef",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "LAMBDA_TASK_ROOT": str(self.folder),
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            # Not Lambda's: the layers are to stay as they were built.
            "PYTHONPYCACHEPREFIX": str(self.bytecode),
            **({"AWS_LAMBDA_MAX_CONCURRENCY": str(self.at_once)} if self.at_once > 1 else {}),
            **self.variables,
        }


class Invocation:
    """One invocation: what goes in, what comes out, and in which order things happened."""

    def __init__(self, event: bytes, timeout_s: float) -> None:
        number = next(_numbers)
        self.id = f"8476a536-e9f4-11e8-9739-{number:012x}"
        self.invocation_id = f"invocation-{number}"
        self.trace_id = f"Root=1-5bef4de7-{number:024x};Parent=9a9197af755a6419;Sampled=1"
        self.event = event
        self.deadline_s = time.time() + timeout_s
        self.told_deadline_ms = int(self.deadline_s * 1000)
        self.parts: asyncio.Queue[Head | bytes | str] = asyncio.Queue()
        """A head, data, and how it ended: `ended`, `failed`, `crashed` or `timed out`. Only data for no request."""
        self.steps: list[str] = []
        """Each of `taken`, `head`, and how it ended, in the order in which they happened; `idle` when it was over."""
        self.error: Any = None
        self.environment = 0
        self.done = asyncio.Event()

    @property
    def answered(self) -> bool:
        return bool({"ended", "failed", "crashed", "timed out"} & set(self.steps))

    def finish(self, how: str) -> None:
        if not self.answered:
            self.steps.append(how)
            self.parts.put_nowait(how)

    def idle(self) -> None:
        self.steps.append("idle")
        self.done.set()


class Environment:
    def __init__(self, number: int, function: Function, violations: list[str]) -> None:
        self.number = number
        self.process: Process | None = None
        self.init_error: Any = None
        self.asked = asyncio.Event()
        """Set once the process has asked for its first invocation, or is gone."""
        self.steps: list[str] = []
        """What was asked for outside of invocations, SnapStart's calls among it."""
        self._function, self._violations = function, violations
        self._waiting: asyncio.Queue[Invocation | None] = asyncio.Queue()
        self._running: dict[str, Invocation] = {}

    @property
    def has_room(self) -> bool:
        return self.process is not None and len(self._running) < self._function.at_once

    async def start(self) -> None:
        server = await asyncio.start_server(self._serve, HOST, 0, limit=2**20)
        port = server.sockets[0].getsockname()[1]
        environ = self._function.environ(port)
        # The interpreter alone: what the tests themselves use must not be found.
        python = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
        with self._function.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(environ["AWS_LAMBDA_EXEC_WRAPPER"], python, "/var/runtime/bootstrap.py"),
                cwd=self._function.folder,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._watching = asyncio.create_task(self._watch(self.process, server))

    async def end(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
        await self._watching

    def invoke(self, invocation: Invocation) -> None:
        invocation.environment = self.number
        self._running[invocation.id] = invocation
        self._waiting.put_nowait(invocation)
        left_s = invocation.deadline_s - time.time()
        asyncio.get_running_loop().call_later(left_s, self._time_out, invocation)

    def _time_out(self, invocation: Invocation) -> None:
        if invocation.id in self._running and self.process is not None:
            invocation.finish("timed out")
            self.process.kill()

    async def _watch(self, process: Process, server: asyncio.Server) -> None:
        await process.wait()
        self.process = None
        server.close()
        self.asked.set()
        for _ in range(self._function.at_once):
            self._waiting.put_nowait(None)
        for invocation in self._running.values():
            invocation.finish("crashed")
            invocation.idle()
        self._running.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
            if request is not None:
                status, headers, body = await self._answer(request)
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                head = f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (Violation, ValueError) as breach:
            self._violations.append(str(breach))
            for invocation in self._running.values():
                invocation.finish("failed")
            writer.write(b"HTTP/1.1 400 -\r\nContent-Length: 0\r\n\r\n")
        except WireError as error:
            # Nobody can blame a process that was killed for breaking off.
            await asyncio.wait({self._watching}, timeout=1)
            if self.process is not None:
                self._violations.append(str(error))
        except ConnectionError:
            pass  # As above, only that we were writing.
        finally:
            writer.close()

    async def _answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        match [request.method, *request.target.removeprefix(_RUNTIME).split("/")[1:]]:
            case "GET", "invocation", "next":
                return await self._next()
            case "POST", "invocation", request_id, "response":
                await self._take_response(request, self._find(request, request_id))
            case "POST", "invocation", request_id, "error":
                invocation = self._find(request, request_id)
                invocation.error = read_error(request.get(ERROR_TYPE), await request.body())
                invocation.finish("failed")
            case "POST", "init", "error":
                self.init_error = read_error(request.get(ERROR_TYPE), await request.body())
            case "GET", "restore", "next":
                self.steps.append("restored")
                return 200, {}, b""
            case "POST", "restore", "error":
                self.init_error = read_error(request.get(ERROR_TYPE), await request.body())
                self.steps.append("not restored")
            case _:
                raise Violation(f"{request.method} {request.target} does not exist")
        return 202, {"Content-Type": "application/json"}, b'{"status":"OK"}\n'

    async def _next(self) -> tuple[int, dict[str, str], bytes]:
        if self._function.at_once == 1:
            for invocation in list(self._running.values()):
                if "taken" in invocation.steps:
                    require(invocation.answered, "the next invocation was asked for before this one was answered")
                    del self._running[invocation.id]
                    invocation.idle()
        self.asked.set()
        invocation = await self._waiting.get()
        if invocation is None:
            raise ConnectionError("the process has ended")
        invocation.steps.append("taken")
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Invocation-Id": invocation.invocation_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.told_deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Lambda-Runtime-Trace-Id": invocation.trace_id,
        }
        return 200, headers, invocation.event

    def _find(self, request: Request, request_id: str) -> Invocation:
        invocation = self._running.get(request_id)
        require(invocation is not None, f"an answer to {request_id}, which is not running")
        assert invocation is not None
        require("head" not in invocation.steps and not invocation.answered, "a second answer")
        require(time.time() < invocation.deadline_s, "an answer after the deadline")
        echoed = request.get("lambda-runtime-invocation-id")
        require(echoed == invocation.invocation_id, f"Lambda-Runtime-Invocation-Id is {echoed}")
        return invocation

    async def _take_response(self, request: Request, invocation: Invocation) -> None:
        if request.get("lambda-runtime-function-response-mode") is None:
            content = await request.body()
            json.loads(content)
            invocation.parts.put_nowait(content)
        else:
            check_streamed(request)
            await self._take_stream(request, invocation)
            invocation.error = read_trailers(request.trailers)
        invocation.finish("failed" if invocation.error else "ended")
        if self._function.at_once > 1:
            # Whose worker asks next cannot be told.
            del self._running[invocation.id]
            invocation.idle()

    async def _take_stream(self, request: Request, invocation: Invocation) -> None:
        prelude = PreludeReader()
        async for part in request.parts():
            if "head" not in invocation.steps:
                found = prelude.feed(part)
                if found is None:
                    continue
                head, part = found
                invocation.steps.append("head")
                invocation.parts.put_nowait(head)
            if part:
                invocation.parts.put_nowait(part)
        require("head" in invocation.steps, "a response without metadata and delimiter")
