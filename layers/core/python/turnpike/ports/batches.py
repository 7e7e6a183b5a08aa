"""Batches: their state, their files and their queue."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from turnpike.domain.ids import AccountId

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.batch_steps import Step
    from turnpike.domain.batches import (
        Batch,
        BatchId,
        BatchPage,
        BatchStatus,
        Chunk,
        ChunkBusy,
        ChunkClaim,
        ChunkClosed,
        Submission,
        UploadId,
    )
    from turnpike.domain.batches import Tally as BatchTally


class Batches(Protocol):
    """Batches and their chunks, without what is asked and answered. All of them may raise TemporarilyBusy."""

    def create(
        self,
        batch: "Batch",
        *,
        submission: "Submission | None" = None,
        upload_id: "UploadId | None" = None,
        most_open: int = 0,
    ) -> "BatchId":
        """Its id, or that of the batch that was made of this submission before, and then nothing is made.

        All or nothing, however many come at once. Raises Conflict when there is one of this id, or another one was made
        of the upload; IdempotencyKeyReused; and TooManyBatches when the account has `most_open` that are not over,
        unless that is 0.
        """

    def find_submitted(self, account_id: AccountId, submission: "Submission") -> "BatchId | None":
        """The batch that was made of it, even if it is deleted since. Raises IdempotencyKeyReused."""

    def find(self, account_id: AccountId, batch_id: "BatchId") -> "Batch | None":
        """As last written; None once its time is over, even if it is still there."""

    def list_page(
        self,
        account_id: AccountId,
        *,
        after: "BatchId | None" = None,
        limit: int,
        statuses: "Sequence[BatchStatus]" = (),
        created_after_s: int | None = None,
        created_before_s: int | None = None,
    ) -> "BatchPage":
        """Newest first; those behind `after`, with any of the statuses if there are some."""

    def put_status(self, batch: "Batch", *, was: "BatchStatus") -> bool:
        """Write its status, and whatever was learnt with it, if the status is still what it `was`. Counts stay."""

    def claim_chunk(
        self, batch: "Batch", number: int, token: str, *, now_s: int, until_s: int
    ) -> "ChunkClaim | ChunkBusy | ChunkClosed":
        """One of those who ask at the same time is given it, and nobody else until then, unless it is released."""

    def release_chunk(self, batch: "Batch", claim: "ChunkClaim") -> None:
        """Let anybody claim it, if it is claimed under this token."""

    def close_chunk(self, batch: "Batch", claim: "ChunkClaim", tally: "BatchTally") -> bool:
        """Count it in the batch, once; False when it is not claimed under this token any more."""

    def list_closed(self, batch: "Batch") -> "set[int]": ...

    def list_due(self, now_s: int) -> "Iterator[tuple[AccountId, BatchId]]":
        """Those of every account whose day is over, though they are not."""

    def claim_ending(self, batch: "Batch", *, now_s: int, until_s: int) -> bool:
        """Whether nobody else was told to end it lately; nobody else is before `until_s`."""

    def delete(self, batch: "Batch") -> None:
        """Raises Conflict for one that is under way. Deleting one that is gone is a no-op."""


class BatchFiles(Protocol):
    """What is asked and answered, as lines of JSON. All of them may raise TemporarilyBusy."""

    def offer_upload(self, account_id: AccountId, upload_id: "UploadId", size: int, *, ttl_s: int) -> str:
        """The address that takes a PUT of exactly so many bytes."""

    def copy_upload(self, batch: "Batch", upload_id: "UploadId") -> None:
        """Make what was uploaded the batch's input, which nobody can change any more. Raises NotFound."""

    def drop_upload(self, account_id: AccountId, upload_id: "UploadId") -> None: ...

    def put_input(self, batch: "Batch", data: bytes) -> None: ...

    def stream_input(self, batch: "Batch") -> Iterator[bytes]:
        """In pieces of any size."""

    def read_input(self, batch: "Batch", offset: int, length: int) -> bytes: ...

    def put_plan(self, batch: "Batch", chunks: "Sequence[Chunk]") -> None: ...

    def get_plan(self, batch: "Batch") -> "Sequence[Chunk]": ...

    def keep_result(self, batch: "Batch", chunk: int, number: int, line: bytes) -> bool:
        """False where that request has one, which stays."""

    def read_results(self, batch: "Batch", chunk: int) -> Mapping[int, bytes]:
        """Those that are kept of a chunk, by the number of their request."""

    def close_results(self, batch: "Batch", chunk: int, data: bytes) -> None:
        """All of a chunk's lines, in the place of its single results."""

    def drop_results(self, batch: "Batch", chunk: int) -> None: ...

    def assemble(self, batch: "Batch") -> int:
        """Put the lines of all chunks together, in order; how many bytes they are.

        Raises NotFound where a chunk's are not there, and changes nothing.
        """

    def read_output(self, batch: "Batch", *, most_bytes: int) -> bytes | None:
        """None where there is none, or it is larger."""

    def output_url(self, batch: "Batch", *, ttl_s: int) -> str:
        """Where whoever has the address can read it."""

    def drop_chunks(self, batch: "Batch") -> None:
        """What was only needed to put the results together."""

    def drop(self, batch: "Batch") -> None:
        """All of it."""


class BatchQueue(Protocol):
    def send(self, steps: "Sequence[Step]", *, delay_s: int = 0) -> None:
        """Delivered at least once, in no order. Raises TemporarilyBusy; some may have been sent then."""
