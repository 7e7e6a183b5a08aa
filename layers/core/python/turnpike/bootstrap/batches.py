"""Composes the batches function, which works off their queue; and what the keys function has of them."""

import asyncio
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import orjson

from turnpike.api.batches.bodies import BodyCheck
from turnpike.bootstrap.resources import Resources, resources
from turnpike.domain.batch_steps import parse_step
from turnpike.domain.batches import Batch
from turnpike.domain.catalog import Catalog
from turnpike.services.manage_batches import EndDueBatches, ManageBatches
from turnpike.services.submit_batch import SubmitBatch
from turnpike.storage.batch_files import S3BatchFiles
from turnpike.storage.batch_queue import SqsBatchQueue
from turnpike.storage.batches import DynamoBatches
from turnpike.telemetry import log_failure, logger

if TYPE_CHECKING:
    from turnpike.ports.accounts import ByokKeys
    from turnpike.services.work_off_batches import WorkOffBatches

_DAY_S = 86_400
_MOST_OPEN = 5_000


class BatchParts:
    """What is stored of batches, in the home region, whoever asks."""

    def __init__(self, parts: Resources) -> None:
        self.parts, self.settings = parts, parts.settings

    @cached_property
    def batches(self) -> DynamoBatches:
        retention_s = self.settings.batch_retention_days * _DAY_S
        return DynamoBatches(self.parts.home_dynamodb, self.settings.batches_table, retention_s=retention_s)

    @cached_property
    def files(self) -> S3BatchFiles:
        return S3BatchFiles(self.parts.home_s3, self.settings.batches_bucket)

    @cached_property
    def queue(self) -> SqsBatchQueue:
        return SqsBatchQueue(self.parts.home_sqs, self.settings.batches_queue_url)


def build_cases(parts: Resources) -> tuple[SubmitBatch, ManageBatches]:
    """What clients do with batches over HTTP."""
    stored = BatchParts(parts)
    most_open = parse_limit(parts.settings.batches_open_limit)
    # By names alone: which of the models are served is known to those who know the providers' credentials.
    check = build_check(parts, lambda _: parts.catalog.current().with_unserved())
    submit = SubmitBatch(stored.batches, stored.files, stored.queue, check, most_open)
    return submit, ManageBatches(stored.batches, stored.files, stored.queue)


def build_check(parts: Resources, catalog: Callable[[Batch], Catalog]) -> BodyCheck:
    if not parts.settings.presets_table:
        return BodyCheck(catalog, None)
    from turnpike.bootstrap.presets import build_expand

    return BodyCheck(catalog, build_expand(parts).for_account)


def parse_limit(most_open: int) -> int:
    """Raises ValueError: the ids of those that are under way have to fit into one item, and are written with each."""
    if not 0 <= most_open <= _MOST_OPEN:
        raise ValueError(
            f"TURNPIKE_BATCHES_OPEN_LIMIT is {most_open}; it may be 0 for any number, and {_MOST_OPEN:,} at most"
        )
    return most_open


def end_due_batches(parts: Resources, time_left: Callable[[], bool]) -> None:
    """What upkeep does of them. Never raises."""
    try:
        stored = BatchParts(parts)
        told = EndDueBatches(stored.batches, stored.queue)(int(time.time()), time_left=time_left)
    except Exception as error:  # Whatever it is: the rest of upkeep goes on without.
        log_failure("batches that are due were not ended", error)
        return
    if told:
        logger.warning("batches were not done within their day", extra={"batches": told})


class WorkOff:
    """Called with one message's body after the other, all on one event loop: connections to providers live on it."""

    def __init__(self, case: "WorkOffBatches") -> None:
        self._case = case
        self._runner = asyncio.Runner()

    def __call__(self, body: str, time_left_ms: Callable[[], int]) -> None:
        """Raises for what cannot be done now, so that it is delivered again, then parked."""
        step = parse_step(orjson.loads(body))
        self._runner.run(self._case(step, lambda: time_left_ms() / 1000))


def work_off() -> WorkOff:
    return build_work_off(resources())


def build_work_off(parts: Resources) -> WorkOff:
    from turnpike.api.batches.ask import AskApp, BatchGuard
    from turnpike.bootstrap import completions
    from turnpike.services.ask_chunk import AskChunk
    from turnpike.services.authenticate import Authenticate
    from turnpike.services.batch_catalog import BatchCatalog
    from turnpike.services.begin_batch import BeginBatch
    from turnpike.services.work_off_batches import WorkOffBatches

    stored = BatchParts(parts)
    guard = BatchGuard(Authenticate(parts.api_keys, ttl_s=parts.settings.principal_ttl_s))
    check = build_check(parts, BatchCatalog(parts.catalog.current, _byok_keys(parts)))
    report = completions.report_kept(parts)
    app = completions.build_app(parts, guard=guard, report=report, leases=False)
    return WorkOff(
        WorkOffBatches(
            stored.batches,
            stored.files,
            stored.queue,
            BeginBatch(stored.batches, stored.files, stored.queue, check),
            AskChunk(stored.batches, stored.files, stored.queue, AskApp(app, report.kept.add)),
            _note_over,
        )
    )


def _byok_keys(parts: Resources) -> "ByokKeys | None":
    """None where the deployment takes none of its customers, and then nothing of them is loaded."""
    if not (parts.settings.byok_table and parts.settings.byok_kms_key):
        return None
    from turnpike.bootstrap.byok import build_keys

    return build_keys(parts)


def _note_over(batch: Batch) -> None:
    logger.info(
        "batch over",
        extra={
            "batch": batch.id,
            "account": batch.account_id,
            "status": batch.status,
            "requests": batch.total,
            "completed": batch.tally.completed,
            "failed": batch.tally.failed,
            "took_s": int(time.time()) - batch.created_at_s,
        },
    )
