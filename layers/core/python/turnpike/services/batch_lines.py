"""The input of a batch, line by line: read, checked, and divided into chunks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from turnpike.domain.batches import (
    CHUNK_BYTES,
    CHUNK_REQUESTS,
    LONGEST_CUSTOM_ID,
    MOST_LINE_BYTES,
    MOST_REQUESTS,
    Batch,
    BatchRequest,
    Chunk,
)
from turnpike.domain.errors import InvalidRequest

CheckBody = Callable[[Batch, Mapping[str, Any]], None]
"""Given a batch and a body as it would be asked. Raises InvalidRequest, and TemporarilyBusy."""

_LINE_MEMBERS = ("custom_id", "body")


def complete_body(batch: Batch, body: Mapping[str, Any]) -> dict[str, Any]:
    """As it is asked: with what the batch says for all of its requests, where they say nothing else."""
    completed = {"model": batch.model, **body}
    given = completed.get("provider")
    if batch.provider and (given is None or isinstance(given, dict)):
        completed["provider"] = {**batch.provider, **(given or {})}
    return completed


def divide_lines(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with what ends them, each with its offset. Raises InvalidRequest for one that is too long."""
    offset, rest = 0, b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield offset, line + b"\n"
            offset += len(line) + 1
        if len(rest) > MOST_LINE_BYTES:
            raise InvalidRequest(f"a line is longer than {MOST_LINE_BYTES // 1024 // 1024} MB")
    if rest:
        yield offset, rest


def parse_lines(data: bytes, first: int) -> Iterator[BatchRequest]:
    """Those of a chunk, which were checked before."""
    number = first
    for line in data.split(b"\n"):
        if line.strip():
            content = orjson.loads(line)
            yield BatchRequest(number, content["custom_id"], content["body"])
            number += 1


@dataclass(slots=True)
class LineCheck:
    """Checks the lines of one batch, each after the one before it. Learns the model, where the batch names none."""

    batch: Batch
    check_body: CheckBody
    model: str = ""
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.model = self.batch.model

    @property
    def count(self) -> int:
        return len(self._seen)

    def line(self, line: bytes) -> None:
        """Raises InvalidRequest."""
        try:
            content = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"it is not valid JSON: {error.msg}") from None
        if not isinstance(content, dict):
            raise InvalidRequest("it must be a JSON object, as in " + '{"custom_id": "1", "body": {…}}')
        # As OpenAI's files have it.
        if content.get("method", "POST") != "POST":
            raise InvalidRequest("it must be POST", field="method")
        if content.get("url", self.batch.endpoint) != self.batch.endpoint:
            raise InvalidRequest(f"it must be the batch's endpoint, {self.batch.endpoint}", field="url")
        for member in _LINE_MEMBERS:
            if member not in content:
                raise InvalidRequest("Field required", field=member)
        self.request(content["custom_id"], content["body"])

    def request(self, custom_id: Any, body: Any) -> None:
        """Raises InvalidRequest."""
        if not isinstance(custom_id, str) or not 0 < len(custom_id) <= LONGEST_CUSTOM_ID:
            raise InvalidRequest(f"it must be a text of 1 to {LONGEST_CUSTOM_ID} characters", field="custom_id")
        if custom_id in self._seen:
            raise InvalidRequest("a request before has the same; results are told apart by it", field="custom_id")
        if len(self._seen) == MOST_REQUESTS:
            raise InvalidRequest(f"a batch has at most {MOST_REQUESTS:,} requests")
        if not isinstance(body, dict):
            raise InvalidRequest("it must be a JSON object", field="body")
        self._check_model(body)
        if body.get("stream"):
            raise InvalidRequest("results of a batch are not streamed; leave it out", field="body.stream")
        try:
            self.check_body(self.batch, complete_body(self.batch, {"model": self.model, **body}))
        except InvalidRequest as error:
            raise within(error, "body") from None
        self._seen.add(custom_id)

    def _check_model(self, body: Mapping[str, Any]) -> None:
        model = body.get("model", self.model)
        if not isinstance(model, str) or not model:
            raise InvalidRequest("name a model, here or in the batch", field="body.model")
        self.model = self.model or model
        if model != self.model:
            raise InvalidRequest("all requests of a batch ask one model; another is asked before", field="body.model")


def plan_chunks(lines: Iterable[tuple[int, bytes]], check: LineCheck) -> list[Chunk]:
    """Raises InvalidRequest, which names the line."""
    chunks: list[Chunk] = []
    start, end, first = 0, 0, 0
    for number, (offset, line) in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            check.line(line.strip())
        except InvalidRequest as error:
            raise InvalidRequest(f"line {number}: {error.message}") from None
        if check.count - 1 - first == CHUNK_REQUESTS or (end > start and offset + len(line) - start > CHUNK_BYTES):
            chunks.append(Chunk(len(chunks), start, end - start, first, check.count - 1 - first))
            first, start = check.count - 1, offset
        end = offset + len(line)
    if not check.count:
        raise InvalidRequest("there are no requests in it")
    chunks.append(Chunk(len(chunks), start, end - start, first, check.count - first))
    return chunks


def within(error: InvalidRequest, *path: str) -> InvalidRequest:
    """The same, of a member that is part of something else."""
    field = ".".join(filter(None, (*path, error.field)))
    found = InvalidRequest(error.message.removeprefix(f"{error.field}: "), field=field)
    found.availability = error.availability
    return found
