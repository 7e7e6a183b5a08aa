"""Files whose pages are still to be recognised: how many pages there are is known, and what is on them is not."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from turnpike.domain.file_texts import FileText, Place, file_text_of
from turnpike.domain.money import NanoUsd
from turnpike.ports.plugins import Ocr

_TOKENS_PER_PAGE = 1_000
"""A page full of text has some 700 words."""


@dataclass(frozen=True, slots=True)
class Scan:
    name: str
    content: bytes = field(repr=False)
    pages: int


@dataclass(slots=True)
class Recognition:
    """Each file is recognised once, wherever it stands."""

    page_price: NanoUsd
    known: Mapping[Place, FileText]
    """What the client sent along."""
    places: Mapping[Place, str]
    """Of the others, by the hash of what is there."""
    scans: Mapping[str, Scan]
    is_done: bool = False

    @property
    def tokens(self) -> int:
        return self._pages * _TOKENS_PER_PAGE

    @property
    def cost(self) -> NanoUsd:
        """Of all pages."""
        return NanoUsd(self._pages * self.page_price)

    async def finish(self, ocr: Ocr) -> Mapping[Place, FileText]:
        """Raises InvalidRequest, OcrFailed."""
        found = {
            key: file_text_of(scan.content, scan.name, await ocr(scan.content)) for key, scan in self.scans.items()
        }
        self.is_done = True
        return {**self.known, **{place: found[key] for place, key in self.places.items()}}

    @property
    def _pages(self) -> int:
        return sum(scan.pages for scan in self.scans.values())
