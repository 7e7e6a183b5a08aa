"""Batches on the emulator: their items in DynamoDB, their lines in S3, their steps in SQS."""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

import botocore.session
import httpx2
import orjson
import pytest
from botocore.config import Config

from infra.local.emulator import Emulator
from infra.local.provision import create_queue
from turnpike.domain.batch_steps import Step, parse_step
from turnpike.domain.batches import Chunk, UploadId
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId, new_id
from turnpike.ports.batches import BatchFiles
from turnpike.storage import batch_files
from turnpike.storage.batch_files import S3BatchFiles
from turnpike.storage.batch_queue import SqsBatchQueue
from turnpike.storage.batches import DynamoBatches
from turnpike.storage.schema import BATCHES, Table

from tests.contracts.batches import NOW, BatchesContract, BatchFilesContract, new_batch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

DAY_S = 86_400


@pytest.fixture(scope="module")
def table(new_table: Callable[[Table], str]) -> str:
    return new_table(BATCHES)


@pytest.fixture(scope="module")
def signing_s3(aws: Emulator) -> "S3Client":
    """As a deployment has it for batches: addresses are signed with SigV4."""
    return botocore.session.get_session().create_client(
        "s3",
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
        config=Config(signature_version="s3v4", max_pool_connections=64),
    )  # type: ignore[return-value]


@pytest.fixture(scope="module")
def bucket(s3: "S3Client") -> str:
    name = f"turnpike-test-{secrets.token_hex(4)}-batches"
    s3.create_bucket(Bucket=name)
    return name


def put(url: str, data: bytes) -> int:
    return httpx2.put(url, content=data, trust_env=False).status_code


class TestDynamoBatches(BatchesContract):
    @pytest.fixture
    def batches(self, dynamodb: "DynamoDBClient", table: str) -> DynamoBatches:
        return DynamoBatches(dynamodb, table, retention_s=DAY_S)

    def test_what_is_past_its_time_is_not_there(self, batches: DynamoBatches) -> None:
        past = new_batch(NOW - 2 * DAY_S - 1)
        batches.create(past)
        assert batches.find(past.account_id, past.id) is None
        assert not batches.list_page(past.account_id, limit=1).batches


class TestS3BatchFiles(BatchFilesContract):
    @pytest.fixture
    def files(self, signing_s3: "S3Client", bucket: str) -> S3BatchFiles:
        return S3BatchFiles(signing_s3, bucket)

    def upload(self, files: BatchFiles, account_id: AccountId, upload_id: UploadId, data: bytes) -> None:
        assert put(files.offer_upload(account_id, upload_id, len(data), ttl_s=60), data) == 200

    def test_an_address_takes_what_was_announced_and_no_more(self, files: S3BatchFiles) -> None:
        url = files.offer_upload(AccountId("acct-1"), UploadId(new_id("upload", NOW)), 5, ttl_s=60)
        assert put(url, b"longer") == 403
        assert put(url, b"short") == 200

    def test_what_is_large_is_put_together_in_parts(self, files: S3BatchFiles) -> None:
        batch = new_batch(chunks=3)
        lines = [secrets.token_bytes(batch_files._PART_BYTES // 2 + number) + b"\n" for number in range(3)]
        for number, line in enumerate(lines):
            files.close_results(batch, number, line)
        assert files.assemble(batch) == sum(map(len, lines))
        assert files.read_output(batch, most_bytes=10**9) == b"".join(lines)

    def test_results_are_read_by_whoever_has_their_address(self, files: S3BatchFiles) -> None:
        batch = new_batch(chunks=1)
        files.close_results(batch, 0, b"line\n")
        files.assemble(batch)
        url = files.output_url(batch, ttl_s=60)
        answer = httpx2.get(url, trust_env=False)
        assert answer.content == b"line\n"
        assert batch.id in answer.headers["content-disposition"]
        assert httpx2.get(url.partition("?")[0], trust_env=False).status_code == 403


class TestSqsBatchQueue:
    def test_steps_arrive_whole_however_many_there_are(self, sqs: "SQSClient") -> None:
        url = create_queue(sqs, f"turnpike-test-{secrets.token_hex(4)}-batches")
        batch = new_batch()
        steps = [Step("ask", batch.account_id, batch.id, Chunk(n, 0, 9, 0, 1), waits=n, tries=1) for n in range(23)]
        SqsBatchQueue(sqs, url).send([*steps, Step("end", batch.account_id, batch.id)])
        found: list[Step] = []
        while len(found) < len(steps) + 1:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
            found += [parse_step(orjson.loads(message["Body"])) for message in messages]
        assert sorted((s for s in found if s.chunk), key=lambda s: s.waits) == steps

    def test_a_queue_that_is_away_is_a_busy_moment(self, sqs: "SQSClient", aws: Emulator) -> None:
        batch = new_batch()
        with pytest.raises(TemporarilyBusy):
            SqsBatchQueue(sqs, f"{aws.endpoint_url}/000000000000/none").send([Step("end", batch.account_id, batch.id)])
