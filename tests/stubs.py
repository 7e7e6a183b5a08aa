"""AWS clients that answer from a script, for what the emulator never shows."""

from functools import cache
from typing import TYPE_CHECKING, cast

import botocore.session
from botocore.model import ServiceModel
from botocore.stub import Stubber

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# One for all clients: it keeps the service's model, which takes longest to read.
_SESSION = botocore.session.get_session()


def stubbed_dynamodb() -> "tuple[DynamoDBClient, Stubber]":
    """A client that calls nobody; what the stub was not given to answer is an error."""
    client = _SESSION.create_client(
        "dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    stub = Stubber(client)
    stub.activate()
    return cast("DynamoDBClient", client), stub


@cache
def service_model(name: str) -> ServiceModel:
    """What botocore knows of a service."""
    return _SESSION.get_service_model(name)
