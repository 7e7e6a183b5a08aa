"""PDFs, made by hand as small as they can be, and read back as far as they were made here."""

import base64
import re
import zlib
from collections.abc import Sequence
from typing import Any

from turnpike.domain.errors import InvalidRequest

_STREAM = re.compile(rb"stream\n(.*?)\nendstream", re.DOTALL)
_SHOWN = re.compile(rb"\((.*?)\) Tj")


def pdf(*pages: str, streams: Sequence[bytes] = ()) -> bytes:
    """A page for each text, or for each of the `streams` that draw one."""
    drawn = [*(f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode() for text in pages), *streams]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(drawn)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(drawn)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, each in enumerate(drawn):
        packed = zlib.compress(each)
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
            b" /Contents %d 0 R >>" % (5 + 2 * n),
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(packed), packed),
        ]
    return put_together(objects)


def put_together(objects: Sequence[bytes]) -> bytes:
    """A file of these objects, of which the first is the catalog."""
    body, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return (
        body
        + b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table)
        + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, len(body))
    )


def file_part(content: bytes, name: str = "paper.pdf") -> dict[str, Any]:
    data = f"data:application/pdf;base64,{base64.b64encode(content).decode()}"
    return {"type": "file", "file": {"filename": name, "file_data": data}}


_PAGE = re.compile(rb"/Type /Page ")


class FakePdfReader:
    """Reads what `pdf` made. `read` counts the files."""

    def __init__(self) -> None:
        self.read = 0

    def count_pages(self, content: bytes, *, within_s: float) -> int:
        self._check(content, within_s)
        pages = len(_PAGE.findall(content))
        if not pages:
            raise InvalidRequest("a PDF cannot be read: it has no pages", field="messages")
        return pages

    def __call__(self, content: bytes, *, within_s: float) -> str:
        self.read += 1
        self._check(content, within_s)
        try:
            streams = [zlib.decompress(stream) for stream in _STREAM.findall(content)]
        except zlib.error:
            streams = []
        texts = [b"".join(_SHOWN.findall(stream)).decode() for stream in streams]
        text = "\n\n".join(filter(None, texts))
        if not text:
            raise InvalidRequest("a PDF cannot be read: it has no text", field="messages")
        return text

    def _check(self, content: bytes, within_s: float) -> None:
        if within_s <= 0:
            raise InvalidRequest("a PDF cannot be read: there is no time left", field="messages")
        if not content.startswith(b"%PDF-"):
            raise InvalidRequest("a PDF cannot be read: it is no PDF", field="messages")
