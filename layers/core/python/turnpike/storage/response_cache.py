"""Cached answers in a table of their own, compressed, and gone soon after their time.

    ANSWER#<key>                      source_id, created_at, expires_at, pieces, and the first piece of the body
    ANSWER#<key>#<source id>#<n>      the n-th piece more, where the body is larger than an item may be

An item takes 400 KB, which most answers are far below and images in answers far above. Pieces need neither a
bucket nor its lifecycle rules beside the table, and the usual answer stays one read and one write. They are
written before the item that names them, under the id of the generation they come from: whoever reads while two
requests write gets one answer or the other, and never parts of both.
"""

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import GenerationId
from turnpike.domain.response_cache import CachedAnswer, CacheKey
from turnpike.storage.items import Item, number
from turnpike.storage.keys import Key
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PIECE_BYTES = 380_000
"""Of DynamoDB's 409,600, with room for the other attributes."""
_MOST_PIECES = 16
"""6 MB in all, which a synchronous Lambda invocation may answer. What is larger is not kept."""
_DELAYS_S = (0.02, 0.05, 0.1, 0.2)
"""Between one try to read all pieces and the next."""


class DynamoCachedAnswers:
    def __init__(self, client: "DynamoDBClient", table: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._table, self._sleep = client, table, sleep

    def find(self, key: CacheKey, now_s: int) -> CachedAnswer | None:
        with translated():
            # Consistent, since a request that follows its like at once is to find the answer.
            found = self._client.get_item(TableName=self._table, Key=_key(key), ConsistentRead=True)
        item: Mapping[str, Any] = found.get("Item", {})
        # DynamoDB deletes what is over within days, not at once.
        if not item or _int(item, "expires_at") <= now_s:
            return None
        source_id = GenerationId(item["source_id"]["S"])
        more = self._read([_piece_key(key, source_id, n) for n in range(1, _int(item, "pieces"))])
        if more is None:
            return None
        body = zlib.decompress(b"".join([item["body"]["B"], *more]))
        return CachedAnswer(source_id, _int(item, "created_at"), _int(item, "expires_at"), body)

    def keep(self, key: CacheKey, answer: CachedAnswer) -> None:
        packed = zlib.compress(answer.body)
        pieces = [packed[start : start + _PIECE_BYTES] for start in range(0, len(packed), _PIECE_BYTES)]
        if len(pieces) > _MOST_PIECES:
            return
        ttl = number(answer.expires_at_s)
        with translated():
            for n, piece in enumerate(pieces[1:], start=1):
                # Whatever is there: the key has the generation's own id, so that nobody else writes it.
                at = _piece_key(key, answer.source_id, n)
                self._client.put_item(TableName=self._table, Item={**at, "body": {"B": piece}, "ttl": ttl})
        self._put_first(
            {
                **_key(key),
                "source_id": {"S": answer.source_id},
                "created_at": number(answer.created_at_s),
                "expires_at": number(answer.expires_at_s),
                "pieces": number(len(pieces)),
                "body": {"B": pieces[0]},
                "ttl": ttl,
            }
        )

    def drop(self, key: CacheKey) -> None:
        with translated():
            # Whatever is there. Without its first piece an answer is not found any more.
            dropped = self._client.delete_item(TableName=self._table, Key=_key(key), ReturnValues="ALL_OLD")
            item: Mapping[str, Any] = dropped.get("Attributes", {})
            for n in range(1, _int(item, "pieces") if item else 0):
                at = _piece_key(key, GenerationId(item["source_id"]["S"]), n)
                self._client.delete_item(TableName=self._table, Key=at)

    def _put_first(self, item: Item) -> None:
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    # Only if there is none, or an older one: of two requests at once, the later answer stays.
                    ConditionExpression="attribute_not_exists(pk) OR created_at <= :created_at",
                    ExpressionAttributeValues={":created_at": item["created_at"]},
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def _read(self, wanted: Sequence[Key]) -> list[bytes] | None:
        """The pieces in order; None when one is not there any more. Raises TemporarilyBusy."""
        found: dict[str, bytes] = {}
        left: Sequence[Any] = wanted
        for delay_s in (*_DELAYS_S, None):
            if left:
                with translated():
                    page = self._client.batch_get_item(
                        RequestItems={self._table: {"Keys": left, "ConsistentRead": True}}
                    )
                found |= {item["pk"]["S"]: item["body"]["B"] for item in page["Responses"].get(self._table, [])}
                unread: Mapping[str, Any] = page.get("UnprocessedKeys", {})
                left = unread[self._table]["Keys"] if unread else ()
            if not left:
                pieces = [found.get(each["pk"]["S"]) for each in wanted]
                return [piece for piece in pieces if piece is not None] if None not in pieces else None
            if delay_s is not None:
                self._sleep(delay_s)
        raise TemporarilyBusy("The response cache is busy; try again")


def _key(key: CacheKey) -> Key:
    return {"pk": {"S": f"ANSWER#{key}"}}


def _piece_key(key: CacheKey, source_id: GenerationId, n: int) -> Key:
    return {"pk": {"S": f"ANSWER#{key}#{source_id}#{n}"}}


def _int(item: Mapping[str, Any], name: str) -> int:
    return int(item[name]["N"])
