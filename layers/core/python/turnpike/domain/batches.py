"""Batches: many requests to one address of the API, answered within a day, in chunks that are worked off one by one.

    validating ──> in_progress ──> finalizing ──> completed
        │  │            │               └──────> expired      what was left when the day was over was not asked
        │  └> failed    └──> cancelling ───────> cancelled    what had not begun was not asked
        └───> cancelled

A status is only ever written on condition of the one before it. A batch is finalized when each of its chunks is closed,
and a chunk is closed once, by whoever has claimed it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NewType, get_args

from turnpike.domain.errors import Conflict, ErrorType, InvalidRequest, RequestError
from turnpike.domain.ids import AccountId, KeyHash, time_of_id
from turnpike.domain.money import ZERO, NanoUsd, parse_usd

BatchId = NewType("BatchId", str)
"""`batch-<epoch seconds>-<20 characters>`."""
UploadId = NewType("UploadId", str)
"""`upload-…` in the same way: of a file of requests that is not part of a batch yet."""

BATCH_PREFIX, UPLOAD_PREFIX = "batch", "upload"

BatchStatus = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
]
STATUSES = get_args(BatchStatus)
OVER: frozenset[BatchStatus] = frozenset({"completed", "failed", "expired", "cancelled"})

ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings")
"""What a batch may ask, by the address of a single request."""

WINDOW_S = 86_400
MOST_REQUESTS = 50_000
MOST_BYTES = 100 * 1024 * 1024
"""Of an uploaded file; the body of a request to the API has its own limit."""
MOST_LINE_BYTES = 6 * 1024 * 1024
"""Of one request, which alone would not be taken either if it were larger."""
LONGEST_CUSTOM_ID = 256

CHUNK_REQUESTS = 10
CHUNK_BYTES = 8 * 1024 * 1024
"""A chunk is asked all at once by one environment, so it has to fit into its memory several times over."""

CLAIM_S = 960
"""Longer than an invocation can last, so that a claim that has run out has nobody any more who works under it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of requests. Those `ended` were never asked: the batch was cancelled, or its day was over."""

    completed: int = 0
    failed: int = 0
    ended: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: NanoUsd = ZERO

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.completed + other.completed,
            self.failed + other.failed,
            self.ended + other.ended,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            NanoUsd(self.cost + other.cost),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Without what is asked and answered, which is in files. Times are epoch seconds."""

    id: BatchId
    account_id: AccountId
    key_hash: KeyHash
    endpoint: str
    created_at_s: int
    model: str = ""
    """Of every request; empty until the file that tells it was read."""
    status: BatchStatus = "validating"
    total: int = 0
    """Requests, once they were counted."""
    chunks: int = 0
    closed_chunks: int = 0
    tally: Tally = Tally()
    """Of the requests of closed chunks."""
    finalized_at_s: int | None = None
    error: str = ""
    """Why it failed as a whole."""
    provider: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Preferences that each request has unless it has its own."""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Of the request that made it: those that mean something to every one of its own."""

    @property
    def expires_at_s(self) -> int:
        return self.created_at_s + WINDOW_S

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to ask: what remains is to put the results together."""
        return 0 < self.chunks <= self.closed_chunks

    def ending(self, now_s: float) -> "Ending | None":
        """Why whatever has not begun by now will not be asked; None while it will be."""
        if self.status in ("cancelling", "cancelled"):
            return "batch_cancelled"
        return "batch_expired" if now_s >= self.expires_at_s else None

    def last_status(self) -> BatchStatus:
        """What becomes of one whose results are put together."""
        if self.status == "cancelling":
            return "cancelled"
        return "expired" if self.tally.ended else "completed"


Ending = Literal["batch_cancelled", "batch_expired"]


@dataclass(frozen=True, slots=True)
class Submission:
    """A request for a batch that its client may send again, meaning the same one. Both are digests in hex: `key` of the
    name that the client gave it, `asked` of what it asks for.
    """

    key: str
    asked: str


class TooManyBatches(RequestError):
    status = 429
    error_type: ErrorType = "rate_limit_exceeded"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"This account has {most} batches under way, which is the most that it may have at once; wait until one is "
            "over, or cancel one with POST /batches/{id}/cancel"
        )


class IdempotencyKeyReused(RequestError):
    """As OpenRouter answers it where it takes such keys (reference 7.25)."""

    status = 422
    error_type: ErrorType = "unprocessable"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with another request before; send a key of its own with this one")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of a batch's requests: `length` bytes of its input from `offset` on, `count` lines, the first of which is
    number `first`.
    """

    number: int
    offset: int
    length: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class ChunkClaim:
    """The right to ask a chunk's requests until the claim runs out or is released. `token` is nobody else's."""

    number: int
    token: str
    until_s: int


@dataclass(frozen=True, slots=True)
class ChunkBusy:
    """Somebody else has claimed it until then."""

    until_s: int


@dataclass(frozen=True, slots=True)
class ChunkClosed:
    """All of its requests have their results."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One line of a batch's input."""

    number: int
    custom_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchPage:
    batches: Sequence[Batch]
    has_more: bool


def check_cancellable(batch: Batch) -> None:
    """Raises Conflict for one whose requests all have their answers."""
    if batch.status not in ("validating", "in_progress", "cancelling"):
        raise Conflict(f"This batch is {batch.status} and cannot be cancelled any more")


def check_deletable(batch: Batch) -> None:
    """Raises Conflict for one that is under way."""
    if not batch.is_over:
        raise Conflict(
            f"This batch is {batch.status}. Cancel it with POST /batches/{batch.id}/cancel, or wait for its end"
        )


def check_upload_id(text: str) -> UploadId:
    """Raises InvalidRequest: it becomes part of an object's name, so it has to be one of ours."""
    is_plain = text.isascii() and text.replace("-", "").isalnum()
    if not is_plain or time_of_id(text, UPLOAD_PREFIX) is None:
        raise InvalidRequest("it must be an id that POST /batches/uploads has given", field="input_file_id")
    return UploadId(text)


def tally_of(result: Mapping[str, Any]) -> Tally:
    """Of one result, as it is told to clients."""
    error = result["error"]
    if error is not None:
        is_ended = error["type"] in get_args(Ending)
        return Tally(ended=1) if is_ended else Tally(failed=1)
    usage = result["response"]["body"].get("usage") or {}
    # What chats call prompt and completion, the other two call input and output; embeddings have no output.
    prompt = usage.get("prompt_tokens", usage.get("input_tokens")) or 0
    completion = usage.get("completion_tokens", usage.get("output_tokens")) or 0
    return Tally(
        completed=1, prompt_tokens=prompt, completion_tokens=completion, cost=parse_usd(usage.get("cost") or 0)
    )
