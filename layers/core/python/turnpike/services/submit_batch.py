"""Take a batch in: check what comes with the request, keep it, and let it begin."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    UploadId,
)
from turnpike.domain.errors import Conflict, InvalidRequest, PayloadTooLarge
from turnpike.domain.ids import new_id
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
    now: Callable[[], float] = time.time

    async def __call__(self, principal: Principal, wanted: NewBatch) -> Batch:
        """Raises InvalidRequest, which names the request, NotFound or Conflict for the upload, and TemporarilyBusy."""
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
        await run_sync(self._take, batch, wanted)
        return batch

    async def offer_upload(self, principal: Principal, size: int) -> Upload:
        """Raises PayloadTooLarge."""
        if size > MOST_BYTES:
            raise PayloadTooLarge(f"a file of requests has at most {MOST_BYTES // 1024 // 1024} MB; make several")
        now = self.now()
        upload_id = UploadId(new_id(UPLOAD_PREFIX, now))
        offer = self.files.offer_upload
        url = await run_sync(lambda: offer(principal.account_id, upload_id, size, ttl_s=UPLOAD_TTL_S))
        return Upload(upload_id, url, size, int(now) + UPLOAD_TTL_S)

    def _take(self, batch: Batch, wanted: NewBatch) -> None:
        if wanted.upload_id is None:
            self.files.put_input(batch, self._lines(batch, wanted.requests))
        else:
            self._take_upload(batch, wanted.upload_id)
        # Before it can be found, and so be waited for, it has all that it needs.
        self.batches.create(batch)
        self.queue.send([Step("begin", batch.account_id, batch.id)])

    def _take_upload(self, batch: Batch, upload_id: UploadId) -> None:
        """A client that sends its request again must not have everything asked twice."""
        self.files.take_upload(batch, upload_id)
        if not self.batches.claim_upload(batch, upload_id):
            self.files.drop(batch)
            raise Conflict("another batch was made of this upload; each makes one")

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
