"""Calls an ASGI app in process, as an HTTP client would."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.types import ASGIApp


@dataclass(frozen=True)
class AsgiClient:
    """Sends `key` as the bearer of every request; paths are below /api/v1."""

    app: ASGIApp
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def bearing(self, key: str | None) -> "AsgiClient":
        return AsgiClient(self.app, key, self.headers)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.request("GET", path, headers=headers)

    async def post(self, path: str, json: Any) -> httpx2.Response:
        return await self.request("POST", path, json=json)

    async def patch(self, path: str, json: Any) -> httpx2.Response:
        return await self.request("PATCH", path, json=json)

    async def delete(self, path: str) -> httpx2.Response:
        return await self.request("DELETE", path)

    async def request(
        self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        bearer = {"authorization": f"Bearer {self.key}"} if self.key else {}
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://turnpike.test/api/v1") as client:
            return await client.request(method, path, json=json, headers={**self.headers, **bearer, **(headers or {})})
