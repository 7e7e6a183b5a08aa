"""Works off the queue of batches. A message that fails is delivered again; each is one step of one batch."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from turnpike.bootstrap.batches import work_off
from turnpike.telemetry import log_failure, logger

work = work_off()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    # Of this task's own lines alone: the local run does not stop the other functions while a chunk is asked.
    logger.thread_safe_append_keys(function_request_id=context.aws_request_id)
    failed = []
    for record in event["Records"]:
        try:
            work(record["body"], context.get_remaining_time_in_millis)
        except Exception as error:  # Whatever it is, the message comes again.
            log_failure("a batch's step failed", error, message_id=record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
