"""The stateless half: who answers which path, how, and with which versions."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.config import ALIAS, FUNCTIONS
from infra.routes import BASE_PATHS, ROUTES
from infra.stacks.function import METERING_TIMEOUT_S, SHAPES, STREAM_WRAPPER
from turnpike.settings import Settings
from turnpike.storage.schema import TABLES

from tests.infra.synthesized import STAGE, Synthesized, config_of, synthesize

METHOD, FUNCTION = "AWS::ApiGateway::Method", "AWS::Lambda::Function"
NAMES = (
    *("FunctionName", "TableName", "QueueName", "TopicName", "RoleName", "LogGroupName", "AlarmName"),
    *("ApplicationName", "DashboardName", "LayerName"),
)
DEPLOYED = tuple(name for name in FUNCTIONS if name != "batches")
"""With a stage that has nothing besides."""
STREAMING = "/2021-11-15/functions/"
BUFFERING = "/2015-03-31/functions/"


def methods(stacks: Synthesized) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, properties) of every method."""
    resources = stacks.resources("api", "AWS::ApiGateway::Resource")

    def path_of(reference: Mapping[str, Any]) -> str:
        if "Fn::GetAtt" in reference:
            return ""
        properties = resources[reference["Ref"]]["Properties"]
        return f"{path_of(properties['ParentId'])}/{properties['PathPart']}"

    for properties in stacks.properties("api", METHOD):
        yield path_of(properties["ResourceId"]), properties


def function_of(path: str) -> str:
    (found,) = [
        function
        for function, paths in ROUTES.items()
        for base in BASE_PATHS
        for each in paths
        if path in (base + each, f"{base}{each}/{{proxy+}}")
    ]
    return found


def functions(stacks: Synthesized) -> Mapping[str, Mapping[str, Any]]:
    """Properties by name."""
    prefix = f"turnpike-{STAGE}-"
    return {each["FunctionName"].removeprefix(prefix): each for each in stacks.properties("api", FUNCTION)}


def alias_of(stacks: Synthesized, function: str) -> str:
    """Its logical id."""
    (found,) = [
        alias
        for alias, resource in stacks.resources("api", "AWS::Lambda::Alias").items()
        if alias.startswith(f"{function.title()}Live") and resource["Properties"]["Name"] == ALIAS
    ]
    return found


def test_every_path_of_every_function_is_served(plain: Synthesized) -> None:
    wanted = {
        base + path + below
        for paths in ROUTES.values()
        for base in BASE_PATHS
        for path in paths
        for below in ("", "/{proxy+}")
    }
    served = [path for path, _ in methods(plain)]
    assert sorted(served) == sorted(wanted)


def test_completions_stream_for_as_long_as_they_may(plain: Synthesized) -> None:
    streamed = [properties for path, properties in methods(plain) if SHAPES[function_of(path)].streams]
    assert len(streamed) == len(BASE_PATHS) * len(ROUTES["completions"]) * 2
    for properties in streamed:
        integration = properties["Integration"]
        assert integration["ResponseTransferMode"] == "STREAM"
        assert integration["TimeoutInMillis"] == 15 * 60 * 1000
        uri = json.dumps(integration["Uri"])
        assert STREAMING in uri
        assert uri.endswith('/response-streaming-invocations"]]}')


def test_everything_else_is_answered_whole(plain: Synthesized) -> None:
    buffered = [properties for path, properties in methods(plain) if not SHAPES[function_of(path)].streams]
    assert buffered
    for properties in buffered:
        assert "ResponseTransferMode" not in properties["Integration"]
        assert BUFFERING in json.dumps(properties["Integration"]["Uri"])


def test_uploads_and_sound_are_no_text(plain: Synthesized) -> None:
    [api] = plain.properties("api", "AWS::ApiGateway::RestApi")
    assert api["BinaryMediaTypes"] == ["multipart/form-data", "application/octet-stream", "audio/*"]


def test_the_emulator_streams_nothing(emulated: Synthesized) -> None:
    assert not [path for path, properties in methods(emulated) if "ResponseTransferMode" in properties["Integration"]]
    assert not [each for each in functions(emulated).values() if "AWS_LAMBDA_EXEC_WRAPPER" in str(each)]


def test_paths_call_what_a_deployment_moves(plain: Synthesized) -> None:
    for path, properties in methods(plain):
        assert {"Ref": alias_of(plain, function_of(path))} in properties["Integration"]["Uri"]["Fn::Join"][1]


def test_only_the_stream_runtime_runs_completions(plain: Synthesized) -> None:
    for name, properties in functions(plain).items():
        wrapper = properties["Environment"]["Variables"].get("AWS_LAMBDA_EXEC_WRAPPER")
        assert wrapper == (STREAM_WRAPPER if name == "completions" else None)


def test_functions_run_on_what_their_wheels_are_built_for(plain: Synthesized) -> None:
    assert set(functions(plain)) == set(DEPLOYED)
    for properties in functions(plain).values():
        assert properties["Runtime"] == "python3.13"
        assert properties["Architectures"] == ["arm64"]
        assert len(properties["Layers"]) == 3


def test_no_answer_is_awaited_for_longer_than_api_gateway_does(plain: Synthesized) -> None:
    for name in ROUTES:
        limit = 900 if SHAPES[name].streams else 29
        assert functions(plain)[name]["Timeout"] <= limit


def test_functions_find_their_settings(plain: Synthesized) -> None:
    for name, properties in functions(plain).items():
        # Tokens are objects here, and text there.
        variables = {key: str(value) for key, value in properties["Environment"]["Variables"].items()}
        settings = Settings.from_environ(variables)
        assert settings.stage == STAGE
        has_credentials = name in ("completions", "catalog")
        assert settings.provider_secret == (f"turnpike-{STAGE}-providers" if has_credentials else "")
        tables = {getattr(settings, f"{table.name}_table") for table in TABLES}
        assert tables == {f"turnpike-{STAGE}-{table.name}" for table in TABLES}
        assert "usage" in settings.usage_queue_url
        assert variables["POWERTOOLS_SERVICE_NAME"] == f"turnpike-{STAGE}-{name}"


def test_the_environment_fits(full: Synthesized) -> None:
    """Lambda takes 4 KB of variables; an operator's own settings need some of it."""
    for properties in functions(full).values():
        assert len(json.dumps(properties["Environment"]["Variables"])) < 3000


def test_no_secret_is_in_an_environment(full: Synthesized) -> None:
    for properties in functions(full).values():
        assert "resolve:secretsmanager" not in json.dumps(properties)
        assert not [name for name in properties["Environment"]["Variables"] if name.endswith("_API_KEY")]


def test_the_operator_sets_what_the_stacks_do_not_decide(tmp_path: Any) -> None:
    stacks = synthesize(tmp_path, settings={"hedge_after": "p99"}, reserved_concurrency={"completions": 50})
    made = functions(stacks)
    assert made["completions"]["Environment"]["Variables"]["TURNPIKE_HEDGE_AFTER"] == "p99"
    assert made["completions"]["ReservedConcurrentExecutions"] == 50
    assert "ReservedConcurrentExecutions" not in made["catalog"]


@pytest.mark.parametrize(
    ("changed", "kind", "expected"),
    [
        ({"snapstart": True}, FUNCTION, {"SnapStart": {"ApplyOn": "PublishedVersions"}}),
        (
            {"provisioned_concurrency": 3},
            "AWS::Lambda::Alias",
            {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 3}},
        ),
    ],
)
def test_completions_alone_are_kept_warm(tmp_path: Any, changed: Any, kind: str, expected: Mapping[str, Any]) -> None:
    stacks = synthesize(tmp_path, **changed)
    (member, value) = next(iter(expected.items()))
    assert [each[member] for each in stacks.properties("api", kind) if member in each] == [value]


def test_versions_outlive_the_deployment_that_replaces_them(plain: Synthesized) -> None:
    for version in plain.resources("api", "AWS::Lambda::Version").values():
        assert version["DeletionPolicy"] == "Retain"


def test_new_versions_are_tried_by_a_tenth_and_taken_back(plain: Synthesized) -> None:
    groups = plain.properties("api", "AWS::CodeDeploy::DeploymentGroup")
    assert {group["DeploymentGroupName"] for group in groups} == set(DEPLOYED)
    for group in groups:
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"
        assert group["AlarmConfiguration"]["Enabled"]
        assert len(group["AlarmConfiguration"]["Alarms"]) == 1
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    moved = [each for each in plain.resources("api", "AWS::Lambda::Alias").values() if "UpdatePolicy" in each]
    assert len(moved) == len(DEPLOYED)


def test_usage_reaches_metering_message_by_message(plain: Synthesized) -> None:
    (source,) = plain.properties("api", "AWS::Lambda::EventSourceMapping")
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": 10}
    assert alias_of(plain, "metering") in json.dumps(source["FunctionName"])
    # Lambda refuses larger batches without a window.
    assert source["BatchSize"] <= 10 or source["MaximumBatchingWindowInSeconds"] >= 1
    assert functions(plain)["metering"]["Timeout"] == METERING_TIMEOUT_S


def test_steps_of_batches_come_one_by_one_and_to_few(full: Synthesized) -> None:
    sources = full.properties("api", "AWS::Lambda::EventSourceMapping")
    (source,) = [each for each in sources if alias_of(full, "batches") in json.dumps(each["FunctionName"])]
    assert (source["BatchSize"], source["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])
    assert source["ScalingConfig"] == {"MaximumConcurrency": 10}
    assert not full.properties("api-us-east-1", "AWS::Lambda::EventSourceMapping")[1:]


@pytest.mark.parametrize(
    ("changed", "most"),
    [
        ({}, 10),
        ({"reserved_concurrency": {"completions": 50}}, 25),
        ({"reserved_concurrency": {"completions": 3}}, 2),
        ({"reserved_concurrency": {"completions": 50}, "batch_concurrency": 40}, 40),
    ],
)
def test_batches_have_half_of_what_completions_have(changed: Any, most: int) -> None:
    assert config_of(**changed).most_batch_environments == most


def test_upkeep_runs_every_minute(plain: Synthesized) -> None:
    (rule,) = plain.properties("api", "AWS::Events::Rule")
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": alias_of(plain, "upkeep")}]


def test_the_api_is_regional_and_throttled(plain: Synthesized) -> None:
    (api,) = plain.properties("api", "AWS::ApiGateway::RestApi")
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    (stage,) = plain.properties("api", "AWS::ApiGateway::Stage")
    (settings,) = stage["MethodSettings"]
    assert (settings["HttpMethod"], settings["ResourcePath"]) == ("*", "/*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (200, 400)


def test_what_is_said_is_logged_nowhere(plain: Synthesized) -> None:
    (stage,) = plain.properties("api", "AWS::ApiGateway::Stage")
    (settings,) = stage["MethodSettings"]
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    assert {"status", "path", "timeToFirstContentMs"} <= set(logged)
    assert not [value for value in logged.values() for part in ("body", "header", "query") if part in value]
    assert logged["path"] == "$context.resourcePath"


def test_logs_are_kept_for_as_long_as_the_stage_says(plain: Synthesized) -> None:
    groups = plain.properties("api", "AWS::Logs::LogGroup")
    named = {f"/turnpike/{STAGE}/{name}" for name in (*DEPLOYED, "access")}
    assert {group["LogGroupName"] for group in groups} == named
    assert {group["RetentionInDays"] for group in groups} == {30}


def test_what_api_gateway_refuses_reads_like_our_own_refusals(plain: Synthesized) -> None:
    refusals = {each["ResponseType"]: each for each in plain.properties("api", "AWS::ApiGateway::GatewayResponse")}
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN", "THROTTLED"} <= set(refusals)
    assert refusals["MISSING_AUTHENTICATION_TOKEN"]["StatusCode"] == "404"
    for refusal in refusals.values():
        filled = refusal["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"why"')
        error = json.loads(filled)["error"]
        assert set(error) == {"code", "message", "metadata"}
        assert set(error["metadata"]) == {"error_type"}
        headers = refusal["ResponseParameters"]
        assert headers == {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}


def test_everything_is_tagged_with_its_stage(full: Synthesized) -> None:
    tag = {"Key": "turnpike:stage", "Value": STAGE}
    for name, kind in (("api", FUNCTION), ("api", "AWS::ApiGateway::RestApi"), ("data", "AWS::SQS::Queue")):
        for properties in full.properties(name, kind):
            assert tag in properties["Tags"]


def test_two_stages_share_no_name(plain: Synthesized) -> None:
    """Whatever has a name of its own has the stage in it; the rest has its stack's."""
    for stack in ("data", "api", "operations"):
        for resource in plain.template(stack).to_json()["Resources"].values():
            for member in NAMES:
                name = resource.get("Properties", {}).get(member)
                if isinstance(name, str):
                    assert STAGE in name.replace("/", "-").split("-"), name
