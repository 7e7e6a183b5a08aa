"""The one HTTP client: sends what adapters build, and reads what providers answer."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import httpx2
import orjson

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.chat import ChatRequest, Completion, Delta, ProviderPreferences
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.routing import options_for
from turnpike.ports import (
    OperationAdapter,
    ProviderAdapter,
    Reply,
    Signer,
    StreamDecoder,
    TokenSource,
    UpstreamRequest,
)
from turnpike.providers.failures import failure, unreachable, unreadable
from turnpike.providers.fetch import Fetcher
from turnpike.providers.forms import with_form
from turnpike.providers.options import with_options
from turnpike.providers.readahead import ReadAhead
from turnpike.providers.registry import (
    OPERATIONS,
    adapter_for,
    operation_adapter_for,
    parts_adapter_for,
    speech_adapter_for,
)
from turnpike.providers.remote_media import has_parts, with_fetched_media, with_fetched_parts
from turnpike.providers.transport import BROKEN, HEADERS, LATE, PooledTransport, chunks_of, post_form, read_body
from turnpike.providers.turns import in_turn

if TYPE_CHECKING:
    from turnpike.domain.operation import Operation, OperationRequest, ResultT
    from turnpike.domain.speech import SpeechPiece, SpeechRequest
    from turnpike.ports import OnPart, PartDecoder
    from turnpike.providers.customer_credentials import CustomerCredentials

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES = 256 * 1024
_SHORTEST_SECRET = 12
"""What is shorter is a word, as the demo provider's key is, and may stand in any message."""
_SECRET_HEADERS = ("authorization", "x-amz-security-token")
_AT_ONCE = 8
"""Requests that one operation makes of a provider that takes less at a time than was asked for."""
_PARTING_S = 0.1
"""For the last bytes after an answer's end, with which its connection can be used again."""


_ParseError = Callable[[int, Mapping[str, str], bytes], UpstreamError]


class _Call(NamedTuple):
    """A request that is ready to be sent, and the secrets in it that no message may repeat."""

    parse_error: _ParseError
    sent: httpx2.Request
    secrets: Sequence[str]


class HttpUpstream:
    """Implements the port `Upstream` over one pool of connections, which lives as long as the process."""

    def __init__(
        self,
        providers: Iterable[Provider],
        api_keys: Mapping[str, str],
        *,
        find_provider: Callable[[str], Provider] | None = None,
        tokens: Mapping[str, TokenSource] | None = None,
        signer: Signer | None = None,
        fetcher: Fetcher | None = None,
        adapters: Callable[[Provider, str | None], ProviderAdapter] = adapter_for,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`api_keys` and `tokens` are by provider slug; a provider's token goes before its key.

        `find_provider` gives a provider as it is now, where the catalog may change, and raises KeyError.

        `adapters` gives a provider's adapter, for a wire format other than its own where an endpoint names one.
        """
        self._find_provider = find_provider or {provider.slug: provider for provider in providers}.__getitem__
        self._build_adapter = adapters
        self._adapters: dict[tuple[str, str], ProviderAdapter] = {}
        self._api_keys = api_keys
        self._tokens = tokens or {}
        self._signer = signer
        self._fetcher = fetcher or Fetcher()
        self._transport = transport or PooledTransport()

    async def aclose(self) -> None:
        await self._transport.aclose()
        await self._fetcher.aclose()

    async def complete(self, request: ChatRequest, endpoint: Endpoint) -> Completion:
        began = time.monotonic()
        adapter = self._adapter(endpoint)
        call = await self._prepare(adapter, request, endpoint)
        try:
            reply = await self._fetch(call, endpoint, endpoint.timeouts.whole_s - (time.monotonic() - began))
            return adapter.parse_completion(reply.body)
        except (*LATE, *BROKEN, UpstreamError) as error:
            failed = _failure(error, endpoint, call.secrets)
        # Here, and not there, so that the library's error is not its context: that one holds the request.
        raise failed

    def offers(self, operation: "Operation", endpoint: Endpoint) -> bool:
        return (operation, endpoint.wire or self._find_provider(endpoint.provider).wire) in OPERATIONS

    async def perform(
        self, request: "OperationRequest[ResultT]", endpoint: Endpoint, on_part: "OnPart | None" = None
    ) -> "ResultT":
        began = time.monotonic()
        adapter = self._operation_adapter(request.operation, endpoint)
        if request.operation == "transcription":
            # Not before it is needed: most environments never hear a recording.
            from turnpike.providers.remote_audio import with_recording

            request = await with_recording(request, endpoint, self._fetcher)
        if request.media:
            within_s = endpoint.timeouts.first_token_s
            media, field = request.media, request.media_field
            request = request.with_media(await with_fetched_parts(media, self._fetcher, field=field, within_s=within_s))
        key, signer = await self._credential(endpoint)
        calls = [
            await self._ready(built, adapter.parse_error, request.provider, endpoint, key, signer)
            for built in adapter.build_requests(request, endpoint, key)
        ]
        within_s = endpoint.timeouts.whole_s - (time.monotonic() - began)
        result: ResultT
        try:
            decoder = None if on_part is None else self._part_decoder(request, endpoint)
            if decoder is None or on_part is None:
                # All of them together take no longer than one may.
                async with asyncio.timeout(within_s):
                    fetches = [partial(self._fetch, call, endpoint, within_s) for call in calls]
                    replies = await in_turn(fetches, _AT_ONCE)
                result = adapter.parse_replies(replies, request, endpoint)
            else:
                await self._follow(calls[0], endpoint, within_s, decoder, on_part)
                result = decoder.result()
            return result
        except (*LATE, *BROKEN, UpstreamError) as error:
            failed = _failure(error, endpoint, [secret for call in calls for secret in call.secrets])
        raise failed

    async def speak(self, request: "SpeechRequest", endpoint: Endpoint) -> "AsyncGenerator[SpeechPiece, None]":
        began = time.monotonic()
        adapter = speech_adapter_for(self._find_provider(endpoint.provider), endpoint.wire)
        key, signer = await self._credential(endpoint)
        built = adapter.build_request(request, endpoint, key)
        call = await self._ready(built, adapter.parse_error, request.provider, endpoint, key, signer)
        within_s = endpoint.timeouts.first_token_s - (time.monotonic() - began)
        # Not before it is needed: most environments never speak.
        from turnpike.providers.speaking import pieces_of

        decoder_for, refuse = partial(adapter.decoder, request), partial(_refusal, call)
        pieces = pieces_of(self._send(call.sent), refuse, decoder_for, within_s, endpoint.timeouts.gap_s)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
            return
        except (*LATE, *BROKEN, UpstreamError) as error:
            failed = _failure(error, endpoint, call.secrets)
        raise failed

    async def stream(self, request: ChatRequest, endpoint: Endpoint) -> AsyncGenerator[Sequence[Delta], None]:
        began = time.monotonic()
        adapter = self._adapter(endpoint)
        call = await self._prepare(adapter, request, endpoint)
        decoder = adapter.stream_decoder(endpoint)
        incoming = ReadAhead()
        reader = asyncio.create_task(self._read_ahead(incoming, call))
        try:
            begun, within_s = False, endpoint.timeouts.first_token_s - (time.monotonic() - began)
            while not decoder.done:
                deltas, failed = await _next(incoming, within_s, decoder, endpoint, call.secrets)
                if failed is not None and not begun:
                    raise failed
                if deltas:
                    begun = True
                    yield deltas
                within_s = endpoint.timeouts.gap_s
            await asyncio.wait((reader,), timeout=_PARTING_S)
        finally:
            reader.cancel()
            await asyncio.wait((reader,))

    async def _read_ahead(self, incoming: ReadAhead, call: _Call) -> None:
        try:
            async with self._send(call.sent) as response:
                if response.status_code != 200:
                    raise await _refusal(call, response)
                async for chunk in chunks_of(response):
                    if not incoming.put(chunk):
                        await incoming.room()
        except Exception as error:
            # Whatever it is, it is raised where the stream is taken.
            incoming.end(error)
        else:
            incoming.end()

    async def _fetch(self, call: _Call, endpoint: Endpoint, within_s: float) -> Reply:
        """Raises any of LATE and BROKEN, and UpstreamError."""
        async with asyncio.timeout(within_s), self._send(call.sent) as response:
            if response.status_code != 200:
                raise await _refusal(call, response)
            body = await read_body(response, _MAX_ANSWER_BYTES)
        if len(body) > _MAX_ANSWER_BYTES:
            raise unreadable(endpoint.provider, "The provider sent an answer that is too large")
        return Reply(response.headers, body)

    async def _follow(
        self, call: _Call, endpoint: Endpoint, within_s: float, decoder: "PartDecoder", on_part: "OnPart"
    ) -> None:
        """Pass on the parts of an answer as they come. Raises as `_fetch`."""
        left = _MAX_ANSWER_BYTES
        async with asyncio.timeout(within_s), self._send(call.sent) as response:
            if response.status_code != 200:
                raise await _refusal(call, response)
            async for chunk in chunks_of(response):
                left -= len(chunk)
                if left < 0:
                    raise unreadable(endpoint.provider, "The provider sent an answer that is too large")
                for part in decoder.feed(chunk):
                    await on_part(part)

    async def _prepare(self, adapter: ProviderAdapter, request: ChatRequest, endpoint: Endpoint) -> _Call:
        """Raises InvalidRequest for what the client sent, UpstreamError for our own credential."""
        if has_parts(request.messages):
            # Half of the time to the first token, of which the provider needs some, too.
            within_s = endpoint.timeouts.first_token_s / 2
            messages = await with_fetched_media(request.messages, adapter.fetches, self._fetcher, within_s=within_s)
            request = replace(request, messages=messages)
        key, signer = await self._credential(endpoint)
        built = adapter.build_request(request, endpoint, key)
        return await self._ready(built, adapter.parse_error, request.provider, endpoint, key, signer)

    async def _ready(
        self,
        built: UpstreamRequest,
        parse_error: _ParseError,
        preferences: ProviderPreferences,
        endpoint: Endpoint,
        key: str,
        signer: Signer | None,
    ) -> _Call:
        content = built.body
        if preferences.options:
            content = with_options(content, options_for(preferences, self._find_provider(endpoint.provider)))
        try:
            url = httpx2.URL(built.url)
            headers = built.headers
            if built.form is not None:
                headers, body = with_form(headers, content, built.form)
            else:
                body = orjson.dumps(content) if built.raw is None else built.raw
        except httpx2.InvalidURL:
            fault: Exception = unreachable(endpoint.provider, "The provider's address is not valid")
        except TypeError:
            fault = InvalidRequest("it is nested too deeply, or holds text that is not Unicode")
        else:
            headers = headers if built.signing is None else await self._signed(built, url, body, signer, endpoint)
            connect = {"timeout": {"connect": endpoint.timeouts.connect_s}}
            sent = httpx2.Request("POST", url, headers={**HEADERS, **headers}, content=body, extensions=connect)
            return _Call(parse_error, sent, (key,) if built.signing is None else _secrets_in(headers))
        raise fault

    async def _credential(self, endpoint: Endpoint) -> tuple[str, Signer | None]:
        """What adapters take for a key, and who signs where they take none."""
        if endpoint.byok is not None:
            return await self._customers.credential(endpoint.provider, endpoint.byok.credential)
        source = self._tokens.get(endpoint.provider)
        key = self._api_keys.get(endpoint.provider, "") if source is None else await source.token()
        return key, self._signer

    @cached_property
    def _customers(self) -> "CustomerCredentials":
        # Not before it is needed: few customers bring keys of their own.
        from turnpike.providers.customer_credentials import CustomerCredentials

        return CustomerCredentials(partial(post_form, self._transport))

    def _operation_adapter(self, operation: "Operation", endpoint: Endpoint) -> OperationAdapter:
        provider = self._find_provider(endpoint.provider)
        return operation_adapter_for(operation, provider, endpoint.wire)

    def _part_decoder(self, request: "OperationRequest[ResultT]", endpoint: Endpoint) -> "PartDecoder | None":
        adapter = parts_adapter_for(request.operation, self._find_provider(endpoint.provider), endpoint.wire)
        return None if adapter is None else adapter.part_decoder(request, endpoint)

    def _adapter(self, endpoint: Endpoint) -> ProviderAdapter:
        provider = self._find_provider(endpoint.provider)
        known = (endpoint.provider, endpoint.wire or provider.wire)
        adapter = self._adapters.get(known)
        if adapter is None:
            adapter = self._build_adapter(provider, endpoint.wire)
            self._adapters[known] = adapter
        return adapter

    async def _signed(
        self, built: UpstreamRequest, url: httpx2.URL, body: bytes, signer: Signer | None, endpoint: Endpoint
    ) -> Mapping[str, str]:
        """The request's headers with their signature, which covers neither what is sent along with every request."""
        if signer is None or built.signing is None:
            raise failure(endpoint.provider, 401)
        headers = {"host": url.netloc.decode("ascii"), **built.headers}
        # In a thread: credentials may have to be got anew first, over a network of their own.
        return await asyncio.to_thread(signer.sign, str(url), headers, body, built.signing)

    @asynccontextmanager
    async def _send(self, sent: httpx2.Request) -> AsyncIterator[httpx2.Response]:
        response = await self._transport.handle_async_request(sent)
        try:
            yield response
        finally:
            await response.aclose()


async def _next(
    incoming: ReadAhead, within_s: float, decoder: StreamDecoder, endpoint: Endpoint, secrets: Sequence[str]
) -> tuple[list[Delta], UpstreamError | None]:
    """What arrived next, and the failure that keeps more from coming."""
    try:
        data = await incoming.take(within_s)
    except (*LATE, *BROKEN, UpstreamError) as error:
        failed = _failure(error, endpoint, secrets)
        deltas = decoder.finish()
        if not deltas or deltas[-1].error is None:
            # The answer was whole, and only its end was lost.
            return deltas, None
        deltas[-1] = Delta(error=failed)
        return deltas, failed
    deltas = decoder.feed(data) if data else decoder.finish()
    broken = deltas[-1].error if deltas else None
    if isinstance(broken, UpstreamError):
        _without(secrets, broken)
    return deltas, None


def _failure(error: Exception, endpoint: Endpoint, secrets: Sequence[str]) -> UpstreamError:
    if isinstance(error, UpstreamError):
        return _without(secrets, error)
    if isinstance(error, LATE):
        return unreachable(endpoint.provider, "The provider did not answer in time", error_type="timeout")
    return unreachable(endpoint.provider, "The connection to the provider failed")


def _without(secrets: Sequence[str], error: UpstreamError) -> UpstreamError:
    """Some providers repeat the credential that they refuse."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET and secret in error.message:
            error.message = error.message.replace(secret, "[credential]")
            error.args = (error.message,)
    return error


def _secrets_in(headers: Mapping[str, str]) -> list[str]:
    """Of a signed request: AWS explains a signature that it refuses by quoting all that was signed."""
    return [value for name, value in headers.items() if name.lower() in _SECRET_HEADERS]


async def _refusal(call: _Call, response: httpx2.Response) -> UpstreamError:
    body = await read_body(response, _MAX_ERROR_BYTES)
    return call.parse_error(response.status_code, response.headers, body)
