"""Reading PDFs, hostile ones included: none may take more than it is given, and the process that reads is the only
one that is lost.
"""

import io
import time

import pytest
from pypdf import PdfReader, PdfWriter

from turnpike.domain.errors import InvalidRequest
from turnpike.providers.pdf_reader import ProcessPdfReader

from tests.contracts.pdf_reader import PdfReaderContract
from tests.pdfs import FakePdfReader, pdf, put_together

MEMORY_BYTES = 160 * 1024 * 1024
_MANY = b"BT " + b"/F1 12 Tf (A) Tj " * 2_000_000 + b"ET"
_PAGES = b"<< /Type /Catalog /Pages 2 0 R >>"


@pytest.fixture(scope="module")
def reader() -> ProcessPdfReader:
    return ProcessPdfReader({}, memory_bytes=MEMORY_BYTES)


class TestProcessPdfReader(PdfReaderContract):
    pass


class TestFakePdfReader(PdfReaderContract):
    @pytest.fixture
    def reader(self) -> FakePdfReader:
        return FakePdfReader()


HOSTILE = {
    # 68 kB that become 70 MB.
    "bomb": pdf(streams=[b"BT (" + b"A" * 70_000_000 + b") Tj ET"]),
    "endless instructions": pdf(streams=[_MANY]),
    "a page that is its own child": put_together([_PAGES, b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"]),
    "contents that contain themselves": put_together(
        [
            _PAGES,
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>",
            b"[4 0 R 4 0 R]",
        ]
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_its_process_alone(name: str, reader: ProcessPdfReader) -> None:
    began = time.monotonic()
    with pytest.raises(InvalidRequest, match="a PDF cannot be read"):
        reader(HOSTILE[name], within_s=2)
    # What it may take, and a moment to end it.
    assert time.monotonic() - began < 10


def test_what_is_too_long_is_said(reader: ProcessPdfReader) -> None:
    with pytest.raises(InvalidRequest, match="more than 1,000 pages"):
        reader(pdf(*["x"] * 1_001), within_s=20)


def test_a_password_is_asked_of_nobody(reader: ProcessPdfReader) -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("Hello"))))
    writer.encrypt(user_password="secret", algorithm="AES-256")
    sealed = io.BytesIO()
    writer.write(sealed)
    with pytest.raises(InvalidRequest, match="protected by a password"):
        reader(sealed.getvalue(), within_s=20)


def test_nothing_larger_than_may_be_fetched_is_read() -> None:
    began = time.monotonic()
    with pytest.raises(InvalidRequest, match="larger than 20 MB"):
        ProcessPdfReader({})(b"%PDF-1.7" + bytes(21 * 1024 * 1024), within_s=20)
    assert time.monotonic() - began < 1, "no process is started for it"
