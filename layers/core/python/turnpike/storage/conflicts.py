"""Writes of single items whose condition did not hold."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from turnpike.domain.errors import Conflict
from turnpike.storage.transactions import translated


@contextmanager
def refused(message: str) -> Iterator[None]:
    """A write whose condition did not hold is a conflict, which `message` explains to the client."""
    with translated():
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                raise Conflict(message) from None
            raise
