"""Metering as Lambda runs it from SQS, on a queue that loses, repeats, delays and mixes up its messages."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.invoke import load_function

from tests.chaos.duty import STAGE, Duty

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_LOST, _DELAYED, _REPEATED, _KEPT = 0.005, 0.03, 0.05, 0.04
"""Of messages. What is kept was settled, and comes again all the same."""
_PAUSE_S = 0.2


def run(duty: Duty) -> None:
    invoke = load_function("metering", STAGE)
    # The same as the function's own, which are there by now.
    from turnpike.bootstrap.resources import resources

    parts = resources()
    duty.let_fail(parts.dynamodb, parts.sqs)
    queue = _Queue(duty, parts.sqs, parts.settings.usage_queue_url)
    while not duty.stop.is_set():
        try:
            batch = queue.receive()
            if not batch:
                continue
            duty.facts.write("handling", ids=[_id_of(message) for message in batch], at=duty.true_time())
            result = invoke({"Records": [_record(message, number) for number, message in enumerate(batch)]})
            failed = {int(each["itemIdentifier"]) for each in result["batchItemFailures"]}
            duty.facts.write("handled", messages=len(batch), failed=len(failed))
            queue.delete([message for number, message in enumerate(batch) if number not in failed])
        except (BotoCoreError, ClientError):
            duty.stop.wait(_PAUSE_S)


class _Queue:
    def __init__(self, duty: Duty, client: "SQSClient", url: str) -> None:
        self._duty, self._client, self._url = duty, client, url
        self._random: Random = duty.random

    def receive(self) -> Sequence["MessageTypeDef"]:
        """A batch in no order, some messages of it twice."""
        most = self._random.choice([10, 10, 10, self._random.randint(1, 9)])
        answer = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=most, WaitTimeSeconds=1)
        batch: list[MessageTypeDef] = []
        for message in answer.get("Messages", []):
            batch += [message] * self._copies(message)
        self._random.shuffle(batch)
        return batch

    def _copies(self, message: "MessageTypeDef") -> int:
        """How often it is delivered now."""
        fate = self._random.random()
        if fate < _LOST:
            self._duty.facts.write("lost", id=_id_of(message))
            self.delete([message])
            return 0
        if fate < _LOST + _DELAYED:
            seconds = self._random.randint(1, self._duty.world.size.longest_delay_s)
            self._duty.facts.write("delayed", seconds=seconds)
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
            )
            return 0
        if fate < _LOST + _DELAYED + _REPEATED:
            self._duty.facts.write("repeated")
            return 2
        return 1

    def delete(self, messages: Sequence["MessageTypeDef"]) -> None:
        handles = {message["ReceiptHandle"] for message in messages}
        kept = {handle for handle in handles if self._random.random() < _KEPT}
        if kept:
            self._duty.facts.write("kept", messages=len(kept))
        for handle in handles - kept:
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=handle)


def _id_of(message: "MessageTypeDef") -> str | None:
    """None where it is poison."""
    try:
        found: str = json.loads(message["Body"])["generation"]["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return found


def _record(message: "MessageTypeDef", number: int) -> Mapping[str, Any]:
    """Numbered, since two deliveries of one message are told apart."""
    return {
        "messageId": str(number),
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {},
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:usage",
        "awsRegion": "us-east-1",
    }
