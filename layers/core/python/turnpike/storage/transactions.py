"""Storage errors in our own words, and transactions that are tried again while others hold their items."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from turnpike.domain.errors import TemporarilyBusy

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_BUSY = "The ledger is busy; try again"

_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Nothing was written; the same call may succeed in a moment."""

_UNAVAILABLE = frozenset({"InternalServerError", "ServiceUnavailable"})
"""Whether it was written is unknown. The client has repeated the call, under one token, before it says so. Not all of
what stands in between answers in DynamoDB's words, so any other status of 500 and above means the same.
"""

_REFUSED = "ConditionalCheckFailed"
_PASSING_REASONS = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"})

_DELAYS_S = (0.025, 0.05, 0.1, 0.2, 0.4, 0.4, 0.4, 0.4)
"""At most, between one try and the next: just under two seconds in all, which a client's request can bear."""


class Refused(Exception):
    """A transaction wrote nothing, since conditions did not hold.

    `found` has the items that the refused actions met, by the actions' names; one that is not there is empty.
    """

    def __init__(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(f"conditions refused: {', '.join(found)}")
        self.found = found


@contextmanager
def translated() -> Iterator[None]:
    """Throttling and lost connections are a busy moment. The rest is a bug or a missing grant, and stays."""
    try:
        yield
    except ClientError as error:
        failed = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
        if failed or error.response["Error"]["Code"] in _THROTTLED | _UNAVAILABLE:
            raise TemporarilyBusy(_BUSY) from error
        raise
    except (ConnectionError, HTTPClientError) as error:
        raise TemporarilyBusy(_BUSY) from error


class Transactions:
    def __init__(self, client: "DynamoDBClient", *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._sleep = client, sleep

    def write(self, actions: Mapping[str, "TransactWriteItemTypeDef"]) -> None:
        """All of the actions or none. Raises Refused, which knows them by their names, or TemporarilyBusy."""
        with translated():
            obstacle = self._attempt(actions)
            for delay_s in _DELAYS_S:
                if obstacle is None:
                    return
                # Jittered: whoever collided here would otherwise meet again.
                self._sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311  # spreads load, guards nothing
                obstacle = self._attempt(actions)
        if obstacle is not None:
            raise TemporarilyBusy(_BUSY) from obstacle

    def _attempt(self, actions: Mapping[str, "TransactWriteItemTypeDef"]) -> ClientError | None:
        """What stood in the way and may be gone in a moment; None when all is written."""
        try:
            self._client.transact_write_items(TransactItems=list(actions.values()))
        except ClientError as error:
            reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons", [])
            codes = {reason["Code"] for reason in reasons}
            if error.response["Error"]["Code"] in _THROTTLED or codes & _PASSING_REASONS:
                return error
            if codes and codes <= {"None", _REFUSED}:
                raise Refused(_found(actions, reasons)) from error
            raise
        return None


def _found(actions: Iterable[str], reasons: Iterable[Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    answers = zip(actions, reasons, strict=True)
    return {name: reason.get("Item", {}) for name, reason in answers if reason["Code"] == _REFUSED}
