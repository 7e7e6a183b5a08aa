"""What plugins ask besides the provider."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.web_search import Query, SearchResult


class SearchEngine(Protocol):
    """Searches the web."""

    async def __call__(self, query: "Query") -> "Sequence[SearchResult]":
        """No more than were asked for, the best first. Raises SearchFailed."""


class Moderator(Protocol):
    """Says what of a text is not fit to be sent."""

    async def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[str]]:
        """For each of the texts the names of what it is flagged for, empty where it is not. Raises ModerationFailed."""


class FileSource(Protocol):
    """Gets files of messages, wherever they are."""

    async def __call__(self, parts: Sequence[Mapping[str, Any]]) -> Sequence[bytes]:
        """The content of each of these parts of the type `file`. Raises InvalidRequest."""


class PdfReader(Protocol):
    """Reads PDFs, which may be hostile."""

    def __call__(self, content: bytes, *, within_s: float) -> str:
        """The text of all of its pages. Raises InvalidRequest for what cannot be read, or not within limits."""

    def count_pages(self, content: bytes, *, within_s: float) -> int:
        """Also of pages without text. Raises InvalidRequest."""


class Ocr(Protocol):
    """Recognises the text of pages that are pictures, at a price for each page."""

    async def __call__(self, content: bytes) -> str:
        """Of a PDF, all of its pages. Raises InvalidRequest for a file that it cannot read, OcrFailed."""
