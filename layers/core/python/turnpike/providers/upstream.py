"""The one HTTP client: sends what adapters build, and reads what providers answer."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import httpx2

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.native import dialect_of, without_native
from turnpike.domain.searches import searches_with
from turnpike.ports.upstream import Signer, TokenSource
from turnpike.ports.wires import OperationAdapter, ProviderAdapter, StreamDecoder
from turnpike.providers.fetch import Fetcher
from turnpike.providers.readahead import ReadAhead
from turnpike.providers.registry import (
    OPERATIONS,
    adapter_for,
    fetching_for,
    operation_adapter_for,
    parts_adapter_for,
    speech_adapter_for,
)
from turnpike.providers.remote_media import has_parts, with_fetched_media
from turnpike.providers.sending import Call, Sender, failure_of, refusal, without
from turnpike.providers.transport import BROKEN, LATE, PooledTransport, chunks_of
from turnpike.providers.turns import in_turn

if TYPE_CHECKING:
    from turnpike.domain.operation import Operation, OperationRequest, ResultT
    from turnpike.domain.speech import SpeechPiece, SpeechRequest
    from turnpike.ports.upstream import OnPart
    from turnpike.ports.wires import PartDecoder

_Built = TypeVar("_Built")
_AT_ONCE = 8
"""Requests that one operation makes of a provider that takes less at a time than was asked for."""
_PARTING_S = 0.1
"""For the last bytes after an answer's end, with which its connection can be used again."""


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
        adapters: Callable[[Provider, str], ProviderAdapter] = adapter_for,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`api_keys` and `tokens` are by provider slug; a provider's token goes before its key.

        `find_provider` gives a provider as it is now, where the catalog may change, and raises KeyError.

        `adapters` gives a provider's adapter for a wire format, its own or another that an endpoint names.
        """
        self._find_provider = find_provider or {provider.slug: provider for provider in providers}.__getitem__
        self._build_adapter = adapters
        self._adapters: dict[tuple[str, str], ProviderAdapter] = {}
        self._fetcher = fetcher or Fetcher()
        self._transport = transport or PooledTransport()
        self._sender = Sender(self._transport, self._find_provider, api_keys, tokens or {}, signer)

    async def aclose(self) -> None:
        await self._transport.aclose()
        await self._fetcher.aclose()

    async def complete(self, request: ChatRequest, endpoint: Endpoint) -> Completion:
        began = time.monotonic()
        adapter = self._adapter(request, endpoint)
        call = await self._prepare(adapter, request, endpoint)
        try:
            reply = await self._sender.fetch(call, endpoint, endpoint.timeouts.whole_s - (time.monotonic() - began))
            return adapter.parse_completion(reply.body)
        except (*LATE, *BROKEN, UpstreamError) as error:
            failed = failure_of(error, endpoint, call.secrets)
        # Here, and not there, so that the library's error is not its context: that one holds the request.
        raise failed

    def offers(self, operation: "Operation", endpoint: Endpoint) -> bool:
        return (operation, endpoint.wire or self._find_provider(endpoint.provider).wire) in OPERATIONS

    async def perform(
        self, request: "OperationRequest[ResultT]", endpoint: Endpoint, on_part: "OnPart | None" = None
    ) -> "ResultT":
        began = time.monotonic()
        adapter = self._operation_adapter(request.operation, endpoint)
        fetch = fetching_for(request.operation)
        if fetch is not None:
            request = await fetch(request, adapter, endpoint, self._fetcher)
        key, signer = await self._sender.credential(endpoint)
        calls = [
            await self._sender.ready(built, adapter.parse_error, request.provider, endpoint, key, signer)
            for built in _built(partial(adapter.build_requests, request, endpoint, key))
        ]
        within_s = endpoint.timeouts.whole_s - (time.monotonic() - began)
        result: ResultT
        try:
            decoder = None if on_part is None else self._part_decoder(request, endpoint)
            if decoder is None or on_part is None:
                # All of them together take no longer than one may.
                async with asyncio.timeout(within_s):
                    fetches = [partial(self._sender.fetch, call, endpoint, within_s) for call in calls]
                    replies = await in_turn(fetches, _AT_ONCE)
                result = adapter.parse_replies(replies, request, endpoint)
            else:
                await self._sender.follow(calls[0], endpoint, within_s, decoder, on_part)
                result = decoder.result()
            return result
        except (*LATE, *BROKEN, UpstreamError) as error:
            failed = failure_of(error, endpoint, [secret for call in calls for secret in call.secrets])
        raise failed

    async def speak(self, request: "SpeechRequest", endpoint: Endpoint) -> "AsyncGenerator[SpeechPiece, None]":
        began = time.monotonic()
        adapter = speech_adapter_for(self._find_provider(endpoint.provider), endpoint.wire)
        key, signer = await self._sender.credential(endpoint)
        built = _built(partial(adapter.build_request, request, endpoint, key))
        call = await self._sender.ready(built, adapter.parse_error, request.provider, endpoint, key, signer)
        within_s = endpoint.timeouts.first_token_s - (time.monotonic() - began)
        # Not before it is needed: most environments never speak.
        from turnpike.providers.speaking import pieces_of

        decoder_for, refuse = partial(adapter.decoder, request), partial(refusal, call)
        pieces = pieces_of(self._sender.send(call.sent), refuse, decoder_for, within_s, endpoint.timeouts.gap_s)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
            return
        except (*LATE, *BROKEN, UpstreamError) as error:
            failed = failure_of(error, endpoint, call.secrets)
        raise failed

    async def stream(self, request: ChatRequest, endpoint: Endpoint) -> AsyncGenerator[Sequence[Delta], None]:
        began = time.monotonic()
        adapter = self._adapter(request, endpoint)
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

    async def _read_ahead(self, incoming: ReadAhead, call: Call) -> None:
        try:
            async with self._sender.send(call.sent) as response:
                if response.status_code != 200:
                    raise await refusal(call, response)
                async for chunk in chunks_of(response):
                    if not incoming.put(chunk):
                        await incoming.room()
        except Exception as error:
            # Whatever it is, it is raised where the stream is taken.
            incoming.end(error)
        else:
            incoming.end()

    async def _prepare(self, adapter: ProviderAdapter, request: ChatRequest, endpoint: Endpoint) -> Call:
        """Raises InvalidRequest for what the client sent, UpstreamError for our own credential."""
        if has_parts(request.messages):
            # Half of the time to the first token, of which the provider needs some, too.
            within_s = endpoint.timeouts.first_token_s / 2
            known = dialect_of(self._wire(request, endpoint))
            messages = without_native(request.messages, but=known)
            messages = await with_fetched_media(messages, adapter.fetches, self._fetcher, within_s=within_s)
            request = replace(request, messages=messages)
        key, signer = await self._sender.credential(endpoint)
        built = adapter.build_request(request, endpoint, key)
        return await self._sender.ready(built, adapter.parse_error, request.provider, endpoint, key, signer)

    def _operation_adapter(self, operation: "Operation", endpoint: Endpoint) -> OperationAdapter:
        provider = self._find_provider(endpoint.provider)
        return operation_adapter_for(operation, provider, endpoint.wire)

    def _part_decoder(self, request: "OperationRequest[ResultT]", endpoint: Endpoint) -> "PartDecoder | None":
        adapter = parts_adapter_for(request.operation, self._find_provider(endpoint.provider), endpoint.wire)
        return None if adapter is None else adapter.part_decoder(request, endpoint)

    def _adapter(self, request: ChatRequest, endpoint: Endpoint) -> ProviderAdapter:
        wire = self._wire(request, endpoint)
        known = (endpoint.provider, wire)
        adapter = self._adapters.get(known)
        if adapter is None:
            adapter = self._build_adapter(self._find_provider(endpoint.provider), wire)
            self._adapters[known] = adapter
        return adapter

    def _wire(self, request: ChatRequest, endpoint: Endpoint) -> str:
        if endpoint.tool_wire and (request.dialect or searches_with(request, endpoint)):
            return endpoint.tool_wire
        return endpoint.wire or self._find_provider(endpoint.provider).wire


def _built(build: Callable[[], _Built]) -> _Built:
    """An operation in a provider's words. Raises InvalidRequest for what it has none for."""
    try:
        return build()
    except InvalidRequest as error:
        error.only_here = True
        raise


async def _next(
    incoming: ReadAhead, within_s: float, decoder: StreamDecoder, endpoint: Endpoint, secrets: Sequence[str]
) -> tuple[list[Delta], UpstreamError | None]:
    """What arrived next, and the failure that keeps more from coming."""
    try:
        data = await incoming.take(within_s)
    except (*LATE, *BROKEN, UpstreamError) as error:
        failed = failure_of(error, endpoint, secrets)
        deltas = decoder.finish()
        if not deltas or deltas[-1].error is None:
            # The answer was whole, and only its end was lost.
            return deltas, None
        deltas[-1] = Delta(error=failed)
        return deltas, failed
    deltas = decoder.feed(data) if data else decoder.finish()
    broken = deltas[-1].error if deltas else None
    if isinstance(broken, UpstreamError):
        without(secrets, broken)
    return deltas, None
