"""The stateful half of a deployment: the tables and the usage queue. What is durable in it may not be lost."""

from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from turnpike.storage.schema import TABLES, Attribute, Index, Table

METERING_TIMEOUT = Duration.seconds(30)
"""Of the function that consumes the usage queue."""
MAX_DELIVERIES = 5


class DataStack(Stack):
    """Its resources outlive it: stacks that use them come and go, the money stays."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, termination_protection=True, **kwargs)
        self.tables = {table.name: self._table(table, f"turnpike-{stage}-{table.name}") for table in TABLES}
        self.usage_queue = self._usage_queue(f"turnpike-{stage}-usage")

    def _table(self, table: Table, name: str) -> dynamodb.TableV2:
        return dynamodb.TableV2(
            self,
            f"{table.name.title()}Table",
            table_name=name,
            partition_key=_attribute(table.partition_key),
            sort_key=_attribute(table.sort_key) if table.sort_key else None,
            global_secondary_indexes=[_index(index) for index in table.indexes],
            time_to_live_attribute=table.ttl_attribute,
            billing=dynamodb.Billing.on_demand(),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=table.is_durable
            ),
            deletion_protection=table.is_durable,
            removal_policy=RemovalPolicy.RETAIN if table.is_durable else RemovalPolicy.DESTROY,
        )

    def _usage_queue(self, name: str) -> sqs.Queue:
        dead_letters = sqs.Queue(
            self,
            "UsageDeadLetters",
            queue_name=f"{name}-dlq",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            # The most that SQS allows. A message's age counts from when it was first sent, so this has to
            # be more than the four days that the queue itself keeps it.
            retention_period=Duration.days(14),
            removal_policy=RemovalPolicy.RETAIN,
        )
        return sqs.Queue(
            self,
            "UsageQueue",
            queue_name=name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=MAX_DELIVERIES),
            # Lambda asks for six times the consumer's timeout, for the batches that it has to hand out again.
            visibility_timeout=Duration.seconds(6 * METERING_TIMEOUT.to_seconds()),
            removal_policy=RemovalPolicy.RETAIN,
        )


def _index(index: Index) -> dynamodb.GlobalSecondaryIndexPropsV2:
    return dynamodb.GlobalSecondaryIndexPropsV2(
        index_name=index.name,
        partition_key=_attribute(index.partition_key),
        sort_key=_attribute(index.sort_key) if index.sort_key else None,
        projection_type=dynamodb.ProjectionType[index.projection],
    )


def _attribute(attribute: Attribute) -> dynamodb.Attribute:
    types = {"S": dynamodb.AttributeType.STRING, "N": dynamodb.AttributeType.NUMBER}
    return dynamodb.Attribute(name=attribute.name, type=types[attribute.type])
