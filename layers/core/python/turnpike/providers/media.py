"""What a message may hold besides text: images, files, sound and video, by address or as data."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from turnpike.domain.chat import Message
from turnpike.domain.errors import InvalidRequest

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?P<parameters>(?:;[^,;]+)*?)(?P<base64>;base64)?,", re.ASCII)

_AUDIO_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg", "m4a": "audio/mp4"}
_TYPES_BY_SUFFIX = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mpeg": "video/mpeg",
}


@dataclass(frozen=True, slots=True)
class Media:
    """One part of a message that is not text. Exactly one of `url`, `data` (base64) and `file_id` is there."""

    kind: str
    """The part's own type: image_url, file, input_audio or video_url."""
    media_type: str | None
    url: str | None = None
    data: str | None = None
    file_id: str | None = None
    filename: str | None = None
    detail: str | None = None

    @property
    def content(self) -> bytes:
        """Raises InvalidRequest when `data` is no base64."""
        try:
            return base64.b64decode(self.data or "", validate=False)
        except binascii.Error:
            raise InvalidRequest(f"the data of a part of type {self.kind} is not base64", field="messages") from None


def parse_media(part: Mapping[str, Any]) -> Media | None:
    """The part's media; None for text and for types that are not known.

    Raises InvalidRequest for an address that is neither a data URL nor of http(s).
    """
    kind = part.get("type")
    if kind == "image_url":
        image = part["image_url"]
        return _at(kind, image["url"], detail=image.get("detail"))
    if kind in ("video_url", "input_video"):
        return _at("video_url", part["video_url"]["url"])
    if kind == "input_audio":
        audio = part["input_audio"]
        form = str(audio["format"]).lower()
        return Media(kind, _AUDIO_TYPES.get(form, f"audio/{form}"), data=audio["data"])
    if kind == "file":
        file = part["file"]
        filename = file.get("filename")
        if file.get("file_data"):
            return _at(kind, file["file_data"], filename=filename)
        if file.get("file_id"):
            return Media(kind, _guess(filename), file_id=file["file_id"], filename=filename)
        raise InvalidRequest("a file part needs file_data or file_id", field="messages")
    return None


def parse_embedded(part: Mapping[str, Any]) -> tuple[str, str]:
    """(media type, base64) of a part of an input for embeddings that is no text (reference 7.9).

    Raises InvalidRequest for what is at an address, or does not say what it is.
    """
    if part["type"] == "image_url":
        found = _at("image_url", part["image_url"]["url"])
        media_type, data = found.media_type, found.data
    else:
        media = part[part["type"]]
        form = str(media.get("format") or "").lower()
        media_type = _AUDIO_TYPES.get(form) if part["type"] == "input_audio" else _TYPES_BY_SUFFIX.get(form)
        data = media["data"]
        if data.startswith("data:"):
            found = _at(part["type"], data)
            media_type, data = found.media_type, found.data
    if data is None:
        raise InvalidRequest("this model's provider fetches nothing; send the file itself as a data URL", field="input")
    if media_type is None:
        raise InvalidRequest("say what it is: send a data URL, or the format", field="input")
    return media_type, data


def remote_urls(messages: Iterator[Message] | list[Message] | tuple[Message, ...]) -> list[Media]:
    """Every part of the conversation that stands at an http(s) address."""
    found: list[Media] = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            found += [media for part in content if (media := parse_media(part)) is not None and media.url is not None]
    return found


def data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _at(kind: str, address: str, *, filename: str | None = None, detail: str | None = None) -> Media:
    match = _DATA_URL.match(address) if address.startswith("data:") else None
    if match:
        rest = address[match.end() :]
        # A data URL may also hold plain text; all that we send on is base64.
        data = rest if match["base64"] else base64.b64encode(rest.encode()).decode()
        return Media(kind, match["type"] or _guess(filename), data=data, filename=filename, detail=detail)
    if not address.startswith(("https://", "http://")):
        if kind == "file" and ":" not in address[:16]:
            # Clients of OpenAI's early file inputs send bare base64.
            return Media(kind, _guess(filename), data=address, filename=filename)
        raise InvalidRequest("the address of an image, file or video must be https:// or a data URL", field="messages")
    name = filename or address.partition("?")[0].rpartition("/")[2]
    return Media(kind, _guess(name), url=address, filename=filename, detail=detail)


def _guess(filename: str | None) -> str | None:
    return _TYPES_BY_SUFFIX.get((filename or "").rpartition(".")[2].lower())
