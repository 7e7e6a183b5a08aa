"""The one HTTP client: sends what adapters build, and reads what providers answer."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import cast

import httpcore2
import httpx2
import orjson

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.ports import ProviderAdapter, StreamDecoder
from turnpike.providers.failures import unreachable, unreadable
from turnpike.providers.network import AsyncioBackend
from turnpike.providers.readahead import ReadAhead
from turnpike.providers.registry import adapter_for

_WHOLE_ANSWER_S = 600.0
"""An answer in one piece shows nothing until it is finished, so neither of an endpoint's later deadlines fits."""
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES = 256 * 1024
_IDLE_CONNECTIONS = 64
_IDLE_CONNECTION_S = 60.0
_SHORTEST_SECRET = 12
"""What is shorter is a word, as the demo provider's key is, and may stand in any message."""
_PARTING_S = 0.1
"""For the last bytes after an answer's end, with which its connection can be used again."""

# Without a compression that would only delay the chunks of a stream.
_HEADERS = {"accept-encoding": "identity", "user-agent": "turnpike"}

_LATE = (TimeoutError, httpx2.TimeoutException, httpcore2.TimeoutException)
_BROKEN = (
    httpx2.DecodingError,
    httpx2.TransportError,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
)
_STALE = (httpcore2.ReadError, httpcore2.RemoteProtocolError, httpcore2.WriteError)


class HttpUpstream:
    """Implements the port `Upstream` over one pool of connections, which lives as long as the process."""

    def __init__(
        self,
        providers: Iterable[Provider],
        api_keys: Mapping[str, str],
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`api_keys` are by provider slug."""
        self._adapters = {provider.slug: adapter_for(provider) for provider in providers}
        self._api_keys = api_keys
        self._transport = PooledTransport() if transport is None else transport

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def complete(self, request: ChatRequest, endpoint: Endpoint) -> Completion:
        adapter, sent = self._build(request, endpoint)
        try:
            async with asyncio.timeout(_WHOLE_ANSWER_S), self._send(sent) as response:
                if response.status_code != 200:
                    raise await _refusal(adapter, response)
                body = await _read(response, _MAX_ANSWER_BYTES)
            if len(body) > _MAX_ANSWER_BYTES:
                raise unreadable(endpoint.provider, "The provider sent an answer that is too large")
            return adapter.parse_completion(body)
        except (*_LATE, *_BROKEN, UpstreamError) as error:
            failure = self._failure(error, endpoint)
        # Here, and not there, so that the library's error is not its context: that one holds the request.
        raise failure

    async def stream(self, request: ChatRequest, endpoint: Endpoint) -> AsyncGenerator[Sequence[Delta], None]:
        adapter, sent = self._build(request, endpoint)
        decoder = adapter.stream_decoder()
        incoming = ReadAhead()
        reader = asyncio.create_task(self._read_ahead(incoming, sent, adapter))
        try:
            begun, within_s = False, endpoint.timeouts.first_token_s
            while not decoder.done:
                deltas, failure = await self._next(incoming, within_s, decoder, endpoint)
                if failure is not None and not begun:
                    raise failure
                if deltas:
                    begun = True
                    yield deltas
                within_s = endpoint.timeouts.gap_s
            await asyncio.wait((reader,), timeout=_PARTING_S)
        finally:
            reader.cancel()
            await asyncio.wait((reader,))

    async def _next(
        self, incoming: ReadAhead, within_s: float, decoder: StreamDecoder, endpoint: Endpoint
    ) -> tuple[list[Delta], UpstreamError | None]:
        """What arrived next, and the failure that keeps more from coming."""
        try:
            data = await incoming.take(within_s)
        except (*_LATE, *_BROKEN, UpstreamError) as error:
            failure = self._failure(error, endpoint)
            deltas = decoder.finish()
            if not deltas or deltas[-1].error is None:
                # The answer was whole, and only its end was lost.
                return deltas, None
            deltas[-1] = Delta(error=failure)
            return deltas, failure
        deltas = decoder.feed(data) if data else decoder.finish()
        broken = deltas[-1].error if deltas else None
        if isinstance(broken, UpstreamError):
            self._without_key(broken)
        return deltas, None

    async def _read_ahead(self, incoming: ReadAhead, sent: httpx2.Request, adapter: ProviderAdapter) -> None:
        try:
            async with self._send(sent) as response:
                if response.status_code != 200:
                    raise await _refusal(adapter, response)
                async for chunk in _chunks(response):
                    if not incoming.put(chunk):
                        await incoming.room()
        except Exception as error:
            # Whatever it is, it is raised where the stream is taken.
            incoming.end(error)
        else:
            incoming.end()

    def _build(self, request: ChatRequest, endpoint: Endpoint) -> tuple[ProviderAdapter, httpx2.Request]:
        """Raises InvalidRequest for a body that cannot be written as JSON."""
        adapter = self._adapters[endpoint.provider]
        built = adapter.build_request(request, endpoint, self._api_keys.get(endpoint.provider, ""))
        try:
            return adapter, httpx2.Request(
                "POST",
                built.url,
                headers={**_HEADERS, **built.headers},
                content=orjson.dumps(built.body),
                extensions={"timeout": {"connect": endpoint.timeouts.connect_s}},
            )
        except httpx2.InvalidURL:
            fault: Exception = unreachable(endpoint.provider, "The provider's address is not valid")
        except TypeError:
            fault = InvalidRequest("it is nested too deeply, or holds text that is not Unicode")
        raise fault

    @asynccontextmanager
    async def _send(self, sent: httpx2.Request) -> AsyncIterator[httpx2.Response]:
        response = await self._transport.handle_async_request(sent)
        try:
            yield response
        finally:
            await response.aclose()

    def _failure(self, error: Exception, endpoint: Endpoint) -> UpstreamError:
        if isinstance(error, UpstreamError):
            return self._without_key(error)
        if isinstance(error, _LATE):
            return unreachable(endpoint.provider, "The provider did not answer in time", error_type="timeout")
        return unreachable(endpoint.provider, "The connection to the provider failed")

    def _without_key(self, error: UpstreamError) -> UpstreamError:
        """Some providers repeat the credential that they refuse."""
        key = self._api_keys.get(error.provider)
        if key and len(key) >= _SHORTEST_SECRET and key in error.message:
            error.message = error.message.replace(key, "[credential]")
            error.args = (error.message,)
        return error


class PooledTransport(httpx2.AsyncBaseTransport):
    """Connections and nothing else: no redirects, cookies, proxies or environment variables.

    httpx2's own client and transport add those, and a fifth to what a request costs.
    """

    def __init__(self) -> None:
        self._backend = AsyncioBackend()
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_tls_context(),
            # Concurrency is limited where requests come in: one environment has few, the local server hundreds.
            max_connections=None,
            max_keepalive_connections=_IDLE_CONNECTIONS,
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


@cache
def _tls_context() -> ssl.SSLContext:
    """Once a process: reading the system's certificates takes 40 ms."""
    return httpx2.create_ssl_context(trust_env=False)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


def _chunks(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Past httpx2's own iterators, which cost as much again, unless there is something to decompress."""
    if "content-encoding" in response.headers:
        return response.aiter_bytes()
    return aiter(cast(httpx2.AsyncByteStream, response.stream))


async def _read(response: httpx2.Response, most: int) -> bytes:
    """The body, of which no more is read than shows that it exceeds `most`."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in _chunks(response):
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            break
    return b"".join(chunks)


async def _refusal(adapter: ProviderAdapter, response: httpx2.Response) -> UpstreamError:
    body = await _read(response, _MAX_ERROR_BYTES)
    return adapter.parse_error(response.status_code, response.headers, body)
