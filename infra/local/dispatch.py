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
_TELLS_UNKNOWN = "catalog"
"""The function that answers for addresses that are nobody's: any would say the same, and it asks for no key."""


class Dispatch:
    """`apps` by function name, one for every function in ROUTES."""

    def __init__(self, apps: Mapping[str, App]) -> None:
        self._unknown = apps[_TELLS_UNKNOWN]
        self._apps = {
            base + path: apps[function] for function, paths in ROUTES.items() for path in paths for base in BASE_PATHS
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/healthz":
            await _tell_healthy(send)
        else:
            await self._find(path)(scope, receive, send)

    def _find(self, path: str) -> App:
        """The app of the longest path that `path` is or lies below."""
        while path:
            if app := self._apps.get(path):
                return app
            path = path.rpartition("/")[0]
        return self._unknown


async def _tell_healthy(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_HEALTHY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _HEALTHY})
