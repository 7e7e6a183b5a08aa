"""What stands in for the storage of batches in unit tests, under the same contract as the real ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock

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
    IdempotencyKeyReused,
    Submission,
    Tally,
    TooManyBatches,
    UploadId,
    check_deletable,
)
from turnpike.domain.errors import Conflict, NotFound, TemporarilyBusy
from turnpike.domain.ids import AccountId


class InMemoryBatches:
    def __init__(self) -> None:
        self._lock = Lock()
        self._batches: dict[tuple[AccountId, BatchId], Batch] = {}
        self._claims: dict[tuple[BatchId, int], ChunkClaim] = {}
        self._closed: set[tuple[BatchId, int]] = set()
        self._ending: dict[BatchId, int] = {}
        self._uploads: set[tuple[AccountId, UploadId]] = set()
        self._submitted: dict[tuple[AccountId, str], tuple[str, BatchId]] = {}

    def create(
        self,
        batch: Batch,
        *,
        submission: Submission | None = None,
        upload_id: UploadId | None = None,
        most_open: int = 0,
    ) -> BatchId:
        account_id = batch.account_id
        with self._lock:
            before = None if submission is None else self._made_of(account_id, submission)
            if before is not None:
                return before
            if (account_id, batch.id) in self._batches:
                raise Conflict("this batch exists already")
            if upload_id is not None and (account_id, upload_id) in self._uploads:
                raise Conflict("another batch was made of this upload; each makes one")
            open_ = [each for each in self._batches.values() if each.account_id == account_id and not each.is_over]
            if 0 < most_open <= len(open_):
                raise TooManyBatches(most_open)
            self._batches[account_id, batch.id] = batch
            if upload_id is not None:
                self._uploads.add((account_id, upload_id))
            if submission is not None:
                self._submitted[account_id, submission.key] = (submission.asked, batch.id)
            return batch.id

    def find_submitted(self, account_id: AccountId, submission: Submission) -> BatchId | None:
        with self._lock:
            return self._made_of(account_id, submission)

    def _made_of(self, account_id: AccountId, submission: Submission) -> BatchId | None:
        asked, batch_id = self._submitted.get((account_id, submission.key), (submission.asked, None))
        if asked != submission.asked:
            raise IdempotencyKeyReused
        return batch_id

    def find(self, account_id: AccountId, batch_id: BatchId) -> Batch | None:
        with self._lock:
            return self._batches.get((account_id, batch_id))

    def list_page(
        self,
        account_id: AccountId,
        *,
        after: BatchId | None = None,
        limit: int,
        statuses: Sequence[BatchStatus] = (),
        created_after_s: int | None = None,
        created_before_s: int | None = None,
    ) -> BatchPage:
        with self._lock:
            found = sorted((b for b in self._batches.values() if b.account_id == account_id), key=lambda b: b.id)
        matching = [
            batch
            for batch in reversed(found)
            if (after is None or batch.id < after)
            and (not statuses or batch.status in statuses)
            and (created_after_s is None or batch.created_at_s > created_after_s)
            and (created_before_s is None or batch.created_at_s < created_before_s)
        ]
        return BatchPage(matching[:limit], len(matching) > limit)

    def put_status(self, batch: Batch, *, was: BatchStatus) -> bool:
        with self._lock:
            key = (batch.account_id, batch.id)
            found = self._batches.get(key)
            if found is None or found.status != was:
                return False
            self._batches[key] = replace(batch, closed_chunks=found.closed_chunks, tally=found.tally)
            return True

    def claim_chunk(
        self, batch: Batch, number: int, token: str, *, now_s: int, until_s: int
    ) -> ChunkClaim | ChunkBusy | ChunkClosed:
        with self._lock:
            if (batch.id, number) in self._closed:
                return ChunkClosed()
            other = self._claims.get((batch.id, number))
            if other is not None and other.until_s > now_s:
                return ChunkBusy(other.until_s)
            claim = ChunkClaim(number, token, until_s)
            self._claims[batch.id, number] = claim
            return claim

    def release_chunk(self, batch: Batch, claim: ChunkClaim) -> None:
        with self._lock:
            if self._claims.get((batch.id, claim.number)) == claim:
                del self._claims[batch.id, claim.number]

    def close_chunk(self, batch: Batch, claim: ChunkClaim, tally: Tally) -> bool:
        with self._lock:
            key = (batch.account_id, batch.id)
            if self._claims.get((batch.id, claim.number)) != claim or key not in self._batches:
                return False
            del self._claims[batch.id, claim.number]
            self._closed.add((batch.id, claim.number))
            found = self._batches[key]
            self._batches[key] = replace(found, closed_chunks=found.closed_chunks + 1, tally=found.tally + tally)
            return True

    def list_closed(self, batch: Batch) -> set[int]:
        with self._lock:
            return {number for batch_id, number in self._closed if batch_id == batch.id}

    def list_due(self, now_s: int) -> Iterator[tuple[AccountId, BatchId]]:
        with self._lock:
            due = [key for key, batch in self._batches.items() if not batch.is_over and batch.expires_at_s <= now_s]
        yield from due

    def claim_ending(self, batch: Batch, *, now_s: int, until_s: int) -> bool:
        with self._lock:
            found = self._batches.get((batch.account_id, batch.id))
            if found is None or found.is_over or self._ending.get(batch.id, 0) > now_s:
                return False
            self._ending[batch.id] = until_s
            return True

    def delete(self, batch: Batch) -> None:
        check_deletable(batch)
        with self._lock:
            found = self._batches.get((batch.account_id, batch.id))
            if found is not None and not found.is_over:
                raise Conflict("this batch is under way")
            self._batches.pop((batch.account_id, batch.id), None)


class InMemoryBatchFiles:
    """`uploads`: what clients have sent to the addresses that they were offered. While `failing`, no result is kept."""

    def __init__(self) -> None:
        self.uploads: dict[tuple[AccountId, UploadId], bytes] = {}
        self.inputs: dict[BatchId, bytes] = {}
        self.plans: dict[BatchId, Sequence[Chunk]] = {}
        self.results: dict[tuple[BatchId, int], dict[int, bytes]] = {}
        self.chunks: dict[tuple[BatchId, int], bytes] = {}
        self.outputs: dict[BatchId, bytes] = {}
        self.failing = False
        self._lock = Lock()

    def offer_upload(self, account_id: AccountId, upload_id: UploadId, size: int, *, ttl_s: int) -> str:
        return f"memory:{account_id}/{upload_id}?bytes={size}"

    def copy_upload(self, batch: Batch, upload_id: UploadId) -> None:
        data = self.uploads.get((batch.account_id, upload_id))
        if data is None:
            raise NotFound("There is no such upload")
        self.inputs[batch.id] = data

    def drop_upload(self, account_id: AccountId, upload_id: UploadId) -> None:
        self.uploads.pop((account_id, upload_id), None)

    def put_input(self, batch: Batch, data: bytes) -> None:
        self.inputs[batch.id] = data

    def stream_input(self, batch: Batch) -> Iterator[bytes]:
        data = self.inputs[batch.id]
        # Small and odd, so that no line is in one piece.
        yield from (data[start : start + 7] for start in range(0, len(data), 7))

    def read_input(self, batch: Batch, offset: int, length: int) -> bytes:
        return self.inputs[batch.id][offset : offset + length]

    def put_plan(self, batch: Batch, chunks: Sequence[Chunk]) -> None:
        self.plans[batch.id] = list(chunks)

    def get_plan(self, batch: Batch) -> Sequence[Chunk]:
        return self.plans[batch.id]

    def keep_result(self, batch: Batch, chunk: int, number: int, line: bytes) -> bool:
        with self._lock:
            if self.failing:
                raise TemporarilyBusy("The bucket for batches is busy; try again")
            kept = self.results.setdefault((batch.id, chunk), {})
            if number in kept:
                return False
            kept[number] = line
            return True

    def read_results(self, batch: Batch, chunk: int) -> Mapping[int, bytes]:
        with self._lock:
            return dict(self.results.get((batch.id, chunk), {}))

    def close_results(self, batch: Batch, chunk: int, data: bytes) -> None:
        self.chunks[batch.id, chunk] = data

    def drop_results(self, batch: Batch, chunk: int) -> None:
        with self._lock:
            self.results.pop((batch.id, chunk), None)

    def assemble(self, batch: Batch) -> int:
        wanted = [(batch.id, number) for number in range(batch.chunks)]
        if not all(each in self.chunks for each in wanted):
            raise NotFound("A chunk of this batch has no results")
        self.outputs[batch.id] = b"".join(self.chunks[each] for each in wanted)
        return len(self.outputs[batch.id])

    def read_output(self, batch: Batch, *, most_bytes: int) -> bytes | None:
        data = self.outputs.get(batch.id)
        return data if data is not None and len(data) <= most_bytes else None

    def output_url(self, batch: Batch, *, ttl_s: int) -> str:
        return f"memory:{batch.id}"

    def drop_chunks(self, batch: Batch) -> None:
        with self._lock:
            for kept in (self.chunks, self.results):
                for key in [key for key in kept if key[0] == batch.id]:
                    del kept[key]

    def drop(self, batch: Batch) -> None:
        self.drop_chunks(batch)
        for kept in (self.inputs, self.plans, self.outputs):
            kept.pop(batch.id, None)


class InMemoryBatchQueue:
    """`sent`: each step with its delay. While `failing`, none is."""

    def __init__(self) -> None:
        self.sent: list[tuple[Step, int]] = []
        self.failing = False
        self._lock = Lock()

    def send(self, steps: Sequence[Step], *, delay_s: int = 0) -> None:
        if self.failing:
            raise TemporarilyBusy("The queue of batches is busy; try again")
        with self._lock:
            self.sent += [(step, delay_s) for step in steps]
