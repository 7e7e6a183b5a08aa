"""A client of the chat API that calls the ASGI app itself, with a scripted provider behind it."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import orjson
from starlette.types import Message

from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.api.inference.endpoint import Expand
from turnpike.api.skins import ERROR_BODIES, routes
from turnpike.services.authenticate import Authenticate
from turnpike.services.response_cache import FindAnswer

from tests.fakes import InMemoryApiKeys
from tests.scenario import SECRET, World, principal

HELLO = {"model": "acme/chat", "messages": [{"role": "user", "content": "Hello"}]}


class Answer:
    """What an app sent: `events` are the SSE payloads, decoded."""

    def __init__(self, messages: Sequence[Message]) -> None:
        start, *bodies = messages
        assert start["type"] == "http.response.start"
        assert [body.get("more_body", False) for body in bodies] == [True] * (len(bodies) - 1) + [False]
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.writes = [body["body"] for body in bodies]
        self.body = b"".join(self.writes)

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def lines(self) -> list[str]:
        return [line for line in self.body.decode().split("\n\n") if line]

    @property
    def events(self) -> list[Any]:
        assert self.lines[-1] == "data: [DONE]"
        return [orjson.loads(line.removeprefix("data: ")) for line in self.lines[:-1] if not line.startswith(":")]


class Client:
    def __init__(
        self,
        world: World,
        *,
        keepalive_s: float = 10,
        find_answer: FindAnswer | None = None,
        expand: Expand | None = None,
    ) -> None:
        self.world = world
        self.keys = InMemoryApiKeys()
        self.keys.create(principal().key)
        guard = Guard(Authenticate(self.keys, ttl_s=30))
        inner = routes(guard, world.case, keepalive_s=keepalive_s, find_answer=find_answer, expand=expand)
        self.app = Edge(inner, error_bodies=ERROR_BODIES)

    async def post(
        self,
        content: Any,
        *,
        secret: str | None = SECRET,
        path: str = "/api/v1/chat/completions",
        method: str = "POST",
        headers: dict[str, str] | None = None,
        left_s: float | None = None,
    ) -> Answer:
        """`left_s`: as on Lambda, where the invocation has only so long."""
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        given = {"content-type": "application/json", **(headers or {})}
        if secret:
            given["authorization"] = f"Bearer {secret}"
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        if left_s is not None:
            scope["aws.context"] = SimpleNamespace(get_remaining_time_in_millis=lambda: int(left_s * 1000))
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return Answer(sent)
