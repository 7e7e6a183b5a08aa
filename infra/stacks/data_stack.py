"""The stateful half of a deployment: tables, queues, secrets, exports. What is durable in it may not be lost.

The home region has all of it. Each further one has what regions do not share, and replicas of what they do.
"""

from typing import Any

from aws_cdk import Duration, RemovalPolicy, SecretValue, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import StageConfig
from infra.stacks.function import BATCHES_TIMEOUT_S, METERING_TIMEOUT_S
from infra.stacks.names import Names
from turnpike.settings import Settings
from turnpike.storage.schema import BYOK, CACHE, CATALOG, HEALTH, KEYS, PRESETS, TABLES, Attribute, Index, Table

MAX_DELIVERIES = 5
_BATCH_RETENTION_DAYS = Settings(ledger_table="", keys_table="", usage_queue_url="").batch_retention_days

REPLICATED = (KEYS, BYOK, PRESETS, CATALOG)
"""Read by every region. Replicas follow within a second or two, and the last of two writers wins, so nothing that
counts money is among them."""
REGIONAL = (HEALTH, CACHE)
"""Each region has its own."""


class DataStack(Stack):
    """Its resources outlive it: stacks that use them come and go, the money stays."""

    def __init__(self, scope: Construct, construct_id: str, *, config: StageConfig, region: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, termination_protection=True, **kwargs)
        self.names = Names(config.stage, self)
        self._others = [other for other in config.regions if other != config.home_region]
        # The emulator speaks plain HTTP, on loopback alone.
        self._enforces_ssl = not config.is_emulated
        is_home = region == config.home_region
        for table in TABLES if is_home else REGIONAL:
            self._table(table)
        self._queue("Usage", self.names.usage_queue, self.names.dead_letters, consumer_s=METERING_TIMEOUT_S)
        self._alarm_topic(config.alarm_email)
        if is_home:
            self._secret("ProviderSecret", self.names.provider_secret, "Credentials and addresses of providers")
            if config.payments:
                self._secret("PaymentsSecret", self.names.payments_secret, "Stripe's keys")
            if config.byok:
                self._byok_key()
            self._exports_bucket()
            if config.batches:
                self._batches(config)

    def _table(self, table: Table) -> dynamodb.TableV2:
        return dynamodb.TableV2(
            self,
            f"{table.name.title()}Table",
            table_name=self.names.named(table.name),
            partition_key=_attribute(table.partition_key),
            sort_key=_attribute(table.sort_key) if table.sort_key else None,
            global_secondary_indexes=[_index(index) for index in table.indexes],
            time_to_live_attribute=table.ttl_attribute,
            billing=dynamodb.Billing.on_demand(),
            # DynamoDB's own key: another one is asked for with every request that is not cached, and charged.
            encryption=dynamodb.TableEncryptionV2.dynamo_owned_key(),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=table.is_durable
            ),
            deletion_protection=table.is_durable,
            removal_policy=RemovalPolicy.RETAIN if table.is_durable else RemovalPolicy.DESTROY,
            replicas=self._replicas(table),
        )

    def _replicas(self, table: Table) -> list[dynamodb.ReplicaTableProps] | None:
        if table not in REPLICATED or not self._others:
            return None
        return [dynamodb.ReplicaTableProps(region=other) for other in self._others]

    def _queue(self, construct_id: str, name: str, parked: str, *, consumer_s: int) -> None:
        """`consumer_s`: the timeout of the function that it feeds. What that gives up goes to the queue `parked`."""
        dead_letters = sqs.Queue(
            self,
            f"{construct_id}DeadLetters",
            queue_name=parked,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=self._enforces_ssl,
            # The most that SQS allows. A message's age counts from when it was first sent, so this has to
            # be more than the four days that the queue itself keeps it.
            retention_period=Duration.days(14),
            removal_policy=RemovalPolicy.RETAIN,
        )
        sqs.Queue(
            self,
            f"{construct_id}Queue",
            queue_name=name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=self._enforces_ssl,
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=MAX_DELIVERIES),
            # Lambda asks for six times the consumer's timeout, for the batches that it has to hand out again.
            visibility_timeout=Duration.seconds(6 * consumer_s),
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _alarm_topic(self, email: str) -> None:
        """Here, so that nobody has to confirm their mail address again when the stateless half is deployed anew."""
        topic = sns.Topic(self, "Alarms", topic_name=self.names.named("alarms"), enforce_ssl=self._enforces_ssl)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        if email:
            topic.add_subscription(subscriptions.EmailSubscription(email))

    def _secret(self, construct_id: str, name: str, what: str) -> None:
        secretsmanager.Secret(
            self,
            construct_id,
            secret_name=name,
            description=f"{what}; a JSON object of names and values",
            # Empty at first. CloudFormation leaves alone what is put into it later, as long as this stays as it is.
            secret_string_value=SecretValue.unsafe_plain_text("{}"),
            replica_regions=[secretsmanager.ReplicaRegion(region=other) for other in self._others] or None,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _byok_key(self) -> None:
        kms.Key(
            self,
            "ByokKey",
            alias=self.names.byok_alias,
            description="Seals the provider keys that customers bring",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _exports_bucket(self) -> None:
        """What is in it is written once. A retention, if the law asks for one, can be set at any time without it being
        made anew: a bucket that was made without object lock cannot be given one by CloudFormation.
        """
        s3.Bucket(
            self,
            "ExportsBucket",
            bucket_name=self.names.exports_bucket,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=self._enforces_ssl,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            versioned=True,
            object_lock_enabled=True,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _batches(self, config: StageConfig) -> None:
        self._queue("Batches", self.names.batches_queue, self.names.batches_dead_letters, consumer_s=BATCHES_TIMEOUT_S)
        kept_days = int(config.settings.get("batch_retention_days", _BATCH_RETENTION_DAYS))
        s3.Bucket(
            self,
            "BatchesBucket",
            bucket_name=self.names.batches_bucket(config.home_region),
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=self._enforces_ssl,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            # What customers said is nowhere else, and gone when its time is over: no versions, no backup.
            lifecycle_rules=[
                # A batch has a day before its retention begins.
                s3.LifecycleRule(id="batches", prefix="batches/", expiration=Duration.days(1 + kept_days)),
                s3.LifecycleRule(id="uploads", prefix="uploads/", expiration=Duration.days(1)),
                s3.LifecycleRule(id="unfinished", abort_incomplete_multipart_upload_after=Duration.days(1)),
            ],
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
