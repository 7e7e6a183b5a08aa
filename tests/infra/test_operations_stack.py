"""What an operator is told of, and that it is counted under the names that are watched."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from typing import Any

import pytest

from infra.layers import ROOT
from infra.stacks import alarms
from turnpike import telemetry

from tests.infra.synthesized import STAGE, Synthesized

ALARM = "AWS::CloudWatch::Alarm"
ALWAYS = {
    "audit-failed",
    "audit-findings",
    "catalog-refresh",
    "dead-letters",
    "expired-holds",
    "metering-errors",
    "provider-refused-us",
    "provider-spend",
    "server-errors",
    "slow-first-content",
    "throttled",
    "unsettled-usage",
    "upkeep-errors",
    "usage-waiting",
}


def alarms_of(stacks: Synthesized) -> Mapping[str, Mapping[str, Any]]:
    found = [each for stack in ("api", "operations") for each in stacks.properties(stack, ALARM)]
    return {each["AlarmName"].removeprefix(f"turnpike-{STAGE}-"): each for each in found}


def metrics_of(alarm: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Namespace, name and dimensions of what it watches."""
    if "MetricName" in alarm:
        yield alarm
    for each in alarm.get("Metrics", ()):
        if "MetricStat" in each:
            yield each["MetricStat"]["Metric"]


def test_there_is_an_alarm_for_everything_that_needs_somebody(plain: Synthesized, full: Synthesized) -> None:
    assert set(alarms_of(plain)) == ALWAYS
    batches = {"batches-dead-letters", "batches-errors", "batches-unsettled-usage"}
    assert set(alarms_of(full)) == {*ALWAYS, *batches, "byok-failures", "payment-trouble"}


def test_alarms_tell_the_topic_when_they_go_off_and_when_it_is_over(plain: Synthesized) -> None:
    for alarm in alarms_of(plain).values():
        for actions in (alarm["AlarmActions"], alarm["OKActions"]):
            assert f"turnpike-{STAGE}-alarms" in json.dumps(actions)


def test_no_traffic_is_no_alarm(plain: Synthesized) -> None:
    assert {alarm["TreatMissingData"] for alarm in alarms_of(plain).values()} == {"notBreaching"}


def test_few_enough_are_charged(plain: Synthesized) -> None:
    """CloudWatch asks $0.10 for each metric that an alarm watches, and nothing for the first ten."""
    watched = sum(1 for alarm in alarms_of(plain).values() for _ in metrics_of(alarm))
    assert (watched - 10) * 0.10 <= 0.50


def test_the_operator_is_mailed(full: Synthesized) -> None:
    (subscription,) = full.properties("data", "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "operator@example.com")


def test_cloudwatch_may_tell_the_topic(plain: Synthesized) -> None:
    (policy,) = plain.properties("data", "AWS::SNS::TopicPolicy")
    allowed = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert [each["Principal"] for each in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]


def test_each_has_its_chapter_for_the_operator(full: Synthesized) -> None:
    chapters = re.findall(r"^### (.+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert set(chapters) >= set(alarms_of(full))
    for name, alarm in alarms_of(full).items():
        assert f"docs/operations.md, {name}" in alarm["AlarmDescription"]


@pytest.mark.parametrize("name", [name for name in vars(alarms) if name.isupper() and name[0] != "_"])
def test_names_are_those_under_which_it_is_counted(name: str) -> None:
    if name == "TIME_TO_FIRST_CONTENT":
        return
    assert getattr(alarms, name) == getattr(telemetry, name)


def test_what_functions_count_has_the_dimensions_that_are_watched(
    plain: Synthesized, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As functions find it in their environment.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"turnpike-{STAGE}-completions")
    said = io.StringIO()
    with redirect_stdout(said):
        telemetry.count(telemetry.UNSETTLED_USAGE, 1, telemetry.MetricUnit.Count)
    (directive,) = json.loads(said.getvalue())["_aws"]["CloudWatchMetrics"]
    (dimensions,) = directive["Dimensions"]
    (watched,) = metrics_of(alarms_of(plain)["unsettled-usage"])
    assert [each["Name"] for each in watched["Dimensions"]] == dimensions
    assert watched["Namespace"] == directive["Namespace"]
    assert watched["Dimensions"][0]["Value"] == json.loads(said.getvalue())["service"]


def test_what_is_watched_is_counted_by_a_function_of_the_stage(full: Synthesized) -> None:
    services = {
        properties["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for properties in full.properties("api", "AWS::Lambda::Function")
    }
    for alarm in alarms_of(full).values():
        for metric in metrics_of(alarm):
            if metric["Namespace"] == alarms.NAMESPACE:
                assert metric["Dimensions"][0]["Value"] in services


def test_the_time_to_the_first_content_is_read_from_the_line_that_metering_writes(plain: Synthesized) -> None:
    ((found, _),) = (
        (each, each["MetricTransformations"]) for each in plain.properties("operations", "AWS::Logs::MetricFilter")
    )
    (transformation,) = found["MetricTransformations"]
    source = (ROOT / "layers/core/python/turnpike/bootstrap/metering.py").read_text()
    for field in re.findall(r"\$\.(\w+)", found["FilterPattern"] + transformation["MetricValue"]):
        assert field == "message" or f'"{field}": generation.{field}' in source
    assert found["LogGroupName"] == f"/turnpike/{STAGE}/metering"
    (watched,) = metrics_of(alarms_of(plain)["slow-first-content"])
    assert watched["MetricName"] == transformation["MetricName"]


def test_the_budget_is_the_stages_own_and_there_once(full: Synthesized) -> None:
    (budget,) = full.properties("operations", "AWS::Budgets::Budget")
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": [f"user:turnpike:stage${STAGE}"]}
    assert [each["Notification"]["Threshold"] for each in budget["NotificationsWithSubscribers"]] == [80, 100]
    assert not full.resources("operations-us-east-1", "AWS::Budgets::Budget")


def test_there_is_one_dashboard_and_it_is_free(plain: Synthesized) -> None:
    (dashboard,) = plain.properties("operations", "AWS::CloudWatch::Dashboard")
    drawn = json.dumps(dashboard["DashboardBody"])
    # Three of up to fifty metrics each cost nothing.
    assert drawn.count("FunctionName") + drawn.count(alarms.NAMESPACE) < 50
