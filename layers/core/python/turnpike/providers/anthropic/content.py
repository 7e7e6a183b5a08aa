"""Parts of a message as Anthropic's content blocks: https://platform.claude.com/docs/en/build-with-claude/vision,
https://platform.claude.com/docs/en/build-with-claude/pdf-support.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import PART
from turnpike.providers.caching import cache_ttl
from turnpike.providers.media import Media, parse_media
from turnpike.providers.sniff import sniff_media_type

Block = dict[str, Any]

_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml", "application/x-ndjson"})
"""Beside `text/…`."""


def fetches(kind: str, url: str) -> bool:
    """Images and PDFs are got by the API itself, over https alone; of other files it takes the text only."""
    if not url.lower().startswith("https://"):
        return False
    return kind == "image_url" or (kind == "file" and _path(url).endswith(".pdf"))


def build_blocks(content: str | Iterable[Mapping[str, Any]] | None) -> list[Block]:
    """Without texts that are blank, which are refused: "text content blocks must contain non-whitespace text".

    Raises InvalidRequest for what no Claude can read.
    """
    if content is None or isinstance(content, str):
        return [text_block(content)] if content and not content.isspace() else []
    return [_marked(block, part) for part in content if (block := _block(part)) is not None]


def build_texts(content: str | Iterable[Mapping[str, Any]] | None) -> list[Block]:
    """The texts alone, for messages that can hold nothing else."""
    parts = content if content is None or isinstance(content, str) else [p for p in content if p.get("type") == "text"]
    return build_blocks(parts)


def text_block(text: str) -> Block:
    return {"type": "text", "text": text}


def cache_mark(ttl: str) -> Mapping[str, str]:
    """https://platform.claude.com/docs/en/build-with-claude/prompt-caching; five minutes need not be said."""
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}


def _marked(block: Block, part: Mapping[str, Any]) -> Block:
    ttl = cache_ttl(part)
    if ttl is not None:
        block["cache_control"] = cache_mark(ttl)
    return block


def _block(part: Mapping[str, Any]) -> Block | None:
    if part.get("type") == "text":
        text = part["text"]
        return text_block(text) if text and not text.isspace() else None
    if part.get("type") == PART:
        # Of this API: what is of others does not come here. A mark may be taken away again.
        return dict(part["item"])
    media = parse_media(part)
    return None if media is None else _media_block(media)


def _media_block(media: Media) -> Block:
    if media.file_id is not None:
        # It would name a file of this deployment's account, which is not the client's.
        raise InvalidRequest("files can be sent as file_data only to this model, not as file_id", field="messages")
    if media.url is not None:
        kind = "image" if media.kind == "image_url" else "document"
        return _titled({"type": kind, "source": {"type": "url", "url": media.url}}, media)
    media_type = (media.media_type or sniff_media_type(media.content) or "").lower()
    if media_type.startswith("image/"):
        # "image/jpg" is no type, though many write it.
        return {"type": "image", "source": _data(media, media_type.replace("/jpg", "/jpeg"))}
    if media_type == "application/pdf":
        return _titled({"type": "document", "source": _data(media, media_type)}, media)
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        text = media.content.decode("utf-8-sig", "replace")
        return _titled(
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}, media
        )
    raise InvalidRequest(
        f"a part of type {media.kind} with {media_type or 'unknown'} content cannot be read by this model",
        field="messages",
    )


def _data(media: Media, media_type: str) -> Mapping[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": media.data}


def _titled(block: Block, media: Media) -> Block:
    if block["type"] == "document" and media.filename:
        block["title"] = media.filename
    return block


def _path(url: str) -> str:
    return url.partition("?")[0].partition("#")[0].lower()
