"""Reads PDFs in a process of its own for each, which may use so much memory and time and then is killed."""

import json
import subprocess
import sys
from collections.abc import Mapping

from turnpike.domain.errors import InvalidRequest
from turnpike.providers import pdf_worker

_MOST_BYTES = 20 * 1024 * 1024
_PROCESSOR_S = 15
_MEMORY_BYTES = 256 * 1024 * 1024
_MAGIC = b"%PDF-"
_MAGIC_WITHIN = 1024
"""Readers take a file whose header comes this late, and some programs write such files."""

_NATIVE = "or ask a model whose input_modalities have file"
_FAULTS: Mapping[str, str] = {
    "broken": "it is damaged",
    "empty": f"it has no text, as scanned pages have none; send its pages as images, {_NATIVE}",
    "encrypted": "it is protected by a password; send it without one",
    "heavy": f"reading it takes too much time or memory; send a part of it, {_NATIVE}",
    "long": f"it has more than {pdf_worker.MOST_CHARACTERS:,} characters of text; send a part of it",
    "pages": f"it has more than {pdf_worker.MOST_PAGES:,} pages; send a part of it",
    "size": f"it is larger than {_MOST_BYTES // (1024 * 1024)} MB; send a part of it",
    "type": f"it is no PDF, and nothing else is read for models that read no files themselves; send text, {_NATIVE}",
}


class ProcessPdfReader:
    """Implements the port `PdfReader`. It blocks while it reads."""

    def __init__(self, environ: Mapping[str, str], *, memory_bytes: int = _MEMORY_BYTES) -> None:
        """`environ` is what the processes find, besides where modules are: no secret should be in it."""
        self._environ = {**environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
        self._memory_bytes = memory_bytes

    def __call__(self, content: bytes, *, within_s: float) -> str:
        return str(self._run("text", content, within_s))

    def count_pages(self, content: bytes, *, within_s: float) -> int:
        return int(self._run("pages", content, within_s))

    def _run(self, what: str, content: bytes, within_s: float) -> str | int:
        if len(content) > _MOST_BYTES:
            raise _refusal("size")
        if _MAGIC not in content[:_MAGIC_WITHIN]:
            raise _refusal("type")
        # -P: modules come from where ours do, and never from the folder that the process happens to be in.
        command = [sys.executable, "-P", "-m", pdf_worker.__name__, what, str(self._memory_bytes), str(_PROCESSOR_S)]
        try:
            done = subprocess.run(  # What the library says of a file may quote it.
                command, input=content, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self._environ,
                timeout=within_s, check=True,
            )  # fmt: skip
            answer = json.loads(done.stdout)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError, ValueError):
            # Killed for what it took, by us or by the limits that it set itself.
            answer = {"fault": "heavy"}
        if "fault" in answer:
            raise _refusal(answer["fault"])
        found: str | int = answer[what]
        return found


def _refusal(fault: str) -> InvalidRequest:
    return InvalidRequest(f"a PDF cannot be read: {_FAULTS[fault]}", field="messages")
