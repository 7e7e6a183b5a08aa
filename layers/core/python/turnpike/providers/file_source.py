"""Gets the files of messages: from the messages themselves, or from where they stand on the web."""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.errors import InvalidRequest
from turnpike.providers.fetch import Fetcher
from turnpike.providers.media import parse_media


class WebFileSource:
    """Implements the port `FileSource`."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def __call__(self, parts: Sequence[Mapping[str, Any]]) -> Sequence[bytes]:
        found = [parse_media(part) for part in parts]
        urls = [media.url for media in found if media is not None and media.url]
        fetched = await self._fetcher.fetch_each(urls) if urls else {}
        contents: list[bytes] = []
        for media in found:
            if media is None or media.file_id:
                raise InvalidRequest("a file is read here only where its content is sent along", field="messages")
            contents.append(fetched[media.url].content if media.url else media.content)
        return contents
