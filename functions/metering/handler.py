"""Settles usage events from SQS. A message that fails is redelivered alone; the rest of its batch is done."""

from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from turnpike.bootstrap.metering import settle_message
from turnpike.telemetry import log_failure, logger, metrics

settle = settle_message()


class _QuietBatchProcessor(BatchProcessor):
    """Logs a failed record by its id and kind of error; the library would log its traceback."""

    def failure_handler(self, record: Any, exception: Any) -> Any:
        log_failure("message not settled", exception[1], message_id=record.message_id)
        return super().failure_handler(record, exception)


# Every message failing is as ordinary as one failing, and must not fail the invocation.
processor = _QuietBatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def on_record(record: SQSRecord) -> None:
    settle(record.body)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    settle.begin(record["body"] for record in event["Records"])
    answer = process_partial_response(event, on_record, processor, context)
    settle.finish()
    return answer
