"""Connections, and the bodies that come over them; what is sent and what it means is decided elsewhere."""

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import cast

import httpcore2
import httpx2

from turnpike.providers.network import AsyncioBackend
from turnpike.trust import tls_context

_IDLE_CONNECTIONS = 64
_IDLE_CONNECTION_S = 60.0
_CONNECT_S = 3.0
"""Of services beside the providers; those have deadlines of their own."""
_MAX_FORM_ANSWER_BYTES = 256 * 1024

# Without a compression that would only delay the chunks of a stream.
HEADERS: Mapping[str, str] = {"accept-encoding": "identity", "user-agent": "turnpike"}

LATE = (TimeoutError, httpx2.TimeoutException, httpcore2.TimeoutException)
BROKEN = (
    httpx2.DecodingError,
    httpx2.TransportError,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
)
_STALE = (httpcore2.ReadError, httpcore2.RemoteProtocolError, httpcore2.WriteError)


class PooledTransport(httpx2.AsyncBaseTransport):
    """Connections and nothing else: no redirects, cookies, proxies or environment variables.

    httpx2's own client and transport add those, and a fifth to what a request costs.
    """

    def __init__(
        self,
        backend: AsyncioBackend | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        idle_connections: int = _IDLE_CONNECTIONS,
    ) -> None:
        """`tls` replaces the system's certificates; up to `idle_connections` wait open for their next request."""
        self._backend = backend or AsyncioBackend()
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls or tls_context(),
            # Concurrency is limited where requests come in: one environment has few, the local server hundreds.
            max_connections=None,
            max_keepalive_connections=idle_connections,
            keepalive_expiry=_IDLE_CONNECTION_S,
            network_backend=self._backend,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        sent = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=cast(AsyncIterable[bytes], request.stream),
            extensions=request.extensions,
        )
        response = await self._send(sent)
        body = _Body(cast(AsyncIterable[bytes], response.stream))
        return httpx2.Response(response.status, headers=response.headers, stream=body)

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _send(self, request: httpcore2.Request) -> httpcore2.Response:
        """An idle connection may be dead without our knowing, above all after an environment was frozen.

        Then the request goes over the next one. Each failure uses one up, so this ends with a new one.
        """
        while True:
            opened = self._backend.opened
            try:
                return await self._pool.handle_async_request(request)
            except _STALE:
                if self._backend.opened != opened:
                    raise


class _Body(httpx2.AsyncByteStream):
    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


def raw_chunks_of(response: httpx2.Response) -> AsyncIterator[bytes]:
    """As they came, past httpx2's own iterators, which cost as much again."""
    return aiter(cast(httpx2.AsyncByteStream, response.stream))


def chunks_of(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Decompressed where a provider did what it was not asked for."""
    if "content-encoding" in response.headers:
        return response.aiter_bytes()
    return raw_chunks_of(response)


async def read_body(response: httpx2.Response, most: int) -> bytes:
    """The body, of which no more is read than shows that it exceeds `most`."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in chunks_of(response):
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            break
    return b"".join(chunks)


async def send_json(
    transport: httpx2.AsyncBaseTransport,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None,
    *,
    most_bytes: int,
) -> tuple[int, bytes]:
    """(status, body), which is longer than `most_bytes` if it was too long. Raises any of LATE and BROKEN, and
    httpx2.InvalidURL.
    """
    json = {"content-type": "application/json"} if content is not None else {}
    sent = {**HEADERS, "accept": "application/json", **json, **headers}
    extensions = {"timeout": {"connect": _CONNECT_S}}
    response = await transport.handle_async_request(
        httpx2.Request(method, url, headers=sent, content=content, extensions=extensions)
    )
    try:
        return response.status_code, await read_body(response, most_bytes)
    finally:
        await response.aclose()


async def post_form(transport: httpx2.AsyncBaseTransport, url: str, fields: Mapping[str, str]) -> tuple[int, bytes]:
    """(status, body) of a form that was sent. Raises any of LATE and BROKEN."""
    request = httpx2.Request("POST", url, headers=HEADERS, data=dict(fields))
    response = await transport.handle_async_request(request)
    try:
        return response.status_code, await read_body(response, _MAX_FORM_ANSWER_BYTES)
    finally:
        await response.aclose()
