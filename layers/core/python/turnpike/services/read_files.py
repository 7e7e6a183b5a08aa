"""Read the PDFs of a conversation, once each, unless the client brought what was read of them before."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from turnpike.domain.chat import FileParsing, Message
from turnpike.domain.errors import ErrorType, ServiceError
from turnpike.domain.file_texts import (
    FileText,
    Place,
    check_count,
    file_text_of,
    files_in,
    hash_of,
    known_files,
    may_be_pdf,
    name_of,
)
from turnpike.domain.money import NanoUsd
from turnpike.ports.plugins import FileSource, PdfReader
from turnpike.services.recognition import Recognition, Scan

Found = TypeVar("Found")

_WITHIN_S = 20.0
"""For all files of a request: an invocation has better things to do, and its client waits."""
_MOST_AT_ONCE = 2
"""In one environment; each file is given its share of the memory."""


class FilesBusy(ServiceError):
    status = 503
    error_type: ErrorType = "provider_overloaded"
    retry_after_s = 1


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """Use one for all requests: it bounds how many files are read at a time."""

    source: FileSource
    read_pdf: PdfReader
    limiter: CapacityLimiter
    within_s: float = _WITHIN_S

    @classmethod
    def of(cls, source: FileSource, read_pdf: PdfReader) -> "ReadFiles":
        return cls(source, read_pdf, CapacityLimiter(_MOST_AT_ONCE))

    async def __call__(self, messages: Sequence[Message], parsing: FileParsing) -> Mapping[Place, FileText]:
        """The text of each file that may be a PDF. Raises InvalidRequest, FilesBusy."""
        known = dict(known_files(messages))
        deadline = time.monotonic() + self.within_s
        texts: dict[Place, FileText] = {}
        for place, part, content in await self._find(messages, parsing):
            key = hash_of(content)
            if key not in known:
                text = await self._run(self.read_pdf, content, deadline)
                known[key] = file_text_of(content, name_of(part), text)
            texts[place] = known[key]
        return texts

    async def scan(self, messages: Sequence[Message], parsing: FileParsing, page_price: NanoUsd) -> Recognition:
        """The same files, with their pages counted. Raises InvalidRequest, FilesBusy."""
        known = known_files(messages)
        deadline = time.monotonic() + self.within_s
        texts: dict[Place, FileText] = {}
        places: dict[Place, str] = {}
        scans: dict[str, Scan] = {}
        for place, part, content in await self._find(messages, parsing):
            key = hash_of(content)
            if key in known:
                texts[place] = known[key]
                continue
            if key not in scans:
                scans[key] = Scan(name_of(part), content, await self._run(self.read_pdf.count_pages, content, deadline))
            places[place] = key
        return Recognition(page_price, texts, places, scans)

    async def _find(
        self, messages: Sequence[Message], parsing: FileParsing
    ) -> list[tuple[Place, Mapping[str, Any], bytes]]:
        found = [(place, part) for place, part in files_in(messages) if may_be_pdf(part)]
        check_count(len(found), parsing.max_files)
        contents = await self.source([part for _, part in found])
        return [(place, part, content) for (place, part), content in zip(found, contents, strict=True)]

    async def _run(self, read: Callable[..., Found], content: bytes, deadline: float) -> Found:
        # What came before may have used up the time, which the reader then says.
        within_s = max(0.0, deadline - time.monotonic())
        token = object()
        try:
            async with asyncio.timeout(within_s):
                await self.limiter.acquire_on_behalf_of(token)
        except TimeoutError:
            raise FilesBusy("Too many other files are being read just now; try again in a moment") from None
        try:
            # To its end even when nobody waits for it any more: it ends by itself, and within its limits.
            return await run_sync(partial(read, content, within_s=max(0.0, deadline - time.monotonic())))
        finally:
            self.limiter.release_on_behalf_of(token)
