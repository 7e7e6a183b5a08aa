"""Images over the HTTP client: in parts as they come, and images to go by from where they stand."""

import asyncio
import base64
from dataclasses import replace
from typing import Any

import orjson
import pytest

from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.images import ImageRequest, PartialImage

from tests.unit.providers.test_upstream import (
    END,
    SHORT,
    STREAM,
    Library,
    Seen,
    answering,
    chunked,
    endpoint,
    response,
    serving,
)

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"
DATA = base64.b64encode(PNG).decode()
USAGE = {"input_tokens": 1, "output_tokens": 2}
WHOLE = orjson.dumps({"data": [{"b64_json": DATA}], "usage": USAGE})
PARAMETERS = frozenset({"stream", "input_references"})


def event(kind: str, data: str, **members: Any) -> bytes:
    return b"data: " + orjson.dumps({"type": f"image_generation.{kind}", "b64_json": data, **members}) + b"\n\n"


PARTIAL, COMPLETED = event("partial_image", "AAAA", partial_image_index=0), event("completed", DATA, usage=USAGE)


def asked(**changes: Any) -> ImageRequest:
    return ImageRequest(**({"models": ("acme/chat",), "prompt": "A panda"} | changes))


def where(server: Any, **changes: Any) -> Any:
    return replace(endpoint(server), supported_parameters=PARAMETERS, **changes)


async def test_a_part_is_there_before_the_rest_is_sent() -> None:
    shown = asyncio.Event()
    parts: list[PartialImage] = []

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        assert seen.body["stream"] is True
        writer.write(STREAM + chunked(PARTIAL))
        await writer.drain()
        await shown.wait()
        writer.write(chunked(COMPLETED) + END)

    async def show(part: PartialImage) -> None:
        parts.append(part)
        shown.set()

    async with serving(script) as (server, upstream):
        result = await upstream.perform(asked(stream=True), where(server), show)
    assert parts == [PartialImage("AAAA", 0)]
    assert [image.data for image in result.images] == [DATA]
    assert result.usage is not None
    assert result.usage.completion_tokens == 2


@pytest.mark.parametrize("on_part", [None, "show"])
async def test_who_does_not_stream_is_read_in_one_piece(on_part: str | None) -> None:
    async def show(part: PartialImage) -> None:
        raise AssertionError("nothing is shown")

    async with serving(answering(response(WHOLE))) as (server, upstream):
        plain = where(server) if on_part is None else replace(endpoint(server), supported_parameters=frozenset({"n"}))
        result = await upstream.perform(asked(), plain, show if on_part else None)
    assert [image.data for image in result.images] == [DATA]


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (answering(response(b'{"error":{"message":"busy"}}', 503)), 503),
        (answering(STREAM + chunked(PARTIAL)), None),
        (answering(STREAM + chunked(PARTIAL) + END), None),
    ],
)
async def test_what_breaks_off_is_a_failure(script: Any, status: int | None) -> None:
    async def show(part: PartialImage) -> None:
        pass

    async with serving(script) as (server, upstream):
        served = where(server, timeouts=replace(SHORT, whole_s=0.3))
        with pytest.raises(UpstreamError) as caught:
            await upstream.perform(asked(stream=True), served, show)
    assert caught.value.upstream_status == status
    assert caught.value.__context__ is None


async def test_an_image_to_go_by_is_fetched() -> None:
    library = Library("image/png")
    reference = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    async with serving(answering(response(WHOLE)), fetcher=library) as (server, upstream):
        chats = replace(endpoint(server), supported_parameters=frozenset({"modalities", "input_references"}))
        chat = orjson.dumps(
            {"choices": [{"message": {"images": [{"image_url": {"url": f"data:image/png;base64,{DATA}"}}]}}]}
        )
        server.script = answering(response(chat))
        await upstream.perform(asked(references=[reference]), chats)
        [_, image] = server.requests[0].body["messages"][0]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


async def test_what_cannot_be_fetched_is_told_by_its_field() -> None:
    reference = {"type": "image_url", "image_url": {"url": "https://example.com/b.pdf"}}
    library = Library("application/pdf")
    async with serving(answering(response(WHOLE)), fetcher=library) as (server, upstream):
        with pytest.raises(InvalidRequest, match=r"^input_references: a part of the type image_url points at"):
            await upstream.perform(asked(references=[reference]), where(server))
    assert server.requests == []
