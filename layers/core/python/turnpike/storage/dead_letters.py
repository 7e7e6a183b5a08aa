"""The usage queue's dead letters. What SQS has to move them by itself shows none of them, and no emulator has it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from turnpike.domain.dead_letters import DeadLetter
from turnpike.domain.errors import TemporarilyBusy

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCH = 10
_WAIT_S = 2
"""For a message of any of the queue's servers: an answer that did not wait may know of none."""
_HIDDEN_S = 900


class SqsDeadLetters:
    """`usage_queue_url`: of the queue that they were parked by."""

    def __init__(self, client: "SQSClient", usage_queue_url: str) -> None:
        self._client, self._usage_queue_url = client, usage_queue_url
        with _translated():
            found = client.get_queue_attributes(QueueUrl=usage_queue_url, AttributeNames=["RedrivePolicy"])
            arn = orjson.loads(found["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"]
            self._url = client.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]

    def count(self) -> int:
        with _translated():
            found = self._client.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    def receive(self) -> Sequence[DeadLetter]:
        with _translated():
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=_WAIT_S,
                VisibilityTimeout=_HIDDEN_S,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
        return [
            DeadLetter(
                message["Body"],
                message["ReceiptHandle"],
                int(message["Attributes"]["SentTimestamp"]) // 1000,
                int(message["Attributes"]["ApproximateReceiveCount"]),
            )
            for message in answer.get("Messages", [])
        ]

    def move(self, letter: DeadLetter) -> None:
        with _translated():
            # First sent, then deleted: cut short in between it is in both queues, and settled once all the same.
            self._client.send_message(QueueUrl=self._usage_queue_url, MessageBody=letter.body)
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=letter.handle)

    def release(self, letter: DeadLetter) -> None:
        with _translated():
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=letter.handle, VisibilityTimeout=0)


def find_usage_queue(client: "SQSClient", stage: str) -> str:
    """The URL of a deployment's. Raises TemporarilyBusy."""
    with _translated():
        return client.get_queue_url(QueueName=f"turnpike-{stage}-usage")["QueueUrl"]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise TemporarilyBusy(f"the queue cannot be reached: {error}") from error
