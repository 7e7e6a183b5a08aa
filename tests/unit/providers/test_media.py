"""What stands in a message besides text."""

import base64
from typing import Any

import pytest

from turnpike.domain.errors import InvalidRequest
from turnpike.providers.media import Media, data_url, parse_media, remote_urls

DATA = base64.b64encode(b"\x89PNG").decode()


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def file(**content: Any) -> dict[str, Any]:
    return {"type": "file", "file": content}


@pytest.mark.parametrize(
    ("part", "media"),
    [
        ({"type": "text", "text": "Hello"}, None),
        ({"type": "refusal", "refusal": "No"}, None),
        (image(f"data:image/png;base64,{DATA}"), Media("image_url", "image/png", data=DATA)),
        (
            image("https://x.test/a.jpg?b=c", detail="low"),
            Media("image_url", "image/jpeg", url="https://x.test/a.jpg?b=c", detail="low"),
        ),
        (image("https://x.test/picture"), Media("image_url", None, url="https://x.test/picture")),
        (
            {"type": "input_video", "video_url": {"url": "https://x.test/a.mp4"}},
            Media("video_url", "video/mp4", url="https://x.test/a.mp4"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}},
            Media("input_audio", "audio/mpeg", data=DATA),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": DATA, "format": "aac"}},
            Media("input_audio", "audio/aac", data=DATA),
        ),
        (
            file(filename="a.pdf", file_data=f"data:application/pdf;base64,{DATA}"),
            Media("file", "application/pdf", data=DATA, filename="a.pdf"),
        ),
        (
            file(filename="a.pdf", file_data="https://x.test/b"),
            Media("file", "application/pdf", url="https://x.test/b", filename="a.pdf"),
        ),
        (file(filename="a.pdf", file_data=DATA), Media("file", "application/pdf", data=DATA, filename="a.pdf")),
        (file(file_id="file-1"), Media("file", None, file_id="file-1")),
        (
            file(file_data="data:text/plain;charset=utf-8,Hello"),
            Media("file", "text/plain", data=base64.b64encode(b"Hello").decode()),
        ),
        (
            file(filename="a.csv", file_data="data:;base64,QQ=="),
            Media("file", "text/csv", data="QQ==", filename="a.csv"),
        ),
    ],
)
def test_every_kind_of_part(part: dict[str, Any], media: Media | None) -> None:
    assert parse_media(part) == media


@pytest.mark.parametrize("part", [image("ftp://x.test/a"), image("a.png"), file(filename="a.pdf")])
def test_what_is_neither_an_address_nor_data_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="messages: "):
        parse_media(part)


def test_content_is_what_was_encoded() -> None:
    media = parse_media(image(data_url("image/png", b"\x00\xff")))
    assert media is not None
    assert media.content == b"\x00\xff"
    with pytest.raises(InvalidRequest, match="not base64"):
        _ = Media("image_url", None, data="A").content


def test_addresses_of_a_conversation() -> None:
    messages = [
        {"role": "system", "content": "https://x.test/none.png"},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, image("https://x.test/a.png")]},
        {"role": "assistant", "content": None},
        {
            "role": "tool",
            "tool_call_id": "1",
            "content": [image(f"data:image/png;base64,{DATA}"), image("http://x.test/b")],
        },
    ]
    assert [media.url for media in remote_urls(messages)] == ["https://x.test/a.png", "http://x.test/b"]
