"""Feeds functions from their queues, as Lambda's event source does."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.invoke import REGION

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_BATCH = 10
_WAIT_S = 1
"""How long one poll waits for a message, and so how long stopping can take."""
_logger = logging.getLogger(__name__)


def poll_queue(
    queue_url: str, invoke: Callable[[Mapping[str, Any]], Any], stop: threading.Event, *, batch: int = _BATCH
) -> None:
    """Deliver messages, at most a `batch` at once, until `stop` is set. What fails stays and comes again later."""
    client = boto3.client("sqs")
    arn = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    while not stop.is_set():
        try:
            _poll_once(client, queue_url, arn, invoke, batch)
        except (BotoCoreError, ClientError):
            _logger.exception("a queue cannot be read")
            stop.wait(_WAIT_S)


def _poll_once(
    client: "SQSClient", queue_url: str, arn: str, invoke: Callable[[Mapping[str, Any]], Any], batch: int
) -> None:
    answer = client.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=batch,
        WaitTimeSeconds=_WAIT_S,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    messages = answer.get("Messages", [])
    if not messages:
        return
    try:
        failed = _failed_ids(invoke({"Records": [_record(message, arn) for message in messages]}))
    except Exception:
        # As in the cloud: an invocation that fails fails its whole batch.
        _logger.exception("a batch of messages failed")
        return
    _delete(client, queue_url, [message for message in messages if message["MessageId"] not in failed])


def _failed_ids(result: Any) -> set[str]:
    return {failure["itemIdentifier"] for failure in (result or {}).get("batchItemFailures", ())}


def _delete(client: "SQSClient", queue_url: str, messages: Iterable["MessageTypeDef"]) -> None:
    entries = [
        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)
    ]
    if entries:
        client.delete_message_batch(QueueUrl=queue_url, Entries=entries)  # type: ignore[arg-type]


def _record(message: "MessageTypeDef", arn: str) -> Mapping[str, Any]:
    body = message["Body"]
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": body,
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: {"dataType": value["DataType"], "stringValue": value.get("StringValue")}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message.get("MD5OfBody") or hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }
