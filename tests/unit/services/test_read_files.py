"""Reading the files of a conversation: how many at a time, and for how long."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from turnpike.domain.chat import FileParsing
from turnpike.services.read_files import FilesBusy, ReadFiles

from tests.pdfs import file_part, pdf

pytestmark = pytest.mark.anyio


class SlowReader:
    """Reads when it is let, and knows how many files were being read at once."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.full = threading.Event()
        """Set once two files are being read."""
        self.times: list[float] = []
        self._lock = threading.Lock()
        self._reading = self.most = 0

    def __call__(self, content: bytes, *, within_s: float) -> str:
        with self._lock:
            self.times.append(within_s)
            self._reading += 1
            self.most = max(self.most, self._reading)
        if self.most > 1:
            self.full.set()
        self.let.wait(10)
        with self._lock:
            self._reading -= 1
        return f"text {len(self.times)}"

    def count_pages(self, content: bytes, *, within_s: float) -> int:
        raise AssertionError("nobody asks for it here")


async def given(parts: Sequence[Mapping[str, Any]]) -> Sequence[bytes]:
    """A source that knows its files by their names."""
    return [part["file"]["filename"].encode() for part in parts]


def asking(*names: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [file_part(pdf("x"), name) for name in names]}]


async def test_two_files_are_read_at_a_time_and_others_wait() -> None:
    reader = SlowReader()
    read = ReadFiles.of(given, reader)
    tasks = [asyncio.create_task(read(asking(f"{n}.pdf"), FileParsing())) for n in range(5)]
    await asyncio.to_thread(reader.full.wait, 10)
    reader.let.set()
    found = await asyncio.gather(*tasks)
    assert [len(texts) for texts in found] == [1] * 5
    assert (reader.most, len(reader.times)) == (2, 5)


async def test_who_waits_too_long_is_told_to_come_back() -> None:
    reader = SlowReader()
    read = ReadFiles(given, reader, ReadFiles.of(given, reader).limiter, within_s=0.05)
    first = [asyncio.create_task(read(asking(f"{n}.pdf"), FileParsing())) for n in range(2)]
    await asyncio.to_thread(reader.full.wait, 10)
    with pytest.raises(FilesBusy) as caught:
        await read(asking("late.pdf"), FileParsing())
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)
    reader.let.set()
    await asyncio.gather(*first)
    assert len(await read(asking("again.pdf"), FileParsing())) == 1


async def test_all_files_of_a_request_share_its_time() -> None:
    reader = SlowReader()
    reader.let.set()
    await ReadFiles.of(given, reader)(asking("1.pdf", "2.pdf", "3.pdf"), FileParsing())
    assert 20 >= reader.times[0] > reader.times[1] > reader.times[2] > 19


async def test_a_client_that_leaves_frees_its_place() -> None:
    reader = SlowReader()
    read = ReadFiles.of(given, reader)
    tasks = [asyncio.create_task(read(asking(f"{n}.pdf"), FileParsing())) for n in range(2)]
    waiting = asyncio.create_task(read(asking("3.pdf"), FileParsing()))
    await asyncio.to_thread(reader.full.wait, 10)
    waiting.cancel()
    reader.let.set()
    await asyncio.gather(*tasks, waiting, return_exceptions=True)
    assert read.limiter.borrowed_tokens == 0
