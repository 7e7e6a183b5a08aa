"""Batches as OpenRouter's clients read them (reference 7.15)."""

from typing import Any

from turnpike.domain.batches import Batch, BatchPage
from turnpike.domain.money import present_usd
from turnpike.services.manage_batches import BatchReport
from turnpike.services.submit_batch import Upload


def present_batch(report: BatchReport) -> dict[str, Any]:
    batch = report.batch
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "status": batch.status,
        # Each of its requests may be answered by another one.
        "provider": None,
        "completion_window": "24h",
        "created_at": batch.created_at_s,
        "expires_at": batch.expires_at_s,
        "finalized_at": batch.finalized_at_s,
        "request_counts": {
            "total": batch.total,
            "completed": batch.tally.completed,
            "failed": batch.tally.failed,
        },
        "usage": _present_usage(batch),
        "error": {"message": batch.error} if batch.error else None,
        "results": None if report.results is None else list(report.results),
        "results_url": report.results_url,
    }


def present_page(page: BatchPage) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [present_batch(BatchReport(batch)) for batch in page.batches],
        "first_id": page.batches[0].id if page.batches else None,
        "last_id": page.batches[-1].id if page.batches else None,
        "has_more": page.has_more,
    }


def present_deletion(batch_id: str) -> dict[str, Any]:
    return {"id": batch_id, "object": "batch", "deletion": {"openrouter": "deleted"}}


def present_upload(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "object": "batch.upload",
        "method": "PUT",
        "url": upload.url,
        "bytes": upload.bytes,
        "expires_at": upload.expires_at_s,
    }


def _present_usage(batch: Batch) -> dict[str, Any] | None:
    tally = batch.tally
    if not tally.completed:
        return None
    return {
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        "total_tokens": tally.prompt_tokens + tally.completion_tokens,
        "cost": present_usd(tally.cost),
    }
