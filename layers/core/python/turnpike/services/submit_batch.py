"""Take a batch in: check what comes with the request, keep it, and let it begin."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from anyio.to_thread import run_sync

from turnpike.domain.api_keys import Principal
from turnpike.domain.batch_steps import Step
from turnpike.domain.batches import (
    BATCH_PREFIX,
    ENDPOINTS,
    MOST_BYTES,
    UPLOAD_PREFIX,
    Batch,
    BatchId,
    Submission,
    UploadId,
)
from turnpike.domain.errors import Conflict, InvalidRequest, NotFound, PayloadTooLarge, RequestError
from turnpike.domain.ids import AccountId, new_id
from turnpike.ports.batches import Batches, BatchFiles, BatchQueue
from turnpike.services.batch_lines import CheckBody, LineCheck, within

UPLOAD_TTL_S = 3600


@dataclass(frozen=True, slots=True)
class NewBatch:
    """Either with `requests`, each a custom id and a body, or with an upload."""

    endpoint: str
    model: str = ""
    requests: Sequence[tuple[Any, Any]] = ()
    upload_id: UploadId | None = None
    provider: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None
    idempotency_key: str | None = None
    """What the client calls this request, so that it may send it again."""


@dataclass(frozen=True, slots=True)
class Upload:
    id: UploadId
    url: str
    bytes: int
    expires_at_s: int


@dataclass(frozen=True, slots=True)
class SubmitBatch:
    batches: Batches
    files: BatchFiles
    queue: BatchQueue
    check_body: CheckBody
    most_open: int = 0
    """How many batches of an account may not be over at once; 0 for any number."""
    now: Callable[[], float] = time.time

    async def __call__(self, principal: Principal, wanted: NewBatch) -> Batch:
        """The new batch; with an idempotency key that came before, the one that was made then, as it is now.

        Raises InvalidRequest, which names the request, NotFound or Conflict for the upload, IdempotencyKeyReused,
        TooManyBatches, and TemporarilyBusy.
        """
        now = self.now()
        batch = Batch(
            id=BatchId(new_id(BATCH_PREFIX, now)),
            account_id=principal.account_id,
            key_hash=principal.key.hash,
            endpoint=wanted.endpoint,
            created_at_s=int(now),
            model=wanted.model,
            provider=wanted.provider or {},
            headers=wanted.headers or {},
        )
        return await run_sync(self._take, batch, wanted)

    async def offer_upload(self, principal: Principal, size: int) -> Upload:
        """Raises PayloadTooLarge."""
        if size > MOST_BYTES:
            raise PayloadTooLarge(f"a file of requests has at most {MOST_BYTES // 1024 // 1024} MB; make several")
        now = self.now()
        upload_id = UploadId(new_id(UPLOAD_PREFIX, now))
        offer = self.files.offer_upload
        url = await run_sync(lambda: offer(principal.account_id, upload_id, size, ttl_s=UPLOAD_TTL_S))
        return Upload(upload_id, url, size, int(now) + UPLOAD_TTL_S)

    def _take(self, batch: Batch, wanted: NewBatch) -> Batch:
        submission = _submission_of(wanted)
        before = self._find(batch.account_id, submission)
        if before is not None:
            return self._again(batch.account_id, before)
        try:
            self._put_input(batch, wanted)
        except NotFound:
            # Whoever sent the same at the same time may have made a batch of the upload by now.
            before = self._find(batch.account_id, submission)
            if before is None:
                raise
            return self._again(batch.account_id, before)
        # Before it can be found, and so be waited for, it has all that it needs.
        made = self._create(batch, submission, wanted.upload_id)
        if made != batch.id:
            return self._again(batch.account_id, made)
        self._begin(batch)
        if wanted.upload_id is not None:
            self.files.drop_upload(batch.account_id, wanted.upload_id)
        return batch

    def _find(self, account_id: AccountId, submission: Submission | None) -> BatchId | None:
        return None if submission is None else self.batches.find_submitted(account_id, submission)

    def _again(self, account_id: AccountId, batch_id: BatchId) -> Batch:
        """What became of the batch that the same request has made."""
        batch = self.batches.find(account_id, batch_id)
        if batch is None:
            raise Conflict("The batch made with this Idempotency-Key was deleted; send another key for a new one")
        if batch.status == "validating":
            # The step may have been lost as the answer was; done twice it is no harm.
            self._begin(batch)
        return batch

    def _put_input(self, batch: Batch, wanted: NewBatch) -> None:
        if wanted.upload_id is None:
            self.files.put_input(batch, self._lines(batch, wanted.requests))
        else:
            self.files.copy_upload(batch, wanted.upload_id)

    def _create(self, batch: Batch, submission: Submission | None, upload_id: UploadId | None) -> BatchId:
        try:
            made = self.batches.create(batch, submission=submission, upload_id=upload_id, most_open=self.most_open)
        except RequestError:
            self.files.drop(batch)
            raise
        if made != batch.id:
            self.files.drop(batch)
        return made

    def _begin(self, batch: Batch) -> None:
        self.queue.send([Step("begin", batch.account_id, batch.id)])

    def _lines(self, batch: Batch, requests: Sequence[tuple[Any, Any]]) -> bytes:
        check = LineCheck(batch, self.check_body)
        for number, (custom_id, body) in enumerate(requests):
            try:
                check.request(custom_id, body)
            except InvalidRequest as error:
                raise within(error, "requests", str(number)) from None
        return b"".join(orjson.dumps({"custom_id": id_, "body": body}) + b"\n" for id_, body in requests)


def check_endpoint(endpoint: str) -> None:
    """Raises InvalidRequest."""
    if endpoint not in ENDPOINTS:
        raise InvalidRequest(f"must be one of {', '.join(ENDPOINTS)}", field="endpoint")


def _submission_of(wanted: NewBatch) -> Submission | None:
    if wanted.idempotency_key is None:
        return None
    asked = [wanted.endpoint, wanted.model, wanted.requests, wanted.upload_id, wanted.provider]
    text = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    return Submission(sha256(wanted.idempotency_key.encode()).hexdigest(), sha256(text).hexdigest())
