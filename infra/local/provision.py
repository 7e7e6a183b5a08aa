"""Creates on the emulator what the CDK app creates in the cloud: tables, queues, buckets; and a KMS key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3

from turnpike.storage.schema import TABLES, Attribute, Index, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import GlobalSecondaryIndexTypeDef, KeySchemaElementTypeDef
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

VISIBILITY_S = 30
"""How long a message that failed waits for its next delivery."""
BATCHES_VISIBILITY_S = 900
"""Of a step of a batch, which may take as long as its requests' answers do."""
_MAX_DELIVERIES = 5


@dataclass(frozen=True, slots=True)
class Resources:
    """The names under which a stage's resources exist. `tables`: by logical name."""

    tables: Mapping[str, str]
    usage_queue_url: str
    byok_kms_key: str
    exports_bucket: str
    batches_bucket: str
    batches_queue_url: str


def provision(stage: str) -> Resources:
    """Create everything, with the AWS account of the environment. Nothing of it may exist yet."""
    dynamodb = boto3.client("dynamodb")
    tables = {table.name: create_table(dynamodb, table, f"turnpike-{stage}-{table.name}") for table in TABLES}
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    return Resources(
        tables,
        create_queue(sqs, f"turnpike-{stage}-usage"),
        create_byok_key(boto3.client("kms")),
        create_bucket(s3, f"turnpike-{stage}-exports"),
        create_bucket(s3, f"turnpike-{stage}-batches"),
        create_queue(sqs, f"turnpike-{stage}-batches", visibility_s=BATCHES_VISIBILITY_S),
    )


def create_table(client: "DynamoDBClient", table: Table, name: str) -> str:
    """Returns `name`."""
    keyed: list[Table | Index] = [table, *table.indexes]
    attributes = {key.name: key for owner in keyed for key in (owner.partition_key, owner.sort_key) if key}
    indexes: list[GlobalSecondaryIndexTypeDef] = [
        {
            "IndexName": index.name,
            "KeySchema": _key_schema(index.partition_key, index.sort_key),
            "Projection": {"ProjectionType": index.projection},
        }
        for index in table.indexes
    ]
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": each.name, "AttributeType": each.type} for each in attributes.values()],
        KeySchema=_key_schema(table.partition_key, table.sort_key),
        # DynamoDB refuses an empty list.
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),  # type: ignore[arg-type]
    )
    if table.ttl_attribute:
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": table.ttl_attribute}
        )
    return name


def create_queue(client: "SQSClient", name: str, *, visibility_s: int = VISIBILITY_S) -> str:
    """The queue and where its hopeless messages are parked; returns the queue's URL."""
    parked = client.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=parked, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": _MAX_DELIVERIES}
    attributes = {"VisibilityTimeout": str(visibility_s), "RedrivePolicy": json.dumps(redrive)}
    return client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]


def create_byok_key(client: "KMSClient") -> str:
    """The key under which customers' provider keys are sealed; returns its id."""
    return client.create_key(Description="Provider keys of customers")["KeyMetadata"]["KeyId"]


def create_bucket(client: "S3Client", name: str) -> str:
    """Returns `name`."""
    client.create_bucket(Bucket=name)
    return name


def _key_schema(partition_key: Attribute, sort_key: Attribute | None) -> "list[KeySchemaElementTypeDef]":
    schema: list[KeySchemaElementTypeDef] = [{"AttributeName": partition_key.name, "KeyType": "HASH"}]
    if sort_key:
        schema.append({"AttributeName": sort_key.name, "KeyType": "RANGE"})
    return schema
