"""Several regions: what they share, what each has of its own, and what only the home region does."""

from typing import Any

import pytest

from infra.stacks.data_stack import REGIONAL, REPLICATED
from turnpike.storage.schema import TABLES, Table

from tests.infra.synthesized import STAGE, Synthesized, synthesize
from tests.infra.test_grants import arn_of, listed, statements

TABLE = "AWS::DynamoDB::GlobalTable"
AWAY = "us-east-1"
HOME = "eu-central-1"
AT_HOME = ("ledger", "batches")


def regions_of(stacks: Synthesized, stack: str, table: Table) -> list[str]:
    for properties in stacks.properties(stack, TABLE):
        if properties["TableName"] == f"turnpike-{STAGE}-{table.name}":
            return [replica["Region"] for replica in properties["Replicas"]]
    return []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_is_where_it_is_needed(full: Synthesized, table: Table) -> None:
    at_home, away = regions_of(full, "data", table), regions_of(full, f"data-{AWAY}", table)
    assert (sorted(at_home), away) == (
        ([HOME, AWAY], []) if table in REPLICATED else ([HOME], [AWAY] if table in REGIONAL else [])
    )


def test_replicas_are_protected_as_the_table_is(full: Synthesized) -> None:
    for properties in full.properties("data", TABLE):
        for member in ("DeletionProtectionEnabled", "PointInTimeRecoverySpecification"):
            assert len({str(replica[member]) for replica in properties["Replicas"]}) == 1


def test_what_counts_money_has_one_home(full: Synthesized) -> None:
    """Two regions that write to replicas of one account would each see its credit, and both would spend it."""
    assert "ledger" not in {table.name for table in (*REPLICATED, *REGIONAL)}


def functions_of(stacks: Synthesized, stack: str) -> dict[str, Any]:
    """Their variables, by name."""
    return {
        properties["FunctionName"].removeprefix(f"turnpike-{STAGE}-"): properties["Environment"]["Variables"]
        for properties in stacks.properties(stack, "AWS::Lambda::Function")
    }


def test_what_keeps_the_ledger_in_order_runs_at_home(full: Synthesized) -> None:
    at_home, away = functions_of(full, "api"), functions_of(full, f"api-{AWAY}")
    assert set(at_home) - set(away) == {"upkeep", "batches"}
    assert not full.properties(f"api-{AWAY}", "AWS::Events::Rule")
    told = {each["AlarmName"] for each in full.properties(f"operations-{AWAY}", "AWS::CloudWatch::Alarm")}
    assert not told & {
        f"turnpike-{STAGE}-{name}"
        for name in ("expired-holds", "audit-findings", "catalog-refresh", "batches-dead-letters")
    }


def test_functions_know_where_the_ledger_is(full: Synthesized) -> None:
    assert {variables["TURNPIKE_HOME_REGION"] for variables in functions_of(full, "api").values()} == {""}
    assert {variables["TURNPIKE_HOME_REGION"] for variables in functions_of(full, f"api-{AWAY}").values()} == {HOME}


def test_roles_reach_the_ledger_at_home_and_the_rest_nearby(full: Synthesized) -> None:
    for properties in full.properties(f"api-{AWAY}", "AWS::IAM::Role"):
        for statement in statements({"Policies": [], **properties}):
            for resource in map(arn_of, listed(statement["Resource"])):
                if any(f"turnpike-{STAGE}-{what}" in resource for what in AT_HOME) or ":kms:" in resource:
                    # A bucket's name has the region.
                    assert f":{HOME}:" in resource or resource.removesuffix("/*").endswith(f"-{HOME}")
                elif ":dynamodb:" in resource or ":sqs:" in resource or ":secretsmanager:" in resource:
                    assert f":{AWAY}:" in resource


def test_each_region_has_its_own_queue_of_usage(full: Synthesized) -> None:
    usage = [f"turnpike-{STAGE}-usage", f"turnpike-{STAGE}-usage-dlq"]
    batches = [f"turnpike-{STAGE}-batches", f"turnpike-{STAGE}-batches-dlq"]
    for stack, expected in (("data", [*batches, *usage]), (f"data-{AWAY}", usage)):
        assert sorted(each["QueueName"] for each in full.properties(stack, "AWS::SQS::Queue")) == expected


def test_the_ledger_is_exported_where_it_is(full: Synthesized) -> None:
    bucket = "AWS::S3::Bucket"
    assert (len(full.properties("data", bucket)), full.properties(f"data-{AWAY}", bucket)) == (2, [])


def test_credentials_are_written_once_and_read_everywhere(full: Synthesized) -> None:
    for secret in full.properties("data", "AWS::SecretsManager::Secret"):
        assert secret["ReplicaRegions"] == [{"Region": AWAY}]
    assert not full.properties(f"data-{AWAY}", "AWS::SecretsManager::Secret")


def test_the_nearest_region_that_is_well_answers(full: Synthesized) -> None:
    for stack, region in (("api", HOME), (f"api-{AWAY}", AWAY)):
        records = full.properties(stack, "AWS::Route53::RecordSet")
        assert {(record["Type"], record["Name"], record["Region"]) for record in records} == {
            (kind, "api.example.com.", region) for kind in ("A", "AAAA")
        }
        assert all(record["HealthCheckId"] for record in records)
        (check,) = full.properties(stack, "AWS::Route53::HealthCheck")
        assert check["HealthCheckConfig"]["ResourcePath"] == f"/{STAGE}/api/v1/models/count"
        (api,) = full.properties(stack, "AWS::ApiGateway::RestApi")
        # Which the check asks, by the API's own name.
        assert api["DisableExecuteApiEndpoint"] is False


def test_with_one_region_the_domain_is_the_only_way_in(tmp_path: Any, full: Synthesized) -> None:
    from tests.infra.synthesized import DOMAIN

    stacks = synthesize(tmp_path, domain=DOMAIN)
    (api,) = stacks.properties("api", "AWS::ApiGateway::RestApi")
    assert api["DisableExecuteApiEndpoint"] is True
    assert not stacks.properties("api", "AWS::Route53::HealthCheck")
    (name,) = stacks.properties("api", "AWS::ApiGateway::DomainName")
    assert name["SecurityPolicy"] == "TLS_1_2"
    assert name["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_the_firewall_stands_in_front_of_each(full: Synthesized) -> None:
    for stack in ("api", f"api-{AWAY}"):
        (association,) = full.properties(stack, "AWS::WAFv2::WebACLAssociation")
        assert "restapis" in str(association["ResourceArn"])
        (acl,) = full.properties(stack, "AWS::WAFv2::WebACL")
        rate = acl["Rules"][0]["Statement"]["RateBasedStatement"]
        assert (rate["Limit"], rate["AggregateKeyType"]) == (10_000, "IP")
