"""What every reader of PDFs does."""

import pytest

from turnpike.domain.errors import InvalidRequest
from turnpike.ports.plugins import PdfReader

from tests.pdfs import pdf


class PdfReaderContract:
    """Subclasses have a fixture `reader`."""

    def test_it_reads_page_by_page(self, reader: PdfReader) -> None:
        assert reader(pdf("First page", "Second page"), within_s=20) == "First page\n\nSecond page"

    @pytest.mark.parametrize("content", [b"Hello", b"", pdf(streams=[b"q Q"])])
    def test_what_has_no_text_is_refused(self, reader: PdfReader, content: bytes) -> None:
        with pytest.raises(InvalidRequest, match="a PDF cannot be read"):
            reader(content, within_s=20)

    def test_without_time_it_reads_nothing(self, reader: PdfReader) -> None:
        with pytest.raises(InvalidRequest, match="a PDF cannot be read"):
            reader(pdf("Hello"), within_s=0)

    def test_it_counts_pages_with_or_without_text(self, reader: PdfReader) -> None:
        assert reader.count_pages(pdf("One", "Two", streams=[b"q Q"]), within_s=20) == 3
        with pytest.raises(InvalidRequest, match="a PDF cannot be read"):
            reader.count_pages(b"Hello", within_s=20)
