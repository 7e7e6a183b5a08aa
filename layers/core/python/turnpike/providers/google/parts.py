"""What a message is made of, as Gemini's parts: https://ai.google.dev/api/caching#Part."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from turnpike.providers.google.models import Model
from turnpike.providers.google.quirks import FILES, YOUTUBE
from turnpike.providers.media import Media, parse_media

Part = dict[str, Any]

_LIKELY = {"image_url": "image/jpeg", "video_url": "video/mp4", "input_audio": "audio/wav", "file": "application/pdf"}
"""What a part without a media type is taken for: Gemini wants one for whatever it gets."""

# Models read text as text, whatever it is written in; Vertex AI refuses the other names for it.
_TEXTS = ("text/", "application/json", "application/xml")

_RESOLUTIONS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}
"""https://ai.google.dev/gemini-api/docs/media-resolution: of single parts, since Gemini 3."""

_BUCKET = "gs://"


def is_youtube(url: str) -> bool:
    return urlsplit(url).hostname in YOUTUBE


def build_parts(content: Any, model: Model) -> list[Part]:
    """Of a message's content; empty texts are left out, since Gemini answers 400 to them."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    return [part for each in content or () if (part := _part(each, model)) is not None]


def build_images(message: Mapping[str, Any], model: Model) -> Iterator[tuple[int, Part]]:
    """Images of an earlier answer, with their places; those that are not data cannot go back."""
    for place, image in enumerate(message.get("images") or ()):
        if isinstance(image, dict) and str((image.get("image_url") or {}).get("url")).startswith("data:"):
            part = _part({"type": "image_url", **image}, model)
            if part is not None:
                yield place, part


def _part(given: Mapping[str, Any], model: Model) -> Part | None:
    if given.get("type") == "text":
        return {"text": given["text"]} if given["text"] else None
    media = _bucket_file(given) or parse_media(given)
    if media is None:
        return None
    part = _data(media) if media.data is not None else _file(media)
    resolution = _RESOLUTIONS.get(media.detail or "")
    if resolution is not None and model.is_third:
        part["mediaResolution"] = {"level": resolution}
    return part


def _bucket_file(given: Mapping[str, Any]) -> Media | None:
    """Vertex AI reads Google Cloud's buckets, which no other provider has addresses for."""
    kind = str(given.get("type"))
    place = given.get("video_url" if kind == "input_video" else kind)
    if not isinstance(place, dict):
        return None
    for name in ("url", "file_data", "file_id"):
        url = place.get(name)
        if isinstance(url, str) and url.startswith(_BUCKET):
            # The name says what it is as it would anywhere else.
            named = parse_media({"type": "image_url", "image_url": {"url": f"https://{url.removeprefix(_BUCKET)}"}})
            return Media(kind, None if named is None else named.media_type, url=url)
    return None


def _data(media: Media) -> Part:
    media_type = media.media_type or _LIKELY[media.kind]
    if media_type.startswith(_TEXTS):
        media_type = "text/plain"
    return {"inlineData": {"mimeType": media_type, "data": media.data}}


def _file(media: Media) -> Part:
    uri = media.url or media.file_id or ""
    file: Part = {"fileUri": uri}
    if media.media_type:
        file["mimeType"] = media.media_type
    elif media.url and not uri.startswith(FILES):
        # Google knows the types of its own files only.
        file["mimeType"] = _LIKELY[media.kind]
    return {"fileData": file}
