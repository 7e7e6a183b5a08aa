"""The services that are spoken to in AWS's JSON protocols, and the operations that are used of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Service:
    """What botocore reads from the service's model: see its data/<name>/<version>/service-2.json."""

    name: str
    """In host names and in signatures."""
    endpoint_variable: str
    """Of an address that is not the region's."""
    target_prefix: str
    json_version: str
    operations: Mapping[str, str]
    """As a client's methods, and as AWS has them."""
    headers: Mapping[str, str] = field(default_factory=dict)
    first_delay_s: float = 0.05
    """Before the second try, at most; the third waits for twice as long."""
    has_items: bool = False
    """Whether answers hold DynamoDB's attribute values, bytes among them."""
    blobs: frozenset[str] = frozenset()
    """Members of answers that are bytes."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """By operation, the parameter by which AWS knows a repeated call as the same one."""


def _operations(*methods: str) -> Mapping[str, str]:
    return {method: method.title().replace("_", "") for method in methods}


DYNAMODB = Service(
    name="dynamodb",
    endpoint_variable="AWS_ENDPOINT_URL_DYNAMODB",
    target_prefix="DynamoDB_20120810",
    json_version="1.0",
    operations=_operations(
        "batch_get_item",
        "delete_item",
        "get_item",
        "put_item",
        "query",
        "scan",
        "transact_get_items",
        "transact_write_items",
        "update_item",
    ),
    first_delay_s=0.025,
    has_items=True,
    tokens={"TransactWriteItems": "ClientRequestToken"},
)

SQS = Service(
    name="sqs",
    endpoint_variable="AWS_ENDPOINT_URL_SQS",
    target_prefix="AmazonSQS",
    json_version="1.0",
    operations=_operations(
        "change_message_visibility",
        "delete_message",
        "get_queue_attributes",
        "get_queue_url",
        "receive_message",
        "send_message",
        "send_message_batch",
    ),
    # Errors by the codes that they had in the protocol before this one.
    headers={"x-amzn-query-mode": "true"},
)

KMS = Service(
    name="kms",
    endpoint_variable="AWS_ENDPOINT_URL_KMS",
    target_prefix="TrentService",
    json_version="1.1",
    operations=_operations("decrypt", "generate_data_key"),
    blobs=frozenset({"CiphertextBlob", "CiphertextForRecipient", "Plaintext"}),
)

SECRETS_MANAGER = Service(
    name="secretsmanager",
    endpoint_variable="AWS_ENDPOINT_URL_SECRETS_MANAGER",
    target_prefix="secretsmanager",
    json_version="1.1",
    operations=_operations("get_secret_value"),
    blobs=frozenset({"SecretBinary"}),
)
