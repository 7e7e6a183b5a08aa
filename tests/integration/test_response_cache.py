"""Cached answers in DynamoDB keep the contract, whatever their size, and say it when storage is busy."""

import secrets
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.response_cache import CachedAnswer, CacheKey
from turnpike.storage.response_cache import DynamoCachedAnswers
from turnpike.storage.schema import CACHE, Table

from tests.contracts.response_cache import NOW, CachedAnswersContract, answer
from tests.stubs import stubbed_dynamodb

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = CacheKey("f" * 64)


@pytest.fixture(scope="module")
def cache_table(new_table: Callable[[Table], str]) -> str:
    return new_table(CACHE)


class TestDynamoCachedAnswers(CachedAnswersContract):
    @pytest.fixture
    def answers(self, dynamodb: "DynamoDBClient", cache_table: str) -> DynamoCachedAnswers:
        return DynamoCachedAnswers(dynamodb, cache_table)


def test_everything_of_it_ends_with_its_time(dynamodb: "DynamoDBClient", new_table: Callable[[Table], str]) -> None:
    table = new_table(CACHE)
    answers = DynamoCachedAnswers(dynamodb, table)
    answers.keep(KEY, answer(secrets.token_bytes(1_000_000), ttl_s=60))

    items = dynamodb.scan(TableName=table)["Items"]
    assert len(items) == 3
    assert {int(item["ttl"]["N"]) for item in items} == {NOW + 60}
    answers.drop(KEY)
    assert dynamodb.scan(TableName=table)["Items"] == []


def test_an_answer_that_lost_a_piece_is_not_found(dynamodb: "DynamoDBClient", cache_table: str) -> None:
    answers, kept = DynamoCachedAnswers(dynamodb, cache_table), answer(secrets.token_bytes(1_000_000))
    answers.keep(KEY, kept)
    dynamodb.delete_item(TableName=cache_table, Key={"pk": {"S": f"ANSWER#{KEY}#{kept.source_id}#2"}})
    assert answers.find(KEY, NOW) is None


def test_a_usual_answer_is_one_write_and_one_read() -> None:
    client, stub = stubbed_dynamodb()
    kept = answer(b"short")
    stub.add_response("put_item", {})
    stub.add_response("get_item", {"Item": first_item(kept, pieces=1)})
    answers = DynamoCachedAnswers(client, "cache")

    answers.keep(KEY, kept)
    assert answers.find(KEY, NOW) == kept
    stub.assert_no_pending_responses()


def test_pieces_that_were_not_read_at_once_are_asked_for_again() -> None:
    client, stub = stubbed_dynamodb()
    kept, naps = answer(b"long " * 10), list[float]()
    packed = zlib.compress(kept.body)
    keys = [{"pk": {"S": f"ANSWER#{KEY}#{kept.source_id}#{n}"}} for n in (1, 2)]
    stub.add_response("get_item", {"Item": first_item(kept, pieces=3, body=packed[:5])})
    for read, unread in ((1, [keys[0]]), (0, [])):
        piece = {**keys[read], "body": {"B": packed[5:9] if read == 0 else packed[9:]}}
        response = {"Responses": {"cache": [piece]}, "UnprocessedKeys": {"cache": {"Keys": unread}} if unread else {}}
        stub.add_response("batch_get_item", response)

    assert DynamoCachedAnswers(client, "cache", sleep=naps.append).find(KEY, NOW) == kept
    assert len(naps) == 1
    stub.assert_no_pending_responses()


def test_pieces_that_are_never_read_are_a_busy_moment() -> None:
    client, stub = stubbed_dynamodb()
    kept = answer(b"long")
    key = {"pk": {"S": f"ANSWER#{KEY}#{kept.source_id}#1"}}
    stub.add_response("get_item", {"Item": first_item(kept, pieces=2)})
    for _ in range(5):
        stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": {"cache": {"Keys": [key]}}})

    with pytest.raises(TemporarilyBusy):
        DynamoCachedAnswers(client, "cache", sleep=lambda _: None).find(KEY, NOW)


CALLS: dict[str, Callable[[DynamoCachedAnswers], object]] = {
    "get_item": lambda answers: answers.find(KEY, NOW),
    "put_item": lambda answers: answers.keep(KEY, answer(b"")),
    "delete_item": lambda answers: answers.drop(KEY),
}


@pytest.mark.parametrize(
    ("code", "expected"), [("ThrottlingException", TemporarilyBusy), ("AccessDeniedException", ClientError)]
)
@pytest.mark.parametrize("operation", sorted(CALLS))
def test_what_storage_refuses_is_said_in_our_words_or_not_hidden(
    operation: str, code: str, expected: type[Exception]
) -> None:
    client, stub = stubbed_dynamodb()
    stub.add_client_error(operation, code, http_status_code=400)

    with pytest.raises(expected):
        CALLS[operation](DynamoCachedAnswers(client, "cache"))


def first_item(kept: CachedAnswer, *, pieces: int, body: bytes | None = None) -> dict[str, Any]:
    return {
        "pk": {"S": f"ANSWER#{KEY}"},
        "source_id": {"S": kept.source_id},
        "created_at": {"N": str(kept.created_at_s)},
        "expires_at": {"N": str(kept.expires_at_s)},
        "pieces": {"N": str(pieces)},
        "body": {"B": zlib.compress(kept.body) if body is None else body},
    }
