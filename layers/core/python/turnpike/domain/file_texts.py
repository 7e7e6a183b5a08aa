"""PDFs in messages, and the text that takes their place for models that do not read them.

Source: https://openrouter.ai/docs/guides/overview/multimodal/pdfs
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from turnpike.domain.chat import Message
from turnpike.domain.errors import ErrorType, InvalidRequest, ServiceError

MOST_FILES = 10
"""Of a request that are read here."""
_PDF_IN_BASE64 = "JVBERi"
"""`%PDF-`, with which a PDF begins."""
_DATA = "data:"
_LONGEST_NAME = 255


class OcrFailed(ServiceError):
    """Nobody recognised what is on the pages. `ocr_status` is the HTTP status of whoever should have."""

    status = 503
    error_type: ErrorType = "provider_unavailable"

    def __init__(self, message: str, *, ocr_status: int | None = None) -> None:
        super().__init__(message)
        self.ocr_status = ocr_status


class Place(NamedTuple):
    """Where a file stands in a conversation."""

    message: int
    part: int


@dataclass(frozen=True, slots=True)
class FileText:
    """A file as text. `hash` is the SHA-256 of its bytes, in hexadecimal; `content` are parts of a message."""

    hash: str
    name: str
    content: Sequence[Mapping[str, Any]]
    is_known: bool = False
    """Whether the client sent the text along, so that the file was not read."""


def files_in(messages: Sequence[Message]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    for number, message in enumerate(messages):
        content = message.get("content")
        if isinstance(content, list):
            yield from ((Place(number, at), part) for at, part in enumerate(content) if part.get("type") == "file")


def may_be_pdf(part: Mapping[str, Any]) -> bool:
    """As far as can be told without looking: what stands at an address shows when it is fetched."""
    file = part["file"]
    data = str(file.get("file_data") or "")
    if not data:
        return False  # Kept at a provider, which alone can read it.
    if data[:8].lower().startswith(("https://", "http://")):
        return True
    if data.startswith(_DATA):
        head, _, rest = data.partition(",")
        return head.lower().startswith("data:application/pdf") or rest.startswith(_PDF_IN_BASE64)
    return data.startswith(_PDF_IN_BASE64)


def hash_of(content: bytes) -> str:
    return sha256(content).hexdigest()


def known_files(messages: Sequence[Message]) -> Mapping[str, FileText]:
    """By hash: what earlier answers said of files in their annotations, which the client sends back."""
    found: dict[str, FileText] = {}
    for message in messages:
        if message["role"] != "assistant" or not isinstance(message.get("annotations"), list):
            continue
        for annotation in message["annotations"]:
            text = _parse_annotation(annotation)
            if text is not None:
                found[text.hash] = text
    return found


def file_text_of(content: bytes, name: str, text: str) -> FileText:
    """The parts say where the file begins and ends, since several may follow each other."""
    name = name[:_LONGEST_NAME]
    told = (f'<file name="{name}">', text, "</file>")
    return FileText(hash_of(content), name, [{"type": "text", "text": each} for each in told])


def with_texts(messages: Sequence[Message], texts: Mapping[Place, FileText]) -> list[Message]:
    """The messages with each file's text in its place. What changes is copied: the messages are the client's own."""
    changed = list(messages)
    for number in sorted({place.message for place in texts}):
        parts: list[Mapping[str, Any]] = []
        for at, part in enumerate(messages[number]["content"]):
            text = texts.get(Place(number, at))
            parts += [part] if text is None else text.content
        changed[number] = {**messages[number], "content": parts}
    return changed


def annotation_of(text: FileText) -> dict[str, Any]:
    """What a client sends back, in its answer's message, so that the file need not be read again."""
    file = {"hash": text.hash, "name": text.name, "content": list(text.content)}
    return {"type": "file", "file": file}


def name_of(part: Mapping[str, Any]) -> str:
    file = part["file"]
    name = file.get("filename")
    if not name and str(file.get("file_data")).lower().startswith("http"):
        name = file["file_data"].partition("#")[0].partition("?")[0].rpartition("/")[2]
    # It stands in the prompt in quotes.
    return str(name or "document.pdf").replace('"', "'").replace("\n", " ")


def check_count(count: int, most: int | None) -> None:
    """Raises InvalidRequest for more files than are read."""
    if most is not None and count > most:
        raise InvalidRequest(f"there are {count} files, and max_files is {most}", field="plugins")
    if count > MOST_FILES:
        raise InvalidRequest(
            f"there are {count} files, and {MOST_FILES} are the most that are read for a model that does not read "
            "them itself; send fewer, or ask a model whose input_modalities have file",
            field="messages",
        )


def _parse_annotation(annotation: Any) -> FileText | None:
    """None for what is no file's, or holds what no message may."""
    file = annotation.get("file") if isinstance(annotation, dict) and annotation.get("type") == "file" else None
    if not isinstance(file, dict) or not isinstance(file.get("hash"), str) or not isinstance(file.get("content"), list):
        return None
    content = file["content"]
    if not content or not all(_is_text(part) for part in content):
        return None
    parts = [{"type": "text", "text": part["text"]} for part in content]
    return FileText(file["hash"], str(file.get("name") or ""), parts, is_known=True)


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
