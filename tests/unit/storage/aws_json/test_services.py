"""The operations of each service are those that storage uses, neither fewer nor more."""

import re
from pathlib import Path

import pytest

from turnpike import storage
from turnpike.storage.aws_json.services import DYNAMODB, KMS, SECRETS_MANAGER, SQS, Service

CALL = re.compile(r"\bself\._client(?:\(\))?\.(\w+)\(|\bclient\.(\w+)\(")


def used(client: str) -> set[str]:
    """By the modules that say which client they are given."""
    assert storage.__file__ is not None
    texts = [path.read_text() for path in Path(storage.__file__).parent.glob("*.py") if path.name != "aws.py"]
    calls = [CALL.findall(text) for text in texts if re.search(rf"import {client}$", text, re.MULTILINE)]
    return {own or given for found in calls for own, given in found}


@pytest.mark.parametrize(
    ("service", "client"),
    [
        (DYNAMODB, "DynamoDBClient"),
        (KMS, "KMSClient"),
        (SECRETS_MANAGER, "SecretsManagerClient"),
        (SQS, "SQSClient"),
    ],
)
def test_storage_uses_them(service: Service, client: str) -> None:
    assert used(client) == set(service.operations)
