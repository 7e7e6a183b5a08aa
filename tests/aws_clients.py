"""The clients that functions have, with a few operations more, which tests make and look at things with."""

from dataclasses import replace
from typing import Any

from infra.local.emulator import Emulator
from turnpike.storage.aws_json.client import JsonClient
from turnpike.storage.aws_json.connections import Connections
from turnpike.storage.aws_json.services import DYNAMODB, KMS, SECRETS_MANAGER, SQS
from turnpike.storage.aws_json.signing import Credentials

_SERVICES = {service.name: service for service in (DYNAMODB, KMS, SECRETS_MANAGER, SQS)}
_MORE = {
    "dynamodb": {
        "create_table": "CreateTable",
        "delete_table": "DeleteTable",
        "list_tables": "ListTables",
        "update_time_to_live": "UpdateTimeToLive",
    },
    "kms": {"create_key": "CreateKey", "disable_key": "DisableKey"},
    "secretsmanager": {"create_secret": "CreateSecret", "put_secret_value": "PutSecretValue"},
    "sqs": {"create_queue": "CreateQueue"},
}


def client_of(aws: Emulator, name: str) -> Any:
    service = _SERVICES[name]
    return JsonClient(
        replace(service, operations={**service.operations, **_MORE[name]}),
        aws.region,
        Connections(aws.endpoint_url),
        lambda: Credentials(aws.access_key_id, aws.secret_access_key),
    )
