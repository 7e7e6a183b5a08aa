"""Daily jobs in the ledger's table: one item each, which says how far the job has come and who may go on with it.

begun ──claimed until──> step kept ──claimed until──> ... ──> done ──next day──> begun
"""

from typing import TYPE_CHECKING

from turnpike.domain.jobs import JobClaim
from turnpike.storage import keys
from turnpike.storage.items import Item, number
from turnpike.storage.transactions import translated
from turnpike.storage.versions import put_next, version_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MOST_BYTES = 390_000
"""An item of DynamoDB holds 400 kB."""


class DynamoJobs:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def claim(self, job: str, now_s: int, *, due_s: int, until_s: int) -> JobClaim | None:
        with translated():
            found = self._client.get_item(TableName=self._table, Key=keys.job(job), ConsistentRead=True)
        item: Item = found.get("Item", {})
        is_done = not item or item["is_done"]["BOOL"]
        if (item and int(item["claimed_until"]["N"]) > now_s) or (is_done and item and _begun_at_s(item) >= due_s):
            return None
        begun_at_s = now_s if is_done else _begun_at_s(item)
        state = b"" if is_done else item["state"]["B"]
        claim = JobClaim(job, begun_at_s, state, version_of(item) + 1)
        return claim if self._put(claim, claimed_until_s=until_s, is_done=False) else None

    def keep(self, claim: JobClaim, state: bytes, *, is_done: bool) -> JobClaim | None:
        if len(state) > _MOST_BYTES:
            raise ValueError(f"{len(state):,} bytes are more than is kept of a job")
        kept = JobClaim(claim.job, claim.begun_at_s, state, claim.version + 1)
        return kept if self._put(kept, claimed_until_s=0, is_done=is_done) else None

    def _put(self, claim: JobClaim, *, claimed_until_s: int, is_done: bool) -> bool:
        item: Item = {
            **keys.job(claim.job),
            "begun_at": number(claim.begun_at_s),
            "claimed_until": number(claimed_until_s),
            "is_done": {"BOOL": is_done},
            "state": {"B": claim.state},
        }
        return put_next(self._client, self._table, item, seen=claim.version - 1)


def _begun_at_s(item: Item) -> int:
    return int(item["begun_at"]["N"])
