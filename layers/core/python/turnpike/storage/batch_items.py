"""Batches as DynamoDB items."""

from collections.abc import Mapping
from typing import Any, cast

import orjson

from turnpike.domain.batches import Batch, BatchId, BatchStatus, Tally
from turnpike.domain.ids import AccountId, KeyHash
from turnpike.storage import keys
from turnpike.storage.items import TTL, Item, amount_of, number

OPEN = "open"
"""The attribute that only batches have which are not over, and so the index of those that may be due."""


def batch_item(batch: Batch, *, ttl_s: int) -> Item:
    return {
        **keys.batch(batch.account_id, batch.id),
        "account_id": {"S": batch.account_id},
        "key_hash": {"S": batch.key_hash},
        "endpoint": {"S": batch.endpoint},
        "created_at": number(batch.created_at_s),
        "expires_at": number(batch.expires_at_s),
        "provider": {"S": orjson.dumps(dict(batch.provider)).decode()},
        "headers": {"M": {name: {"S": value} for name, value in batch.headers.items()}},
        OPEN: {"S": OPEN},
        TTL: number(ttl_s),
        **status_attributes(batch),
    }


def status_attributes(batch: Batch) -> Item:
    """What changes with a batch's status; all that changes besides is counted."""
    finalized = {} if batch.finalized_at_s is None else {"finalized_at": number(batch.finalized_at_s)}
    return {
        "status": {"S": batch.status},
        "model": {"S": batch.model},
        "total": number(batch.total),
        "chunks": number(batch.chunks),
        "error": {"S": batch.error},
        **finalized,
    }


def parse_batch(item: Mapping[str, Any]) -> Batch:
    return Batch(
        id=BatchId(item["sk"]["S"]),
        account_id=AccountId(item["account_id"]["S"]),
        key_hash=KeyHash(item["key_hash"]["S"]),
        endpoint=item["endpoint"]["S"],
        created_at_s=int(item["created_at"]["N"]),
        model=item["model"]["S"],
        status=cast(BatchStatus, item["status"]["S"]),
        total=amount_of(item, "total"),
        chunks=amount_of(item, "chunks"),
        closed_chunks=amount_of(item, "closed_chunks"),
        tally=Tally(
            completed=amount_of(item, "completed"),
            failed=amount_of(item, "failed"),
            ended=amount_of(item, "ended"),
            prompt_tokens=amount_of(item, "prompt_tokens"),
            completion_tokens=amount_of(item, "completion_tokens"),
            cost=amount_of(item, "cost"),
        ),
        finalized_at_s=amount_of(item, "finalized_at") if "finalized_at" in item else None,
        error=item["error"]["S"],
        provider=orjson.loads(item["provider"]["S"]),
        headers={name: value["S"] for name, value in item["headers"]["M"].items()},
    )
