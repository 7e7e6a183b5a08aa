"""Sends what adapters build, with its credential, and keeps that out of whatever is said of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import httpx2
import orjson

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.chat import ProviderPreferences
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.routing import options_for
from turnpike.ports.upstream import Signer, TokenSource
from turnpike.ports.wires import Reply, UpstreamRequest
from turnpike.providers.failures import failure, unreachable, unreadable
from turnpike.providers.forms import with_form
from turnpike.providers.options import with_options
from turnpike.providers.transport import HEADERS, LATE, chunks_of, post_form, read_body

if TYPE_CHECKING:
    from turnpike.ports.upstream import OnPart
    from turnpike.ports.wires import PartDecoder
    from turnpike.providers.customer_credentials import CustomerCredentials

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES = 256 * 1024
_SHORTEST_SECRET = 12
"""What is shorter is a word, as the demo provider's key is, and may stand in any message."""
_SECRET_HEADERS = ("authorization", "x-amz-security-token")

ParseError = Callable[[int, Mapping[str, str], bytes], UpstreamError]


class Call(NamedTuple):
    """A request that is ready to be sent, and the secrets in it that no message may repeat."""

    parse_error: ParseError
    sent: httpx2.Request
    secrets: Sequence[str]


class Sender:
    """Over one pool of connections; knows who is called with which credential."""

    def __init__(
        self,
        transport: httpx2.AsyncBaseTransport,
        find_provider: Callable[[str], Provider],
        api_keys: Mapping[str, str],
        tokens: Mapping[str, TokenSource],
        signer: Signer | None,
    ) -> None:
        """`api_keys` and `tokens` are by provider slug; a provider's token goes before its key."""
        self._transport = transport
        self._find_provider = find_provider
        self._api_keys = api_keys
        self._tokens = tokens
        self._signer = signer

    async def ready(
        self,
        built: UpstreamRequest,
        parse_error: ParseError,
        preferences: ProviderPreferences,
        endpoint: Endpoint,
        key: str,
        signer: Signer | None,
    ) -> Call:
        content = built.body
        if preferences.options:
            content = with_options(content, options_for(preferences, self._find_provider(endpoint.provider)))
        try:
            url = _address(built.url)
            headers = built.headers
            if built.form is not None:
                headers, body = with_form(headers, content, built.form)
            else:
                body = orjson.dumps(content)
        except httpx2.InvalidURL:
            fault: Exception = unreachable(endpoint.provider, "The provider's address is not valid")
        except TypeError:
            fault = InvalidRequest("it is nested too deeply, or holds text that is not Unicode")
        else:
            headers = headers if built.signing is None else await self._signed(built, url, body, signer, endpoint)
            connect = {"timeout": {"connect": endpoint.timeouts.connect_s}}
            sent = httpx2.Request("POST", url, headers={**HEADERS, **headers}, content=body, extensions=connect)
            return Call(parse_error, sent, (key,) if built.signing is None else _secrets_in(headers))
        raise fault

    async def credential(self, endpoint: Endpoint) -> tuple[str, Signer | None]:
        """What adapters take for a key, and who signs where they take none."""
        if endpoint.byok is not None:
            return await self._customers.credential(endpoint.provider, endpoint.byok.credential)
        source = self._tokens.get(endpoint.provider)
        key = self._api_keys.get(endpoint.provider, "") if source is None else await source.token()
        return key, self._signer

    async def fetch(self, call: Call, endpoint: Endpoint, within_s: float) -> Reply:
        """Raises any of LATE and BROKEN, and UpstreamError."""
        async with asyncio.timeout(within_s), self.send(call.sent) as response:
            if response.status_code != 200:
                raise await refusal(call, response)
            body = await read_body(response, _MAX_ANSWER_BYTES)
        if len(body) > _MAX_ANSWER_BYTES:
            raise unreadable(endpoint.provider, "The provider sent an answer that is too large")
        return Reply(response.headers, body)

    async def follow(
        self, call: Call, endpoint: Endpoint, within_s: float, decoder: "PartDecoder", on_part: "OnPart"
    ) -> None:
        """Pass on the parts of an answer as they come. Raises as `fetch`."""
        left = _MAX_ANSWER_BYTES
        async with asyncio.timeout(within_s), self.send(call.sent) as response:
            if response.status_code != 200:
                raise await refusal(call, response)
            async for chunk in chunks_of(response):
                left -= len(chunk)
                if left < 0:
                    raise unreadable(endpoint.provider, "The provider sent an answer that is too large")
                for part in decoder.feed(chunk):
                    await on_part(part)

    @asynccontextmanager
    async def send(self, sent: httpx2.Request) -> AsyncIterator[httpx2.Response]:
        response = await self._transport.handle_async_request(sent)
        try:
            yield response
        finally:
            await response.aclose()

    @cached_property
    def _customers(self) -> "CustomerCredentials":
        # Not before it is needed: few customers bring keys of their own.
        from turnpike.providers.customer_credentials import CustomerCredentials

        return CustomerCredentials(partial(post_form, self._transport))

    async def _signed(
        self, built: UpstreamRequest, url: httpx2.URL, body: bytes, signer: Signer | None, endpoint: Endpoint
    ) -> Mapping[str, str]:
        """The request's headers with their signature, which covers neither what is sent along with every request."""
        if signer is None or built.signing is None:
            raise failure(endpoint.provider, 401)
        headers = {"host": url.netloc.decode("ascii"), **built.headers}
        # In a thread: credentials may have to be got anew first, over a network of their own.
        return await asyncio.to_thread(signer.sign, str(url), headers, body, built.signing)


@lru_cache(maxsize=512)
def _address(url: str) -> httpx2.URL:
    """Taken apart once: it is a tenth of what sending costs. Raises httpx2.InvalidURL."""
    return httpx2.URL(url)


def failure_of(error: Exception, endpoint: Endpoint, secrets: Sequence[str]) -> UpstreamError:
    if isinstance(error, UpstreamError):
        return without(secrets, error)
    if isinstance(error, LATE):
        return unreachable(endpoint.provider, "The provider did not answer in time", error_type="timeout")
    return unreachable(endpoint.provider, "The connection to the provider failed")


def without(secrets: Sequence[str], error: UpstreamError) -> UpstreamError:
    """Some providers repeat the credential that they refuse."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET and secret in error.message:
            error.message = error.message.replace(secret, "[credential]")
            error.args = (error.message,)
    return error


def _secrets_in(headers: Mapping[str, str]) -> list[str]:
    """Of a signed request: AWS explains a signature that it refuses by quoting all that was signed."""
    return [value for name, value in headers.items() if name.lower() in _SECRET_HEADERS]


async def refusal(call: Call, response: httpx2.Response) -> UpstreamError:
    body = await read_body(response, _MAX_ERROR_BYTES)
    return call.parse_error(response.status_code, response.headers, body)
