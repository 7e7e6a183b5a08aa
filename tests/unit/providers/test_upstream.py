"""The HTTP client, against servers on loopback that behave as badly as providers do."""

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import orjson
import pytest

from turnpike.domain.catalog import Endpoint, Provider, Timeouts
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.native import native_part
from turnpike.domain.pricing import Pricing
from turnpike.ports.upstream import Signing, Upstream
from turnpike.ports.wires import ProviderAdapter
from turnpike.providers import request as built
from turnpike.providers.failures import failure
from turnpike.providers.fetch import LONGEST_S, Fetched, Fetcher
from turnpike.providers.openai_compatible.adapter import OpenAICompatibleAdapter
from turnpike.providers.registry import adapter_for
from turnpike.providers.upstream import HttpUpstream

pytestmark = pytest.mark.anyio
KEY = "qwertyuiop1234567890"
SHORT = Timeouts(connect_s=0.2, first_token_s=0.15, gap_s=0.15)
ANSWER = orjson.dumps(
    {"id": "c1", "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
)
DONE = b"data: [DONE]\n\n"


def event(content: str | None = None, finish: str | None = None) -> bytes:
    delta = {} if content is None else {"content": content}
    return b"data: " + orjson.dumps({"choices": [{"delta": delta, "finish_reason": finish}]}) + b"\n\n"


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def response(body: bytes, status: int = 200, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *headers, f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@dataclass
class Seen:
    """What the server saw of one request."""

    head: str
    body: Any
    connection: int
    number: int


Script = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Calls `script` for each request; a connection lives until the script closes it."""

    script: Script
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length"))
                body = orjson.loads(await reader.readexactly(int(length.split(":")[1])))
                self.requests.append(Seen(head, body, connection, len(self.requests) + 1))
                watching = asyncio.create_task(self._watch(reader))
                try:
                    await self.script(self.requests[-1], writer)
                    await writer.drain()
                finally:
                    watching.cancel()
                    await asyncio.wait((watching,))
        except (asyncio.IncompleteReadError, ConnectionError, RuntimeError):
            pass
        finally:
            writer.close()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        # There is only one thing that a client can do now.
        with contextlib.suppress(ConnectionError):
            await reader.read(1)
        self.hung_up.set()


ACME = Provider("acme", "Acme", "openai_compatible", "")


@asynccontextmanager
async def serving(script: Script, **parts: Any) -> AsyncGenerator[tuple[Server, HttpUpstream]]:
    server = Server(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    upstream = HttpUpstream([ACME], {"acme": KEY}, **parts)
    try:
        yield server, upstream
    finally:
        await upstream.aclose()
        listener.close()
        # The other ends of the connections close by themselves, in their own time.
        await asyncio.sleep(0.02)


def endpoint(server: Server | None, timeouts: Timeouts | None = None, base_url: str = "") -> Endpoint:
    return Endpoint(
        model_id="acme/chat",
        provider="acme",
        upstream_model="chat-1",
        base_url=base_url or (f"http://127.0.0.1:{server.port}/v1" if server else "http://acme.test/v1"),
        pricing=Pricing(),
        context_length=1000,
        timeouts=timeouts or Timeouts(),
    )


REQUEST = ChatRequest(("acme/chat",), [{"role": "user", "content": "Hi"}], {})
STREAMED = replace(REQUEST, stream=True)


async def batches(upstream: Upstream, where: Endpoint) -> list[Sequence[Delta]]:
    async with aclosing(upstream.stream(STREAMED, where)) as stream:
        return [batch async for batch in stream]


async def ask(upstream: Upstream, where: Endpoint, asked: ChatRequest) -> None:
    if asked.stream:
        async with aclosing(upstream.stream(asked, where)) as stream:
            async for _ in stream:
                pass
    else:
        await upstream.complete(asked, where)


async def failing(upstream: Upstream, where: Endpoint, *, streamed: bool) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await (batches(upstream, where) if streamed else upstream.complete(REQUEST, where))
    # The library's own errors hold the request, and with it the credential and the prompt.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


def content(found: Sequence[Sequence[Delta]]) -> str:
    return "".join(delta.content or "" for batch in found for delta in batch)


def error_of(found: Sequence[Sequence[Delta]]) -> UpstreamError:
    error = found[-1][-1].error
    assert isinstance(error, UpstreamError)
    return error


def answering(*answers: bytes) -> Script:
    """Each request gets the next answer, the last one again and again."""

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[min(seen.number, len(answers)) - 1])

    return script


both = pytest.mark.parametrize("streamed", [False, True])


async def test_a_whole_answer_over_one_connection() -> None:
    async with serving(answering(response(ANSWER, 200, "set-cookie: a=b"))) as (server, upstream):
        for _ in range(3):
            completion: Completion = await upstream.complete(REQUEST, endpoint(server))
            assert completion.choices[0].message["content"] == "Hello"
        assert server.connections == 1
        head, body = server.requests[2].head.lower(), server.requests[2].body
    assert head.startswith("post /v1/chat/completions http/1.1")
    assert f"authorization: bearer {KEY}\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert "cookie" not in head
    assert body == {"model": "chat-1", "messages": [{"role": "user", "content": "Hi"}]}


async def test_what_arrives_together_is_one_batch() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + chunked(*[event(f"{n} ") for n in range(50)]))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(chunked(event("end"), event(None, "stop"), DONE) + END)

    async with serving(script) as (server, upstream):
        found = await batches(upstream, endpoint(server))
        assert content(found) == "".join(f"{n} " for n in range(50)) + "end"
        assert len(found) == 2
        await batches(upstream, endpoint(server))
        assert server.connections == 1


async def test_a_hundred_streams_at_once() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(STREAM + chunked(event(str(seen.number)), event(None, "stop"), DONE) + END)

    async with serving(script) as (server, upstream):
        found = await asyncio.gather(*(batches(upstream, endpoint(server)) for _ in range(100)))
        assert {content(each) for each in found} == {str(n) for n in range(1, 101)}


@both
async def test_an_error_status_is_the_adapters_to_read(streamed: bool) -> None:
    told = orjson.dumps({"error": {"message": f"Slow down, {KEY}", "code": "rate_limit_exceeded"}})
    async with serving(answering(response(told, 429, "retry-after: 3"))) as (server, upstream):
        error = await failing(upstream, endpoint(server), streamed=streamed)
    assert (error.upstream_status, error.error_type, error.retry_after_s) == (429, "rate_limit_exceeded", 3)
    assert error.message == str(error) == "Slow down, [credential]"


@both
async def test_redirects_are_not_followed(streamed: bool) -> None:
    async with serving(answering(response(b"", 307, "location: http://127.0.0.1:1/"))) as (server, upstream):
        error = await failing(upstream, endpoint(server), streamed=streamed)
    assert (error.upstream_status, error.error_type) == (307, "provider_unavailable")


async def test_an_error_in_the_stream_is_a_delta_without_the_credential() -> None:
    told = b"data: " + orjson.dumps({"error": {"message": f"No, {KEY}", "code": 503}}) + b"\n\n"
    async with serving(answering(STREAM + chunked(event("Hi"), told) + END)) as (server, upstream):
        error = error_of(await batches(upstream, endpoint(server)))
    assert (error.message, error.error_type) == ("No, [credential]", "provider_overloaded")


async def test_nothing_in_time() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        await asyncio.sleep(0.4)

    async with serving(script) as (server, upstream):
        began = time.monotonic()
        error = await failing(upstream, endpoint(server, SHORT), streamed=True)
        assert 0.1 < time.monotonic() - began < 0.35
        assert (error.error_type, error.retryable, error.upstream_status) == ("timeout", True, None)
        await asyncio.wait_for(server.hung_up.wait(), 1)


async def test_keep_alive_comments_are_a_sign_of_life() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        for _ in range(6):
            writer.write(chunked(b": keep-alive\n\n"))
            await asyncio.sleep(0.05)
        writer.write(chunked(event("Hi", "stop"), DONE) + END)

    async with serving(script) as (server, upstream):
        assert content(await batches(upstream, endpoint(server, SHORT))) == "Hi"


async def test_a_gap_that_is_too_long() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + chunked(event("Hi")))
        await writer.drain()
        await asyncio.sleep(0.4)

    async with serving(script) as (server, upstream):
        found = await batches(upstream, endpoint(server, SHORT))
    assert content(found) == "Hi"
    assert error_of(found).error_type == "timeout"


async def test_a_slow_client_is_not_a_slow_provider() -> None:
    async with serving(answering(STREAM + chunked(event("Hi"), event(None, "stop"), DONE) + END)) as (server, upstream):
        stream = upstream.stream(STREAMED, endpoint(server, SHORT))
        async for batch in stream:
            await asyncio.sleep(0.3)
            assert batch[-1].error is None


async def test_a_client_that_takes_nothing_stops_the_reading() -> None:
    wrote = 0

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal wrote
        writer.write(STREAM)
        for _ in range(200):
            writer.write(chunked(event("x" * 100_000)))
            await writer.drain()
            wrote += 1
        writer.write(chunked(event(None, "stop"), DONE) + END)

    async with serving(script) as (server, upstream):
        size = 0
        async with aclosing(upstream.stream(STREAMED, endpoint(server))) as stream:
            async for batch in stream:
                if size == 0:
                    await asyncio.sleep(0.2)
                    assert wrote < 150
                size += sum(len(delta.content or "") for delta in batch)
        assert size == 200 * 100_000


def abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@both
async def test_a_connection_that_is_reset_before_any_answer(streamed: bool) -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        abort(writer)

    async with serving(script) as (server, upstream):
        error = await failing(upstream, endpoint(server), streamed=streamed)
        assert (error.error_type, error.retryable, error.upstream_status) == ("provider_unavailable", True, None)
        # It was new, so the provider saw the request: sending it again is for the route to decide.
        assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["reset", "close", "end", "garbage"])
async def test_a_stream_that_breaks_off(how: str) -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + chunked(event("Hi")))
        await writer.drain()
        await asyncio.sleep(0.03)
        if how == "end":
            writer.write(END)
        elif how == "garbage":
            writer.write(b"this is no chunk\r\n\r\n")
        elif how == "close":
            writer.close()
        else:
            abort(writer)

    async with serving(script) as (server, upstream):
        found = await batches(upstream, endpoint(server))
    assert content(found) == "Hi"
    assert error_of(found).error_type == "provider_unavailable"
    assert error_of(found).retryable


async def test_a_stream_that_is_cut_and_arrives_at_once() -> None:
    async with serving(answering(STREAM + chunked(event("Hi")) + END)) as (server, upstream):
        found = await batches(upstream, endpoint(server))
    assert content(found) == "Hi"
    assert error_of(found).error_type == "provider_unavailable"


@pytest.mark.parametrize("last", [[event(None, "stop"), DONE], [event(None, "stop")]])
async def test_what_breaks_off_after_its_end_is_whole(last: list[bytes]) -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + chunked(event("Hi"), *last))
        await writer.drain()
        await asyncio.sleep(0.03)
        abort(writer)

    async with serving(script) as (server, upstream):
        found = await batches(upstream, endpoint(server))
    assert [delta.error for batch in found for delta in batch] == [None] * len(found[0])


async def test_a_provider_that_does_not_hang_up_is_left() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + chunked(event("Hi", "stop"), DONE))
        await writer.drain()
        await asyncio.sleep(0.5)

    async with serving(script) as (server, upstream):
        began = time.monotonic()
        assert content(await batches(upstream, endpoint(server))) == "Hi"
        assert time.monotonic() - began < 0.3
        await asyncio.wait_for(server.hung_up.wait(), 1)


async def test_a_consumer_that_leaves_hangs_up() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        for _ in range(100):
            writer.write(chunked(event("x")))
            await asyncio.sleep(0.01)

    async with serving(script) as (server, upstream):
        async with aclosing(upstream.stream(STREAMED, endpoint(server))) as stream:
            await anext(stream)
        await asyncio.wait_for(server.hung_up.wait(), 0.5)


async def test_a_cancelled_request_hangs_up() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)

    async with serving(script) as (server, upstream):
        for work in (upstream.complete(REQUEST, endpoint(server)), batches(upstream, endpoint(server))):
            server.hung_up.clear()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(work, 0.05)
            await asyncio.wait_for(server.hung_up.wait(), 1)


@both
async def test_an_idle_connection_that_died_is_not_the_providers_fault(streamed: bool) -> None:
    good = STREAM + chunked(event("Hi", "stop"), DONE) + END if streamed else response(ANSWER)

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        # The first connection takes one request, and drops the next without an answer.
        if (seen.connection, seen.number) == (1, 2):
            abort(writer)
        else:
            writer.write(good)

    async with serving(script) as (server, upstream):
        for _ in range(2):
            await (batches(upstream, endpoint(server)) if streamed else upstream.complete(REQUEST, endpoint(server)))
        assert [(seen.connection, seen.number) for seen in server.requests] == [(1, 1), (1, 2), (2, 3)]


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(response(ANSWER))
        await writer.drain()
        writer.close()

    async with serving(script) as (server, upstream):
        for _ in range(2):
            await upstream.complete(REQUEST, endpoint(server))
            # Without giving our own loop the time to hear of it, as after an environment was frozen.
            time.sleep(0.02)  # noqa: ASYNC251
        assert [seen.connection for seen in server.requests] == [1, 2]


@both
@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:1/v1",
        "http://no-such-host.invalid/v1",
        "http://exa mple/v1",
        "http://127.0.0.1:99999/v1",
        "http://[::1/v1",
        "ftp://127.0.0.1/v1",
        "not an address",
        "",
    ],
)
async def test_an_address_where_nobody_is(streamed: bool, base_url: str) -> None:
    upstream = HttpUpstream([ACME], {"acme": KEY})
    nowhere = replace(endpoint(None), base_url=base_url)
    error = await failing(upstream, nowhere, streamed=streamed)
    assert (error.error_type, error.retryable, error.upstream_status) == ("provider_unavailable", True, None)
    await upstream.aclose()


@both
async def test_tls_that_fails_and_tls_that_hangs(streamed: bool) -> None:
    async with serving(answering(b"")) as (server, upstream):
        address = f"https://127.0.0.1:{server.port}/v1"
        error = await failing(upstream, endpoint(server, SHORT, address), streamed=streamed)
        # The server waits for the end of a line that never comes.
        assert error.error_type == "timeout"

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 This is no TLS\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(plain, "127.0.0.1", 0)
    upstream = HttpUpstream([ACME], {"acme": KEY})
    address = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    error = await failing(upstream, endpoint(None, base_url=address), streamed=streamed)
    assert error.error_type == "provider_unavailable"
    await upstream.aclose()
    listener.close()


@both
async def test_an_answer_that_is_compressed_all_the_same(streamed: bool) -> None:
    plain = event("Hi", "stop") + DONE if streamed else ANSWER
    packed = response(gzip.compress(plain), 200, "content-encoding: gzip")
    async with serving(answering(packed)) as (server, upstream):
        if streamed:
            assert content(await batches(upstream, endpoint(server))) == "Hi"
        else:
            assert (await upstream.complete(REQUEST, endpoint(server))).choices[0].message["content"] == "Hello"
    async with serving(answering(response(b"\x1f\x8bjunk", 200, "content-encoding: gzip"))) as (server, upstream):
        assert (await failing(upstream, endpoint(server), streamed=streamed)).error_type == "provider_unavailable"


class Endless(httpx2.AsyncByteStream):
    def __init__(self) -> None:
        self.given = 0

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while True:
            self.given += 1
            yield b" " * 8_000_000


@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_has_a_longest_size(status: int) -> None:
    endless = Endless()
    transport = httpx2.MockTransport(lambda request: httpx2.Response(status, stream=endless))
    upstream = HttpUpstream([ACME], {"acme": KEY}, transport=transport)
    error = await failing(upstream, endpoint(None), streamed=False)
    assert error.upstream_status == status
    assert endless.given <= (9 if status == 200 else 1)


@both
@pytest.mark.parametrize(
    ("raised", "error_type"),
    [
        (httpx2.ConnectError("x"), "provider_unavailable"),
        (httpx2.ReadError("x"), "provider_unavailable"),
        (httpx2.RemoteProtocolError("x"), "provider_unavailable"),
        (httpx2.ConnectTimeout("x"), "timeout"),
    ],
)
async def test_another_transports_errors(streamed: bool, raised: Exception, error_type: str) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise raised

    upstream = HttpUpstream(
        [ACME],
        {"acme": KEY},
        transport=httpx2.MockTransport(refuse),
    )
    assert (await failing(upstream, endpoint(None), streamed=streamed)).error_type == error_type


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@both
@pytest.mark.parametrize("value", [nested(2000), "\ud800"])
async def test_a_body_that_is_no_json_is_the_clients_fault(streamed: bool, value: Any) -> None:
    upstream = HttpUpstream([ACME], {"acme": KEY})
    asked = replace(REQUEST, parameters={"logit_bias": value}, stream=streamed)
    with pytest.raises(InvalidRequest):
        await (anext(upstream.stream(asked, endpoint(None))) if streamed else upstream.complete(asked, endpoint(None)))
    await upstream.aclose()


async def test_a_fault_of_our_own_is_not_hidden() -> None:
    def fault(request: httpx2.Request) -> httpx2.Response:
        raise ZeroDivisionError

    upstream = HttpUpstream([ACME], {"acme": KEY}, transport=httpx2.MockTransport(fault))
    with pytest.raises(ZeroDivisionError):
        await batches(upstream, endpoint(None))


ANSWERED = STREAM + chunked(event("Hi"), event(None, "stop"), DONE) + END


def answered(streamed: bool) -> Script:
    return answering(ANSWERED if streamed else response(ANSWER))


@dataclass
class Rotating:
    """A token source whose token is another one each time."""

    error: UpstreamError | None = None
    given: list[str] = field(default_factory=list)

    async def token(self) -> str:
        if self.error:
            raise self.error
        self.given.append(f"ya29.secret-token-{len(self.given)}")
        return self.given[-1]


@both
async def test_a_token_goes_before_the_key(streamed: bool) -> None:
    source = Rotating()
    async with serving(answered(streamed), tokens={"acme": source}) as (server, upstream):
        for _ in range(2):
            await ask(upstream, endpoint(server), replace(REQUEST, stream=streamed))
        sent = [line for seen in server.requests for line in seen.head.split("\r\n") if "uthorization" in line]
    assert [line.partition(" ")[2] for line in sent] == [f"Bearer {token}" for token in source.given]
    assert len(source.given) == 2


@both
async def test_the_token_that_was_sent_shows_in_no_error(streamed: bool) -> None:
    source = Rotating()

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        # Meanwhile another request has got the next token.
        await source.token()
        told = orjson.dumps({"error": {"message": f"Bad request with {source.given[0]}"}})
        writer.write(response(told, 400))

    async with serving(script, tokens={"acme": source}) as (server, upstream):
        error = await failing(upstream, endpoint(server), streamed=streamed)
    assert error.message == "Bad request with [credential]"


@both
async def test_without_a_token_nothing_is_sent(streamed: bool) -> None:
    source = Rotating(failure("acme", 401))
    async with serving(answered(streamed), tokens={"acme": source}) as (server, upstream):
        error = await failing(upstream, endpoint(server), streamed=streamed)
        assert (error.upstream_status, error.retryable, server.connections) == (401, True, 0)


@dataclass(frozen=True)
class SignedAdapter(OpenAICompatibleAdapter):
    """One whose requests are signed, as Bedrock's are."""

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> built.ProviderRequest:
        url = f"{endpoint.base_url}/model/acme.chat-1%3A0/converse"
        body = {"messages": list(request.messages), "max_tokens": 1.5}
        return built.ProviderRequest(
            url, {"content-type": "application/json"}, body, built.Signing("bedrock", "eu-west-1")
        )


def signed(provider: Provider, wire: str | None) -> ProviderAdapter:
    return SignedAdapter(provider.slug)


@dataclass
class Signed:
    """Signs with what it was given, so that a test can compare it with what was sent."""

    error: UpstreamError | None = None
    calls: list[tuple[str, dict[str, str], bytes, Signing]] = field(default_factory=list)

    def sign(self, url: str, headers: Mapping[str, str], body: bytes, signing: Signing) -> Mapping[str, str]:
        if self.error:
            raise self.error
        self.calls.append((url, dict(headers), body, signing))
        return {
            **headers,
            "authorization": "AWS4-HMAC-SHA256 Signature=abcdef",
            "x-amz-security-token": "session-token",
        }


@both
async def test_what_is_signed_is_what_is_sent(streamed: bool) -> None:
    signer = Signed()
    async with serving(answered(streamed), signer=signer, adapters=signed) as (server, upstream):
        await ask(upstream, endpoint(server), replace(REQUEST, stream=streamed))
        seen = server.requests[0]
    (url, headers, body, signing), *others = signer.calls
    assert not others
    assert url == f"http://127.0.0.1:{server.port}/v1/model/acme.chat-1%3A0/converse"
    assert headers == {"host": f"127.0.0.1:{server.port}", "content-type": "application/json"}
    assert (signing.service, signing.region) == ("bedrock", "eu-west-1")
    sent = dict(line.split(": ", 1) for line in seen.head.lower().strip().split("\r\n")[1:])
    assert seen.head.split(" ")[1] == "/v1/model/acme.chat-1%3A0/converse"
    assert orjson.dumps(seen.body) == body
    assert sent == {
        **headers,
        "authorization": "aws4-hmac-sha256 signature=abcdef",
        "x-amz-security-token": "session-token",
        "accept-encoding": "identity",
        "user-agent": "turnpike",
        "content-length": str(len(body)),
    }


@both
async def test_a_signature_shows_in_no_error(streamed: bool) -> None:
    told = orjson.dumps({"error": {"message": "It was signed: x-amz-security-token:session-token"}})
    async with serving(answering(response(told, 400)), signer=Signed(), adapters=signed) as (server, upstream):
        error = await failing(upstream, endpoint(server), streamed=streamed)
    assert error.message == "It was signed: x-amz-security-token:[credential]"


@both
@pytest.mark.parametrize("signer", [None, Signed(failure("acme", 401))])
async def test_without_a_signature_nothing_is_sent(streamed: bool, signer: Signed | None) -> None:
    async with serving(answered(streamed), signer=signer, adapters=signed) as (server, upstream):
        error = await failing(upstream, endpoint(server), streamed=streamed)
        assert (error.upstream_status, error.retryable, server.connections) == (401, True, 0)


class Library(Fetcher):
    """Has every file at once, or none."""

    def __init__(self, media_type: str = "image/png", takes_s: float = 0.0) -> None:
        super().__init__()
        self.media_type, self.takes_s = media_type, takes_s
        self.asked: list[list[str]] = []
        self.within_s: list[float] = []

    async def fetch_each(self, urls: Iterable[str], *, within_s: float = LONGEST_S) -> Mapping[str, Fetched]:
        self.asked.append(list(urls))
        self.within_s.append(within_s)
        await asyncio.sleep(self.takes_s)
        if not self.media_type:
            raise InvalidRequest("what stands at a.test could not be fetched", field="messages")
        return {url: Fetched(self.media_type, b"content") for url in self.asked[-1]}


@dataclass(frozen=True)
class HelplessAdapter(OpenAICompatibleAdapter):
    """One whose provider fetches nothing."""

    def fetches(self, kind: str, url: str) -> bool:
        return False


def helpless(provider: Provider, wire: str | None) -> ProviderAdapter:
    return HelplessAdapter(provider.slug)


PICTURE = {"type": "image_url", "image_url": {"url": "https://a.test/x.png"}}
PICTURED = replace(REQUEST, messages=[{"role": "user", "content": [PICTURE]}])


@both
async def test_what_a_provider_does_not_fetch_is_sent_as_data(streamed: bool) -> None:
    library = Library()
    async with serving(answered(streamed), fetcher=library, adapters=helpless) as (server, upstream):
        await ask(upstream, endpoint(server), replace(PICTURED, stream=streamed))
        part = server.requests[0].body["messages"][0]["content"][0]
    assert part["image_url"] == {"url": "data:image/png;base64,Y29udGVudA=="}
    assert PICTURED.messages[0]["content"] == [{"type": "image_url", "image_url": {"url": "https://a.test/x.png"}}]
    assert (library.asked, library.within_s) == ([["https://a.test/x.png"]], [15.0])


@both
async def test_what_a_provider_fetches_itself_is_left_to_it(streamed: bool) -> None:
    library = Library("")
    async with serving(answered(streamed), fetcher=library) as (server, upstream):
        await ask(upstream, endpoint(server), replace(PICTURED, stream=streamed))
        assert server.requests[0].body["messages"][0]["content"] == [PICTURE]
    assert library.asked == []


@both
async def test_a_file_that_cannot_be_had_is_the_clients_fault(streamed: bool) -> None:
    async with serving(answered(streamed), fetcher=Library(""), adapters=helpless) as (server, upstream):
        with pytest.raises(InvalidRequest, match=r"messages: what stands at a\.test could not be fetched"):
            await ask(upstream, endpoint(server), replace(PICTURED, stream=streamed))
        assert server.connections == 0


async def test_fetching_takes_from_the_time_to_the_first_token() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        writer.write(ANSWERED)

    library = Library(takes_s=0.2)
    limits = Timeouts(first_token_s=0.4)
    async with serving(script, fetcher=library, adapters=helpless) as (server, upstream):
        began = time.monotonic()
        with pytest.raises(UpstreamError) as caught:
            await ask(upstream, endpoint(server, limits), replace(PICTURED, stream=True))
        assert caught.value.error_type == "timeout"
        assert 0.35 < time.monotonic() - began < 0.5
    assert library.within_s == [0.2]


async def test_an_answer_in_one_piece_has_a_deadline_of_its_own() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(response(ANSWER))

    async with serving(script) as (server, upstream):
        completion = await upstream.complete(REQUEST, endpoint(server, SHORT))
        assert completion.choices[0].message["content"] == "Hello"
        began = time.monotonic()
        with pytest.raises(UpstreamError) as caught:
            await upstream.complete(REQUEST, endpoint(server, Timeouts(whole_s=0.1)))
        assert (caught.value.error_type, caught.value.retryable) == ("timeout", True)
        assert time.monotonic() - began < 0.25


async def test_an_endpoint_may_speak_another_wire_format() -> None:
    built_for: list[tuple[str, str]] = []

    def adapters(provider: Provider, wire: str) -> ProviderAdapter:
        built_for.append((provider.wire, wire))
        return adapter_for(provider, wire)

    async with serving(answering(response(ANSWER)), adapters=adapters) as (server, upstream):
        own = endpoint(server)
        # Mistral's answers are alike.
        other = replace(own, wire="mistral")
        for where in (own, other, own, replace(own, wire="openai_compatible"), other):
            await upstream.complete(REQUEST, where)
        assert built_for == [("openai_compatible", "openai_compatible"), ("openai_compatible", "mistral")]
        with pytest.raises(ValueError, match="morse"):
            await upstream.complete(REQUEST, replace(own, wire="morse"))


async def test_its_own_tools_are_asked_for_in_the_wire_format_that_has_them() -> None:
    chosen: list[str] = []

    def adapters(provider: Provider, wire: str) -> ProviderAdapter:
        chosen.append(wire)
        return adapter_for(provider, "openai_compatible")

    searching = frozenset({"web_search_options"})
    asked = replace(REQUEST, parameters={"web_search_options": {}})
    async with serving(answering(response(ANSWER)), adapters=adapters) as (server, upstream):
        able = replace(endpoint(server), tool_wire="openai_responses", supported_parameters=searching)
        await upstream.complete(REQUEST, able)
        await upstream.complete(asked, replace(able, supported_parameters=frozenset({"tools"})))
        await upstream.complete(asked, replace(able, tool_wire=None))
        assert chosen == ["openai_compatible"]
        await upstream.complete(asked, able)
        await upstream.complete(replace(REQUEST, dialect="responses"), able)
        assert chosen == ["openai_compatible", "openai_responses"]


@both
async def test_what_is_native_to_another_api_is_not_sent(streamed: bool) -> None:
    found = native_part("messages", {"type": "web_search_tool_result", "content": []})
    said = {"role": "assistant", "content": [{"type": "text", "text": "I look. "}, found]}
    asked = replace(REQUEST, messages=[*REQUEST.messages, said, *REQUEST.messages], stream=streamed)
    async with serving(answered(streamed)) as (server, upstream):
        await ask(upstream, endpoint(server), asked)
        assert server.requests[0].body["messages"][1] == {"role": "assistant", "content": "I look. "}


async def test_a_provider_may_come_or_change_while_it_is_served() -> None:
    known: dict[str, Provider] = {}
    async with serving(answering(response(ANSWER)), find_provider=known.__getitem__) as (server, upstream):
        with pytest.raises(KeyError):
            await upstream.complete(REQUEST, endpoint(server))
        known["acme"] = ACME
        await upstream.complete(REQUEST, endpoint(server))
        known["acme"] = replace(ACME, wire="morse")
        with pytest.raises(ValueError, match="morse"):
            await upstream.complete(REQUEST, endpoint(server))


def test_the_port_is_implemented() -> None:
    upstream: Upstream = HttpUpstream([], {})
    assert upstream
