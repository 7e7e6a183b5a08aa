"""The queue of batches: steps go in ten at a time, and wait there for as long as they have to."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from turnpike.domain.batch_steps import Step, present_step
from turnpike.domain.errors import TemporarilyBusy

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_AT_ONCE = 10
LONGEST_DELAY_S = 900
"""What SQS takes. A wait that is longer comes in several."""


class SqsBatchQueue:
    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client, self._url = client, url

    def send(self, steps: Sequence[Step], *, delay_s: int = 0) -> None:
        delay_s = max(0, min(delay_s, LONGEST_DELAY_S))
        for start in range(0, len(steps), _AT_ONCE):
            entries = [
                {
                    "Id": str(number),
                    "MessageBody": orjson.dumps(present_step(step)).decode(),
                    "DelaySeconds": delay_s,
                    # A fair queue: who has many batches does not make others wait for theirs.
                    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
                    "MessageGroupId": _tenant(step),
                }
                for number, step in enumerate(steps[start : start + _AT_ONCE])
            ]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
            except (BotoCoreError, ClientError) as error:
                raise TemporarilyBusy("the queue of batches cannot be reached") from error
            if answer.get("Failed"):
                # All of them are sent again with the step that sent them; who gets one twice finds it done.
                raise TemporarilyBusy("the queue of batches did not take everything")


def _tenant(step: Step) -> str:
    """Of few characters, which an operator's own account ids need not be."""
    return hashlib.sha256(step.account_id.encode()).hexdigest()
