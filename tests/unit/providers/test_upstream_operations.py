"""What is no chat, over the HTTP client: several requests for one, limits of time, and what errors may repeat."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from turnpike.domain.catalog import Timeouts
from turnpike.domain.chat import ProviderPreferences
from turnpike.domain.embeddings import EmbeddingRequest
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.providers.upstream import HttpUpstream

from tests.unit.providers.test_upstream import KEY, Seen, endpoint, response, serving

pytestmark = pytest.mark.anyio


def asked(*inputs: Any, **changes: Any) -> EmbeddingRequest:
    return EmbeddingRequest(models=("acme/embed",), inputs=inputs or ("Hello",), **changes)


def vectors(*values: float) -> bytes:
    return orjson.dumps({"data": [{"embedding": [value]} for value in values]})


async def failing(upstream: HttpUpstream, request: EmbeddingRequest, where: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await upstream.perform(request, where)
    # The library's own errors hold the request, and with it the credential and what was sent.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


@dataclass
class CohereServer:
    """Answers each text with its number, and counts how many requests it has at once."""

    running: int = 0
    most: int = 0
    refuses: str = ""
    hangs: str = ""

    async def __call__(self, seen: Seen, writer: asyncio.StreamWriter) -> None:
        texts = seen.body["texts"]
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0.005)
            if self.hangs in texts:
                await asyncio.Event().wait()
            if self.refuses in texts:
                writer.write(response(orjson.dumps({"message": f"rate limit of {KEY}"}), 429))
                return
            embeddings = {"float": [[float(text)] for text in texts]}
            meta = {"billed_units": {"input_tokens": len(texts)}}
            writer.write(response(orjson.dumps({"embeddings": embeddings, "meta": meta})))
        finally:
            self.running -= 1


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


async def test_what_is_too_much_at_once_is_asked_for_in_parts_a_few_at_a_time() -> None:
    answers = CohereServer()
    async with serving(answers) as (server, upstream):
        where = replace(endpoint(server), wire="cohere")
        result = await upstream.perform(asked(*numbers(96 * 20 + 1)), where)
        assert result.vectors == [[float(number)] for number in range(96 * 20 + 1)]
        assert result.usage is not None
        assert result.usage.prompt_tokens == 96 * 20 + 1
        assert len(server.requests) == 21
    assert answers.most == 8


async def test_a_part_that_fails_fails_them_all_without_the_credential() -> None:
    async with serving(CohereServer(refuses="100", hangs="500")) as (server, upstream):
        error = await failing(upstream, asked(*numbers(600)), replace(endpoint(server), wire="cohere"))
        assert (error.error_type, error.upstream_status) == ("rate_limit_exceeded", 429)
        assert "[credential]" in error.message
        assert KEY not in error.message
        # The one that was still waited for.
        await asyncio.wait_for(server.hung_up.wait(), 1)


async def test_all_parts_together_take_no_longer_than_one_may() -> None:
    async with serving(CohereServer(hangs="100")) as (server, upstream):
        where = replace(endpoint(server, Timeouts(whole_s=0.1)), wire="cohere")
        assert (await failing(upstream, asked(*numbers(200)), where)).error_type == "timeout"


async def test_an_answer_that_is_none_is_the_providers_fault() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"<html>"))

    async with serving(script) as (server, upstream):
        with pytest.raises(UpstreamError) as caught:
            await upstream.perform(asked(), endpoint(server))
        assert caught.value.retryable


async def test_the_clients_options_are_added_and_replace_nothing() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(response(vectors(1.0)))

    options = {"acme": {"truncate": "END", "input": "other", "dimensions": 3, "encoding_format": "base64", "n": 9}}
    async with serving(script) as (server, upstream):
        await upstream.perform(asked(provider=ProviderPreferences(options=options)), endpoint(server))
        assert server.requests[0].body == {"model": "chat-1", "input": ["Hello"], "truncate": "END"}


async def test_what_the_client_sent_wrong_is_not_sent() -> None:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nothing should come")

    async with serving(script) as (server, upstream):
        with pytest.raises(InvalidRequest) as caught:
            await upstream.perform(asked([{"type": "text", "text": "a"}]), endpoint(server))
        # Another provider may take parts.
        assert caught.value.only_here
        assert server.requests == []


@pytest.mark.parametrize(
    ("wire", "offers"), [(None, True), ("cohere", True), ("anthropic", False), ("openai_responses", False)]
)
async def test_a_wire_format_offers_what_it_can(wire: str | None, offers: bool) -> None:
    async with serving(lambda seen, writer: asyncio.sleep(0)) as (server, upstream):
        assert upstream.offers("embeddings", replace(endpoint(server), wire=wire)) is offers
        assert not upstream.offers("video", replace(endpoint(server), wire=wire))  # type: ignore[arg-type]  # Nobody's.
