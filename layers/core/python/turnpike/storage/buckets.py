"""S3's errors in our own words."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from turnpike.domain.errors import TemporarilyBusy

IS_THERE = "PreconditionFailed"
"""The code of a write on condition that there is no such object."""

_PASSING = frozenset(
    {
        # Somebody else is writing the same object at this moment.
        "ConditionalRequestConflict",
        "InternalError",
        "OperationAborted",
        "ServiceUnavailable",
        "SlowDown",
    }
)


@contextmanager
def translated(bucket: str) -> Iterator[None]:
    """`bucket` is what it is called in errors. The rest is a bug or a missing grant, and stays."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _PASSING:
            raise TemporarilyBusy(f"The bucket for {bucket} is busy; try again") from error
        raise
    except (ConnectionError, HTTPClientError) as error:
        raise TemporarilyBusy(f"The bucket for {bucket} cannot be reached; try again") from error
