"""Puts the files that a provider does not fetch itself into the messages, as data URLs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from turnpike.domain.chat import Message
from turnpike.domain.errors import InvalidRequest
from turnpike.providers.fetch import Fetched, Fetcher
from turnpike.providers.media import data_url

_PLACES = {
    "image_url": ("image_url", "image_url", "url"),
    "video_url": ("video_url", "video_url", "url"),
    "input_video": ("video_url", "video_url", "url"),
    "file": ("file", "file", "file_data"),
}
"""By a part's type: its kind, and the member and the field within it where the address is."""
_FAMILIES = {"image_url": ("image/", "an image"), "video_url": ("video/", "a video")}


class _Place(NamedTuple):
    message: int
    part: int
    kind: str
    member: str
    field: str
    url: str


def has_parts(messages: Sequence[Message]) -> bool:
    """Whether there can be anything to fetch: a look that costs each request next to nothing."""
    for message in messages:  # noqa: SIM110  # A generator would cost more than the look itself.
        if type(message.get("content")) is list:
            return True
    return False


async def with_fetched_media(
    messages: Sequence[Message], fetches: Callable[[str, str], bool], fetcher: Fetcher, *, within_s: float
) -> Sequence[Message]:
    """The messages, with a data URL for each http(s) address that `fetches` (kind, address) does not take over.

    What changes is copied: the messages are the client's own. Raises InvalidRequest.
    """
    places = [place for place in _places(messages) if not fetches(place.kind, place.url)]
    if not places:
        return messages
    found = await fetcher.fetch_each([place.url for place in places], within_s=within_s)
    changed = list(messages)
    for place in places:
        message = changed[place.message]
        parts = list(message["content"])
        parts[place.part] = _with_data(parts[place.part], place, found[place.url])
        changed[place.message] = {**message, "content": parts}
    return changed


def _places(messages: Sequence[Message]) -> Iterator[_Place]:
    for number, message in enumerate(messages):
        content = message.get("content")
        if not isinstance(content, list):
            continue
        for index, part in enumerate(content):
            place = _PLACES.get(part.get("type"))
            if place is None:
                continue
            kind, member, field = place
            url = part[member].get(field)
            # Schemes are in any case: https://www.rfc-editor.org/rfc/rfc3986#section-3.1
            if isinstance(url, str) and url[:8].lower().startswith(("https://", "http://")):
                yield _Place(number, index, kind, member, field, url)


def _with_data(part: dict[str, Any], place: _Place, fetched: Fetched) -> dict[str, Any]:
    family, what = _FAMILIES.get(place.kind, ("", ""))
    if not fetched.media_type.startswith(family):
        raise InvalidRequest(
            f"a part of the type {part['type']} points at {fetched.media_type}, which is not {what}", field="messages"
        )
    file = {**part[place.member], place.field: data_url(fetched.media_type, fetched.content)}
    if place.kind == "file" and not file.get("filename"):
        file["filename"] = _name_in(place.url)
    return {**part, place.member: file}


def _name_in(url: str) -> str:
    """Some providers refuse a file without a name."""
    path = url.partition("#")[0].partition("?")[0].partition("://")[2]
    return path.partition("/")[2].rpartition("/")[2] or "file"
