"""Images, documents, sound and video as Converse's blocks; their bytes are base64 in JSON.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

import re
from collections.abc import Mapping
from typing import Any

from turnpike.domain.errors import InvalidRequest
from turnpike.providers.media import Media
from turnpike.providers.sniff import sniff_media_type

_OFFICE = "application/vnd.openxmlformats-officedocument."
_FORMATS: Mapping[str, tuple[str, str]] = {
    "image/png": ("image", "png"),
    "image/jpeg": ("image", "jpeg"),
    "image/jpg": ("image", "jpeg"),
    "image/gif": ("image", "gif"),
    "image/webp": ("image", "webp"),
    "application/pdf": ("document", "pdf"),
    "application/json": ("document", "txt"),
    "application/msword": ("document", "doc"),
    "application/vnd.ms-excel": ("document", "xls"),
    "application/xhtml+xml": ("document", "html"),
    "application/xml": ("document", "txt"),
    f"{_OFFICE}wordprocessingml.document": ("document", "docx"),
    f"{_OFFICE}spreadsheetml.sheet": ("document", "xlsx"),
    "text/csv": ("document", "csv"),
    "text/html": ("document", "html"),
    "text/markdown": ("document", "md"),
    "video/mp4": ("video", "mp4"),
    "video/mpeg": ("video", "mpeg"),
    "video/quicktime": ("video", "mov"),
    "video/webm": ("video", "webm"),
    "video/x-flv": ("video", "flv"),
    "video/x-matroska": ("video", "mkv"),
    "video/x-ms-wmv": ("video", "wmv"),
    "video/3gpp": ("video", "three_gp"),
    "audio/mpeg": ("audio", "mp3"),
    "audio/wav": ("audio", "wav"),
    "audio/flac": ("audio", "flac"),
    "audio/ogg": ("audio", "ogg"),
    "audio/mp4": ("audio", "m4a"),
    "audio/m4a": ("audio", "m4a"),
    "audio/aac": ("audio", "aac"),
    "audio/opus": ("audio", "opus"),
    "audio/webm": ("audio", "webm"),
    "audio/pcm": ("audio", "pcm"),
}

# Letters, digits, single spaces, hyphens, parentheses and square brackets.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_LONGEST_NAME = 190
"""Of the 200 characters that a name may have, with room for a number."""


class MediaBlocks:
    """Builds the blocks of one request, in which no two documents may have the same name."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}

    def build(self, media: Media) -> dict[str, Any]:
        """Raises InvalidRequest for what has no form: a file's id, or a type that Bedrock does not know."""
        if media.data is None:
            raise InvalidRequest(
                "Amazon Bedrock takes the content of files, not their ids or addresses", field="messages"
            )
        media_type = (media.media_type or sniff_media_type(media.content) or "").lower()
        fallback = ("document", "txt") if media_type.startswith("text/") else None
        form = _FORMATS.get(media_type, fallback)
        if form is None:
            raise InvalidRequest(f"Amazon Bedrock takes no {media_type or 'files of this type'}", field="messages")
        kind, name = form
        block: dict[str, Any] = {"format": name, "source": {"bytes": media.data}}
        if kind == "document":
            block["name"] = self._name(media.filename)
        return {kind: block}

    def _name(self, filename: str | None) -> str:
        stem = (filename or "").rpartition(".")[0] or filename or ""
        name = _NOT_IN_NAMES.sub(" ", stem).strip()[:_LONGEST_NAME].strip() or "document"
        count = self._names[name] = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name} ({count})"
