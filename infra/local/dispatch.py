"""One ASGI app over all functions' apps, by path: what API Gateway does in the cloud."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson

from infra.routes import BASE_PATHS, ROUTES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEALTHY = orjson.dumps({"status": "ok"})
_UNKNOWN = orjson.dumps(
    {
        "error": {
            "code": 404,
            "message": f"There is nothing at this address; the API lives below {BASE_PATHS[0]}",
            "metadata": {"error_type": "not_found"},
        }
    }
)


class Dispatch:
    """`apps` by function name, one for every function in ROUTES."""

    def __init__(self, apps: Mapping[str, App]) -> None:
        self._apps = {
            base + path: apps[function] for function, paths in ROUTES.items() for path in paths for base in BASE_PATHS
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/healthz":
            await _respond(send, 200, _HEALTHY)
        elif app := self._find(path):
            await app(scope, receive, send)
        else:
            await _respond(send, 404, _UNKNOWN)

    def _find(self, path: str) -> App | None:
        """The app of the longest path that `path` is or lies below."""
        while path:
            if app := self._apps.get(path):
                return app
            path = path.rpartition("/")[0]
        return None


async def _respond(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
