"""The stateful half of the deployment: it keeps what it is given, and matches what the code expects."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Match, Template

from infra.stacks.data_stack import MAX_DELIVERIES
from infra.stacks.function import BATCHES_TIMEOUT_S, METERING_TIMEOUT_S
from turnpike.domain.batches import CLAIM_S
from turnpike.storage.schema import TABLES, Attribute, Index, Table

from tests.infra.synthesized import Synthesized, synthesize

TABLE, QUEUE, POLICY = "AWS::DynamoDB::GlobalTable", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy"
SECRET = "AWS::SecretsManager::Secret"
BUCKET, BUCKET_POLICY = "AWS::S3::Bucket", "AWS::S3::BucketPolicy"
REFUSE_PLAIN_HTTP = {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
DAY_S = 86_400


@pytest.fixture(scope="session")
def stack(plain: Synthesized) -> cdk.Stack:
    return plain.stack("data")


@pytest.fixture(scope="session")
def template(plain: Synthesized) -> Template:
    return plain.template("data")


def table_of(template: Template, table: Table) -> Mapping[str, Any]:
    named = {"Properties": {"TableName": f"turnpike-test-{table.name}"}}
    (found,) = template.find_resources(TABLE, named).values()
    properties: Mapping[str, Any] = found["Properties"]
    return properties


def key_schema(owner: Table | Index) -> list[dict[str, str]]:
    hashed = [{"AttributeName": owner.partition_key.name, "KeyType": "HASH"}]
    return hashed + ([{"AttributeName": owner.sort_key.name, "KeyType": "RANGE"}] if owner.sort_key else [])


def test_everything_is_there_and_nothing_else(template: Template) -> None:
    template.resource_count_is(TABLE, len(TABLES))
    template.resource_count_is(QUEUE, 2)
    template.resource_count_is(POLICY, 2)
    template.resource_count_is(SECRET, 1)
    template.resource_count_is("AWS::SNS::Topic", 1)
    template.resource_count_is("AWS::SNS::TopicPolicy", 1)
    template.resource_count_is(BUCKET, 1)
    template.resource_count_is(BUCKET_POLICY, 1)
    assert len(template.to_json()["Resources"]) == len(TABLES) + 9


def test_the_stack_cannot_be_deleted_by_mistake(stack: cdk.Stack) -> None:
    assert stack.termination_protection


def test_its_queues_outlive_it(template: Template) -> None:
    template.all_resources(QUEUE, {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_is_durable_outlives_it(template: Template, table: Table) -> None:
    named = {"Properties": {"TableName": f"turnpike-test-{table.name}"}}
    (resource,) = template.find_resources(TABLE, named).values()
    kept = "Retain" if table.is_durable else "Delete"
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (kept, kept)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
class TestTable:
    def test_its_keys_and_indexes_are_as_declared(self, template: Template, table: Table) -> None:
        made = table_of(template, table)
        owners: list[Table | Index] = [table, *table.indexes]
        keys = {key for owner in owners for key in (owner.partition_key, owner.sort_key) if key}
        assert made["KeySchema"] == key_schema(table)
        defined = {Attribute(each["AttributeName"], each["AttributeType"]) for each in made["AttributeDefinitions"]}
        assert defined == keys
        assert made.get("GlobalSecondaryIndexes", []) == [
            {
                "IndexName": index.name,
                "KeySchema": key_schema(index),
                "Projection": {"ProjectionType": index.projection},
            }
            for index in table.indexes
        ]

    def test_it_expires_items_where_declared(self, template: Template, table: Table) -> None:
        declared = {"AttributeName": table.ttl_attribute, "Enabled": True} if table.ttl_attribute else None
        assert table_of(template, table).get("TimeToLiveSpecification") == declared

    def test_it_costs_nothing_while_idle(self, template: Template, table: Table) -> None:
        assert table_of(template, table)["BillingMode"] == "PAY_PER_REQUEST"

    def test_what_is_durable_is_protected_and_can_be_restored(self, template: Template, table: Table) -> None:
        replicas = table_of(template, table)["Replicas"]
        assert replicas
        for replica in replicas:
            assert replica["DeletionProtectionEnabled"] is table.is_durable
            assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": table.is_durable}


def test_what_nothing_brings_back_is_durable() -> None:
    durable = {table.name for table in TABLES if table.is_durable}
    assert durable == {"ledger", "keys", "byok", "presets", "catalog", "batches"}


def test_tables_are_encrypted(template: Template) -> None:
    """Always, by DynamoDB's own key; any other one would be asked for and charged with requests."""
    for table in template.find_resources(TABLE).values():
        assert table["Properties"].get("SSESpecification", {"SSEEnabled": False}) == {"SSEEnabled": False}


def test_the_secret_is_empty_and_outlives_the_stack(template: Template) -> None:
    ((_, secret),) = template.find_resources(SECRET).items()
    assert secret["Properties"]["SecretString"] == "{}"
    assert secret["DeletionPolicy"] == "Retain"


def test_the_key_of_customers_keys_is_rotated_and_outlives_the_stack(full: Synthesized) -> None:
    ((_, key),) = full.resources("data", "AWS::KMS::Key").items()
    assert key["Properties"]["EnableKeyRotation"] is True
    assert key["DeletionPolicy"] == "Retain"
    (alias,) = full.properties("data", "AWS::KMS::Alias")
    assert alias["AliasName"] == "alias/turnpike-test-byok"


def test_a_usage_event_that_cannot_be_settled_is_parked(template: Template) -> None:
    ((parked, _),) = template.find_resources(QUEUE, {"Properties": {"QueueName": "turnpike-test-usage-dlq"}}).items()
    template.has_resource_properties(
        QUEUE,
        {
            "QueueName": "turnpike-test-usage",
            "RedrivePolicy": {
                "deadLetterTargetArn": {"Fn::GetAtt": [parked, "Arn"]},
                "maxReceiveCount": MAX_DELIVERIES,
            },
        },
    )


def test_a_message_stays_hidden_while_metering_works_on_it(template: Template) -> None:
    template.has_resource_properties(
        QUEUE,
        {"QueueName": "turnpike-test-usage", "VisibilityTimeout": 6 * METERING_TIMEOUT_S},
    )


def test_parked_messages_wait_longer_than_the_queue_keeps_any(template: Template) -> None:
    template.has_resource_properties(
        QUEUE, {"QueueName": "turnpike-test-usage-dlq", "MessageRetentionPeriod": 14 * DAY_S}
    )
    template.has_resource_properties(
        QUEUE, {"QueueName": "turnpike-test-usage", "MessageRetentionPeriod": Match.absent()}
    )


def test_queues_are_encrypted_at_rest_and_in_transit(template: Template) -> None:
    template.all_resources_properties(QUEUE, {"SqsManagedSseEnabled": True})
    refuses = {"PolicyDocument": {"Statement": Match.array_with([Match.object_like(REFUSE_PLAIN_HTTP)])}}
    template.all_resources_properties(POLICY, refuses)


def test_exports_outlive_it_and_are_nobody_else_s(template: Template) -> None:
    template.has_resource(BUCKET, {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"})
    template.has_resource_properties(
        BUCKET,
        {
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        },
    )
    refuses = {"PolicyDocument": {"Statement": [Match.object_like(REFUSE_PLAIN_HTTP)]}}
    template.has_resource_properties(BUCKET_POLICY, refuses)


def test_what_was_exported_cannot_be_overwritten_unseen(template: Template) -> None:
    """Its versions stay, and a retention can be put on them."""
    template.has_resource_properties(
        BUCKET, {"VersioningConfiguration": {"Status": "Enabled"}, "ObjectLockEnabled": True}
    )
    # None by default: how long is for the operator to say.
    template.has_resource_properties(BUCKET, {"ObjectLockConfiguration": Match.absent()})


def test_what_batches_ask_and_are_answered_goes_when_its_time_is_over(full: Synthesized) -> None:
    (bucket,) = [each for each in full.properties("data", BUCKET) if "LifecycleConfiguration" in each]
    assert bucket["BucketEncryption"]
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    # An older version would outlive what replaced it.
    assert "VersioningConfiguration" not in bucket
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert (rules["batches"]["Prefix"], rules["batches"]["ExpirationInDays"]) == ("batches/", 31)
    assert (rules["uploads"]["Prefix"], rules["uploads"]["ExpirationInDays"]) == ("uploads/", 1)
    assert rules["unfinished"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_batches_are_kept_as_long_as_the_operator_says(tmp_path: Path) -> None:
    stacks = synthesize(tmp_path, batches=True, settings={"batch_retention_days": 2})
    (bucket,) = [each for each in stacks.properties("data", BUCKET) if "LifecycleConfiguration" in each]
    expired = {rule["Id"]: rule.get("ExpirationInDays") for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert expired["batches"] == 3


def test_a_step_of_a_batch_stays_hidden_while_it_is_done(full: Synthesized) -> None:
    (queue,) = [each for each in full.properties("data", QUEUE) if each["QueueName"] == "turnpike-test-batches"]
    assert queue["VisibilityTimeout"] == 6 * BATCHES_TIMEOUT_S
    assert queue["RedrivePolicy"]["maxReceiveCount"] == MAX_DELIVERIES
    assert CLAIM_S > BATCHES_TIMEOUT_S
