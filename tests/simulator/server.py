"""The simulator: finds the wire format that is spoken, checks the request, and answers or fails as it was told."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.simulator.asked import Asked
from tests.simulator.cases import find_case, reply_of
from tests.simulator.faults import Fault, Named, Plans, parse_model
from tests.simulator.http import MOST_HEAD_BYTES, Connection, Reply, Request, json_reply, read_request
from tests.simulator.operations import OPERATIONS
from tests.simulator.operations.sounds import model_in
from tests.simulator.playing import Player
from tests.simulator.said import say
from tests.simulator.trouble import Trouble, trouble_of
from tests.simulator.wires.anthropic import Anthropic
from tests.simulator.wires.azure import Azure
from tests.simulator.wires.bedrock import Bedrock
from tests.simulator.wires.cohere import Cohere
from tests.simulator.wires.google import Google
from tests.simulator.wires.mistral import Mistral
from tests.simulator.wires.openai_chat import OpenAIChat
from tests.simulator.wires.openai_responses import OpenAIResponses
from tests.simulator.wires.vertex_anthropic import VertexAnthropic
from tests.simulator.wires.wire import Target, Wire

HOST = "127.0.0.1"
KEY = "key-of-the-simulator"
_REMEMBERED = 256

WIRES: Mapping[str, Wire] = {
    "openai_compatible": OpenAIChat(),
    "openai_responses": OpenAIResponses(),
    "anthropic": Anthropic(),
    "google": Google(),
    "bedrock": Bedrock(),
    "azure": Azure(),
    "cohere": Cohere(),
    "mistral": Mistral(),
    "vertex_anthropic": VertexAnthropic(),
}
"""Each also below its own name, as `/mistral/v1/chat/completions`: some addresses belong to several."""


@dataclass(slots=True)
class Simulator:
    """Requests must bear `key`, each in its wire format's own way. What came is at `/simulator/requests`."""

    key: str = KEY
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    plans: Plans = field(default_factory=Plans)
    _count: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        connection = Connection(writer)
        try:
            while connection.open:
                request = await read_request(reader)
                if request is None:
                    break
                await self._answer(request, connection, reader)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            # The last when the simulator stops, which asyncio's own streams would report as a failure.
            pass
        finally:
            await connection.close()

    async def _answer(self, request: Request, connection: Connection, reader: asyncio.StreamReader) -> None:
        if request.path.startswith("/simulator/"):
            reply, error, fault = self._control(request), b"", Fault()
        else:
            reply, error, fault = self._decide(request)

        async def hung_up() -> None:
            # The client has nothing more to say: what comes can only be its end.
            with contextlib.suppress(ConnectionError):
                await reader.read(1)

        await Player(connection, fault, hung_up).play(reply, error)

    def _control(self, request: Request) -> Reply:
        match request.method, request.path:
            case "GET", "/simulator/requests":
                return json_reply(list(self.requests))
            case "DELETE", "/simulator/requests":
                self.requests.clear()
            case "DELETE", "/simulator/faults":
                self.plans.planned.clear()
            case "POST", "/simulator/faults":
                try:
                    self.plans.add(request.body or {})
                except (KeyError, TypeError, ValueError) as error:
                    return json_reply({"error": repr(error)}, 400)
            case _:
                return json_reply({"error": "there is no such address"}, 404)
        return json_reply({})

    def _decide(self, request: Request) -> tuple[Reply, bytes, Fault]:
        """The reply, the error with which its stream may break off, and the fault that it is played with."""
        found = _find_wire(request)
        if found is None:
            return json_reply({"error": f"there is no {request.path} here"}, 404), b"", Fault()
        name, target = found
        wire = WIRES[name]
        model = str(target.model or (request.body or {}).get("model", "") or model_in(request))
        seen = {"wire": name, "method": request.method, "path": request.path, "query": request.query, "model": model}
        self.requests.append({**seen, "headers": request.headers, "body": request.body})
        try:
            if request.method != "POST":
                raise Trouble("invalid", f"{request.method} is not what this address takes.", status=405)
            asked = _check(name, request, target, self.key)
            named = _parse(model)
        except Trouble as trouble:
            self.requests[-1]["refused"] = trouble.message
            return wire.refusal(trouble), b"", Fault()
        fault = self.plans.take(name, request.path, named.model) or named.fault
        reply = asked if isinstance(asked, Reply) else self._reply(name, wire, asked, named)
        if fault.error >= 0 and reply.streamed and isinstance(asked, Asked):
            return reply, wire.error_event(trouble_of(fault.trouble or "server", 0, -1), asked), fault
        if fault.error >= 0 or fault.trouble or fault.status:
            kind = fault.trouble or ("" if fault.status else "server")
            return wire.refusal(trouble_of(kind, fault.status, fault.retry_after)), b"", fault
        return reply, b"", fault

    def _reply(self, name: str, wire: Wire, asked: Asked, named: Named) -> Reply:
        if named.case:
            case = find_case(named.case)
            if case is None:
                return wire.refusal(Trouble("not_found", f"There is no case {named.case}."))
            if case.status == 200 and case.streamed != asked.stream:
                return wire.refusal(Trouble("invalid", f"The case {named.case} is not for stream={asked.stream}."))
            return reply_of(case)
        self._count += 1
        said = say(asked, name, self._count, call_id=wire.call_id)
        if asked.stream:
            return Reply(200, wire.content_type, tuple(wire.events(said, asked)), streamed=True)
        return Reply(200, "application/json", (wire.whole(said, asked),))


def _find_wire(request: Request) -> tuple[str, Target] | None:
    first, _, rest = request.path[1:].partition("/")
    if first in WIRES:
        target = WIRES[first].find(f"/{rest}", request.query)
        return (first, target) if target else None
    targets = ((name, wire.find(request.path, request.query)) for name, wire in WIRES.items())
    return next(((name, target) for name, target in targets if target), None)


def _check(name: str, request: Request, target: Target, key: str) -> Asked | Reply:
    """What a chat asks for, or the answer to what is none. Raises Trouble."""
    try:
        if target.operation:
            return OPERATIONS[name, target.operation](request, target, key)
        return WIRES[name].check(request, target, key)
    except (AttributeError, LookupError, TypeError, ValueError, AssertionError) as error:
        raise Trouble("invalid", f"The request cannot be understood: {error!r}") from error


def _parse(model: str) -> Named:
    """Raises Trouble."""
    try:
        return parse_model(model)
    except ValueError as error:
        raise Trouble("not_found", f"The model {model} does not exist: {error}") from error


async def serve(simulator: Simulator, port: int, on_start: Callable[[int], None] = lambda port: None) -> None:
    """Until it is cancelled. `on_start` is told the port."""
    server = await asyncio.start_server(simulator.serve, HOST, port, limit=MOST_HEAD_BYTES)
    async with server:
        on_start(server.sockets[0].getsockname()[1])
        await server.serve_forever()


@contextmanager
def simulating(key: str = KEY) -> Iterator[tuple[Simulator, str]]:
    """A simulator in a thread of this process, and its address."""
    simulator = Simulator(key)
    started: Future[tuple[int, Callable[[], None]]] = Future()

    async def run() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop() -> None:
            loop.call_soon_threadsafe(task.cancel)

        with contextlib.suppress(asyncio.CancelledError):
            await serve(simulator, 0, lambda port: started.set_result((port, stop)))

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="simulator")
    thread.start()
    port, stop = started.result(10)
    try:
        yield simulator, f"http://{HOST}:{port}"
    finally:
        stop()
        thread.join()
