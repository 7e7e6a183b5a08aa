"""The usage queue: completions sends, metering's event source reads."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from turnpike.domain.errors import TemporarilyBusy

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsUsageQueue:
    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client, self._url = client, url

    def send(self, event: Mapping[str, Any]) -> None:
        """`event` may hold dataclasses. Raises TemporarilyBusy when the queue did not take it."""
        body = orjson.dumps(event).decode()
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=body)
        except (BotoCoreError, ClientError) as error:
            raise TemporarilyBusy("the usage queue cannot be reached") from error
