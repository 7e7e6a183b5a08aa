"""The contracts of `ports.Batches` and `ports.BatchFiles`."""

import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from turnpike.domain.batches import (
    WINDOW_S,
    Batch,
    BatchId,
    Chunk,
    ChunkBusy,
    ChunkClaim,
    ChunkClosed,
    IdempotencyKeyReused,
    Submission,
    Tally,
    TooManyBatches,
    UploadId,
)
from turnpike.domain.errors import Conflict, NotFound, TurnpikeError
from turnpike.domain.ids import AccountId, KeyHash, new_account_id, new_id
from turnpike.domain.money import NanoUsd
from turnpike.ports.batches import Batches, BatchFiles

NOW = int(time.time())
TALLY = Tally(completed=3, failed=1, ended=1, prompt_tokens=40, completion_tokens=50, cost=NanoUsd(6_000))
THREADS = 8


def new_batch(created_at_s: int = NOW, *, account_id: AccountId | None = None, **changes: Any) -> Batch:
    values: dict[str, Any] = {
        "id": BatchId(new_id("batch", created_at_s)),
        "account_id": account_id or new_account_id(NOW),
        "key_hash": KeyHash("a" * 64),
        "endpoint": "/v1/chat/completions",
        "created_at_s": created_at_s,
        "model": "acme/chat",
    }
    return Batch(**(values | changes))


class BatchesContract:
    """A subclass provides the fixture `batches`."""

    @pytest.fixture
    def batch(self, batches: Batches) -> Batch:
        batch = new_batch(provider={"only": ["one"]}, headers={"x-title": "App"})
        batches.create(batch)
        return batch

    def test_a_batch_is_as_it_was_created(self, batches: Batches, batch: Batch) -> None:
        assert batches.find(batch.account_id, batch.id) == batch
        assert batches.find(AccountId("acct-other"), batch.id) is None
        with pytest.raises(Conflict):
            batches.create(batch)

    def test_of_one_upload_one_batch_is_made(self, batches: Batches) -> None:
        account_id, upload_id = new_account_id(NOW), UploadId(new_id("upload", NOW))
        answers = at_once(lambda _: created(batches, new_batch(account_id=account_id), upload_id=upload_id))
        assert Counter(map(type, answers)) == {str: 1, Conflict: THREADS - 1}
        # Another account's is another one, whatever it is called.
        batches.create(new_batch(), upload_id=upload_id)
        assert len(batches.list_page(account_id, limit=9).batches) == 1

    def test_of_one_submission_one_batch_is_made(self, batches: Batches) -> None:
        account_id, submission = new_account_id(NOW), Submission("a" * 64, "b" * 64)
        assert batches.find_submitted(account_id, submission) is None
        answers = at_once(lambda _: created(batches, new_batch(account_id=account_id), submission=submission))
        [batch] = batches.list_page(account_id, limit=9).batches
        assert set(answers) == {batch.id}
        assert batches.find_submitted(account_id, submission) == batch.id
        # Another account's is another one, whatever it is called.
        stranger = new_batch()
        assert batches.create(stranger, submission=submission) == stranger.id

    def test_a_submission_is_known_after_its_batch(self, batches: Batches) -> None:
        batch, submission = new_batch(), Submission("a" * 64, "b" * 64)
        batches.create(batch, submission=submission)
        over = replace(batch, status="cancelled", finalized_at_s=NOW)
        assert batches.put_status(over, was="validating")
        batches.delete(over)
        assert batches.find_submitted(batch.account_id, submission) == batch.id
        other = new_batch(account_id=batch.account_id)
        assert batches.create(other, submission=submission) == batch.id
        assert batches.find(batch.account_id, other.id) is None

    def test_a_submission_s_key_is_for_one_request(self, batches: Batches) -> None:
        batch, other = new_batch(), Submission("a" * 64, "c" * 64)
        batches.create(batch, submission=Submission("a" * 64, "b" * 64))
        with pytest.raises(IdempotencyKeyReused):
            batches.find_submitted(batch.account_id, other)
        again = new_batch(account_id=batch.account_id)
        with pytest.raises(IdempotencyKeyReused):
            batches.create(again, submission=other)
        assert batches.find(batch.account_id, again.id) is None

    def test_an_account_has_so_many_at_once_and_no_more(self, batches: Batches) -> None:
        account_id, upload_id = new_account_id(NOW), UploadId(new_id("upload", NOW))
        answers = at_once(lambda _: created(batches, new_batch(account_id=account_id), most_open=3))
        assert Counter(map(type, answers)) == {str: 3, TooManyBatches: THREADS - 3}
        submission = Submission("a" * 64, "b" * 64)
        with pytest.raises(TooManyBatches, match="has 3 batches"):
            batches.create(new_batch(account_id=account_id), submission=submission, upload_id=upload_id, most_open=3)
        # Nothing of what was refused is left.
        assert batches.find_submitted(account_id, submission) is None
        [batch, *_] = batches.list_page(account_id, limit=9).batches
        assert batches.put_status(replace(batch, status="in_progress"), was="validating")
        assert isinstance(created(batches, new_batch(account_id=account_id), most_open=3), TooManyBatches)
        over = replace(batch, status="failed", finalized_at_s=NOW)
        assert sum(at_once(lambda _: batches.put_status(over, was="in_progress"))) == 1
        answers = at_once(lambda _: created(batches, new_batch(account_id=account_id), most_open=3))
        assert Counter(map(type, answers)) == {str: 1, TooManyBatches: THREADS - 1}
        # What was refused left the upload to be used; what is sent again is no new one.
        assert batches.create(new_batch(account_id=account_id), upload_id=upload_id, most_open=9)
        batches.create(new_batch())

    def test_a_status_follows_the_one_that_was_seen(self, batches: Batches, batch: Batch) -> None:
        begun = replace(batch, status="in_progress", total=25, chunks=3, model="acme/other")
        assert batches.put_status(begun, was="validating")
        assert not batches.put_status(replace(batch, status="failed", error="late"), was="validating")
        assert batches.find(batch.account_id, batch.id) == begun
        over = replace(begun, status="completed", finalized_at_s=NOW + 5)
        assert batches.put_status(over, was="in_progress")
        assert batches.find(batch.account_id, batch.id) == over

    def test_what_is_not_there_gets_no_status(self, batches: Batches) -> None:
        stranger = new_batch()
        assert not batches.put_status(replace(stranger, status="failed"), was="validating")
        assert batches.find(stranger.account_id, stranger.id) is None

    def test_of_two_who_change_a_status_one_does(self, batches: Batches, batch: Batch) -> None:
        def change(number: int) -> bool:
            return batches.put_status(replace(batch, status="in_progress", total=number), was="validating")

        won = at_once(change)
        assert sum(won) == 1
        found = batches.find(batch.account_id, batch.id)
        assert found is not None
        assert found.total == won.index(True)

    def test_a_chunk_is_claimed_by_one_at_a_time(self, batches: Batches, batch: Batch) -> None:
        def claim(number: int) -> object:
            return batches.claim_chunk(batch, 7, f"token-{number}", now_s=NOW, until_s=NOW + 60)

        answers = at_once(claim)
        assert Counter(map(type, answers)) == {ChunkClaim: 1, ChunkBusy: THREADS - 1}
        assert {each.until_s for each in answers if isinstance(each, ChunkBusy)} == {NOW + 60}
        # It concerns no other chunk.
        assert isinstance(batches.claim_chunk(batch, 8, "t", now_s=NOW, until_s=NOW + 60), ChunkClaim)

    def test_a_claim_that_ran_out_is_nobody_s(self, batches: Batches, batch: Batch) -> None:
        slow = batches.claim_chunk(batch, 0, "slow", now_s=NOW, until_s=NOW + 60)
        other = batches.claim_chunk(batch, 0, "other", now_s=NOW + 60, until_s=NOW + 120)
        assert isinstance(slow, ChunkClaim)
        assert isinstance(other, ChunkClaim)
        assert not batches.close_chunk(batch, slow, TALLY)
        batches.release_chunk(batch, slow)
        assert batches.claim_chunk(batch, 0, "third", now_s=NOW + 61, until_s=NOW + 121) == ChunkBusy(NOW + 120)
        assert batches.close_chunk(batch, other, TALLY)

    def test_a_claim_that_is_released_is_anybody_s(self, batches: Batches, batch: Batch) -> None:
        claim = batches.claim_chunk(batch, 0, "first", now_s=NOW, until_s=NOW + 60)
        assert isinstance(claim, ChunkClaim)
        batches.release_chunk(batch, claim)
        assert isinstance(batches.claim_chunk(batch, 0, "second", now_s=NOW, until_s=NOW + 60), ChunkClaim)
        assert not batches.close_chunk(batch, claim, TALLY)

    def test_a_closed_chunk_is_counted_once(self, batches: Batches, batch: Batch) -> None:
        claim = batches.claim_chunk(batch, 2, "t", now_s=NOW, until_s=NOW + 60)
        assert isinstance(claim, ChunkClaim)
        assert sum(at_once(lambda _: batches.close_chunk(batch, claim, TALLY))) == 1
        assert batches.claim_chunk(batch, 2, "u", now_s=NOW + 99, until_s=NOW + 199) == ChunkClosed()
        assert batches.list_closed(batch) == {2}
        found = batches.find(batch.account_id, batch.id)
        assert found == replace(batch, closed_chunks=1, tally=TALLY)

    def test_chunks_that_close_together_are_all_counted(self, batches: Batches, batch: Batch) -> None:
        def close(number: int) -> bool:
            claim = batches.claim_chunk(batch, number, f"t{number}", now_s=NOW, until_s=NOW + 60)
            assert isinstance(claim, ChunkClaim)
            return batches.close_chunk(batch, claim, TALLY)

        assert all(at_once(close))
        found = batches.find(batch.account_id, batch.id)
        assert found is not None
        assert (found.closed_chunks, found.tally.cost) == (THREADS, THREADS * TALLY.cost)
        assert batches.list_closed(batch) == set(range(THREADS))

    def test_a_change_of_status_leaves_the_counts(self, batches: Batches, batch: Batch) -> None:
        claim = batches.claim_chunk(batch, 0, "t", now_s=NOW, until_s=NOW + 60)
        assert isinstance(claim, ChunkClaim)
        assert batches.close_chunk(batch, claim, TALLY)
        assert batches.put_status(replace(batch, status="in_progress"), was="validating")
        found = batches.find(batch.account_id, batch.id)
        assert found is not None
        assert (found.closed_chunks, found.tally) == (1, TALLY)

    def test_they_are_listed_newest_first_and_by_page(self, batches: Batches) -> None:
        account_id = new_account_id(NOW)
        made = [new_batch(NOW - ago, account_id=account_id) for ago in (3, 2, 1, 0)]
        for each in made:
            batches.create(each)
        batches.create(new_batch())  # Somebody else's.
        newest = list(reversed(made))
        page = batches.list_page(account_id, limit=3)
        assert (list(page.batches), page.has_more) == (newest[:3], True)
        page = batches.list_page(account_id, after=newest[2].id, limit=3)
        assert (list(page.batches), page.has_more) == (newest[3:], False)

    def test_they_are_listed_by_status_and_age(self, batches: Batches) -> None:
        account_id = new_account_id(NOW)
        old, middle, new = (new_batch(NOW - ago, account_id=account_id) for ago in (20, 10, 0))
        for each in (old, middle, new):
            batches.create(each)
        cancelled = replace(middle, status="cancelled", finalized_at_s=NOW)
        assert batches.put_status(cancelled, was="validating")
        assert list(batches.list_page(account_id, limit=9, statuses=["cancelled", "failed"]).batches) == [cancelled]
        assert list(batches.list_page(account_id, limit=9, created_after_s=NOW - 10).batches) == [new]
        assert list(batches.list_page(account_id, limit=9, created_before_s=NOW - 10).batches) == [old]

    def test_those_whose_day_is_over_are_due_until_they_are_over(self, batches: Batches) -> None:
        batch = new_batch(NOW - WINDOW_S)
        batches.create(batch)
        key = (batch.account_id, batch.id)
        assert key in list(batches.list_due(NOW))
        assert key not in list(batches.list_due(NOW - 1))
        assert sum(at_once(lambda _: batches.claim_ending(batch, now_s=NOW, until_s=NOW + 60))) == 1
        assert not batches.claim_ending(batch, now_s=NOW + 59, until_s=NOW + 119)
        assert batches.claim_ending(batch, now_s=NOW + 60, until_s=NOW + 120)
        assert batches.put_status(replace(batch, status="expired", finalized_at_s=NOW), was="validating")
        assert key not in list(batches.list_due(NOW))
        assert not batches.claim_ending(batch, now_s=NOW + 999, until_s=NOW + 1999)

    def test_only_what_is_over_is_deleted(self, batches: Batches, batch: Batch) -> None:
        with pytest.raises(Conflict, match="Cancel it"):
            batches.delete(batch)
        over = replace(batch, status="cancelled", finalized_at_s=NOW)
        with pytest.raises(Conflict):
            batches.delete(over)
        assert batches.put_status(over, was="validating")
        for _ in range(2):
            batches.delete(over)
        assert batches.find(batch.account_id, batch.id) is None


class BatchFilesContract:
    """A subclass provides the fixture `files`."""

    @pytest.fixture
    def batch(self) -> Batch:
        return new_batch(chunks=2)

    def upload(self, files: BatchFiles, account_id: AccountId, upload_id: UploadId, data: bytes) -> None:
        """As a client does, with the address that it was offered."""
        raise NotImplementedError

    def test_the_input_is_read_in_pieces_and_in_parts(self, files: BatchFiles, batch: Batch) -> None:
        data = secrets.token_bytes(3000)
        files.put_input(batch, data)
        assert b"".join(files.stream_input(batch)) == data
        assert files.read_input(batch, 10, 5) == data[10:15]

    def test_an_upload_becomes_a_batch_s_own(self, files: BatchFiles, batch: Batch) -> None:
        upload_id = UploadId(new_id("upload", NOW))
        with pytest.raises(NotFound):
            files.copy_upload(batch, upload_id)
        self.upload(files, batch.account_id, upload_id, b"lines")
        with pytest.raises(NotFound):
            files.copy_upload(new_batch(), upload_id)  # Another account's.
        files.copy_upload(batch, upload_id)
        for _ in range(2):
            files.drop_upload(batch.account_id, upload_id)
        assert b"".join(files.stream_input(batch)) == b"lines"
        with pytest.raises(NotFound):
            files.copy_upload(batch, upload_id)

    def test_the_plan_is_kept(self, files: BatchFiles, batch: Batch) -> None:
        plan = [Chunk(0, 0, 100, 0, 10), Chunk(1, 100, 50, 10, 4)]
        files.put_plan(batch, plan)
        assert list(files.get_plan(batch)) == plan

    def test_of_two_results_of_a_request_the_first_one_stays(self, files: BatchFiles, batch: Batch) -> None:
        kept = at_once(lambda number: files.keep_result(batch, 0, 3, b"%d" % number))
        assert sum(kept) == 1
        assert files.keep_result(batch, 0, 4, b"four")
        assert files.read_results(batch, 0) == {3: b"%d" % kept.index(True), 4: b"four"}
        assert files.read_results(batch, 1) == {}
        files.drop_results(batch, 0)
        assert files.read_results(batch, 0) == {}

    def test_results_are_put_together_in_order(self, files: BatchFiles, batch: Batch) -> None:
        files.close_results(batch, 1, b"c\n")
        files.close_results(batch, 0, b"a\nb\n")
        assert files.read_output(batch, most_bytes=100) is None
        for _ in range(2):
            assert files.assemble(batch) == 6
        assert files.read_output(batch, most_bytes=6) == b"a\nb\nc\n"
        assert files.read_output(batch, most_bytes=5) is None
        files.drop_chunks(batch)
        with pytest.raises(NotFound):
            files.assemble(batch)
        assert files.read_output(batch, most_bytes=6) == b"a\nb\nc\n"

    def test_all_of_it_is_dropped(self, files: BatchFiles, batch: Batch) -> None:
        other = new_batch(account_id=batch.account_id)
        for each in (batch, other):
            files.put_input(each, b"asked")
            files.keep_result(each, 0, 0, b"answered")
        for _ in range(2):
            files.drop(batch)
        assert files.read_results(batch, 0) == {}
        assert files.read_results(other, 0) == {0: b"answered"}
        assert files.read_input(other, 0, 5) == b"asked"


def created(batches: Batches, batch: Batch, **options: Any) -> str | TurnpikeError:
    """The id, or why not."""
    try:
        return batches.create(batch, **options)
    except TurnpikeError as error:
        return error


def at_once(act: Any) -> list[Any]:
    """What came of each, when all of them began together; each is given its number."""
    start = Barrier(THREADS)

    def begin(number: int) -> Any:
        start.wait()
        return act(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))
