"""GET /activity, GET /analytics/meta and POST /analytics/query, through the app."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import pytest
from openrouter import components, operations

from turnpike.api import analytics
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.domain.api_keys import ApiKey, KeyRole, hash_secret, label_of
from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt
from turnpike.domain.ids import AccountId
from turnpike.domain.money import NanoUsd
from turnpike.services.authenticate import Authenticate
from turnpike.services.query_analytics import QueryAnalytics
from turnpike.services.read_activity import ReadActivity

from tests.asgi import AsgiClient
from tests.contracts.activity import record
from tests.contracts.ledger import DAY, NOW
from tests.fakes import InMemoryApiKeys, InMemoryLedger

MINE, OTHERS = AccountId("acct-mine"), AccountId("acct-others")
MANAGEMENT, INFERENCE, DELETED, FOREIGN = (f"sk-or-v1-{letter * 64}" for letter in "abcd")
TODAY, YESTERDAY = "2026-11-23", "2026-11-22"
MOST_CELLS = 12

pytestmark = pytest.mark.anyio


class Office:
    """The app over fakes, at ten o'clock on Monday, 23 November 2026."""

    def __init__(self) -> None:
        self.ledger = InMemoryLedger()
        api_keys = InMemoryApiKeys(
            stored_key(MANAGEMENT, MINE, "management"),
            stored_key(INFERENCE, MINE, "inference"),
            stored_key(FOREIGN, OTHERS, "management"),
        )
        self.app = Edge(
            analytics.routes(
                Guard(Authenticate(api_keys, ttl_s=0)),
                ReadActivity(self.ledger.activities, now=lambda: NOW),
                QueryAnalytics(self.ledger.activities, api_keys, clock=lambda: 7.0, most_cells=MOST_CELLS),
                now=lambda: NOW,
            )
        )
        self.client = AsgiClient(self.app, MANAGEMENT)

    def settle(self, *, days_ago: int = 0, cost: int = 1_500_000, by: str = INFERENCE, **changes: Any) -> None:
        """One generation, of which the ledger is told as if it were late: with its cost, and charging nobody."""
        told = record(MINE, key_hash=hash_secret(by), cost=NanoUsd(cost), **changes)
        self.ledger.record(told, NOW - days_ago * DAY)

    async def query(self, **body: Any) -> Any:
        response = await self.client.post("/analytics/query", {"metrics": ["request_count"], **body})
        assert response.status_code == 200, response.text
        operations.QueryAnalyticsResponse.model_validate(response.json())
        return response.json()["data"]

    async def rows(self, **body: Any) -> Any:
        return (await self.query(**body))["data"]


def stored_key(secret: str, account_id: AccountId, role: KeyRole) -> ApiKey:
    return ApiKey(hash_secret(secret), account_id, role.title(), label_of(secret), role)


@pytest.fixture
def office() -> Office:
    return Office()


# Activity


async def test_activity_is_told_by_endpoint_and_day(office: Office) -> None:
    office.settle(days_ago=1)
    office.settle(days_ago=1, by=DELETED, user="ann", http_referer="https://app.test/page?q=1")
    office.settle(days_ago=1, usage=Usage(1, 2), attempts=(Attempt("acme", "acme/chat", "chat-2", 200, 30),))
    office.settle(days_ago=2, is_byok=True, upstream_cost=NanoUsd(9))

    rows = (await office.client.get("/activity")).json()["data"]

    assert [each.date_ for each in components.ActivityResponse.model_validate({"data": rows}).data] == [
        YESTERDAY,
        YESTERDAY,
        "2026-11-21",
    ]
    assert sorted(row["requests"] for row in rows[:2]) == [1, 2]
    assert rows[:2] == sorted(rows[:2], key=lambda row: row["endpoint_id"])
    row = next(row for row in rows if row["requests"] == 2)
    assert row == {
        "date": YESTERDAY,
        "model": "acme/chat",
        "model_permaslug": "acme/chat",
        "endpoint_id": row["endpoint_id"],
        "provider_name": "Acme",
        "usage": 0.003,
        "byok_usage_inference": 0.0,
        "requests": 2,
        "prompt_tokens": 20,
        "completion_tokens": 40,
        "reasoning_tokens": 14,
        "cached_tokens": 8,
    }
    assert (rows[2]["endpoint_id"], rows[2]["byok_usage_inference"]) == (row["endpoint_id"], 9e-9)


async def test_activity_is_of_the_thirty_days_that_are_over(office: Office) -> None:
    for days_ago in (0, 1, 30, 31):
        office.settle(days_ago=days_ago)

    rows = (await office.client.get("/activity")).json()["data"]

    assert [row["date"] for row in rows] == [YESTERDAY, "2026-10-24"]


async def test_activity_of_one_day(office: Office) -> None:
    for days_ago in (1, 2):
        office.settle(days_ago=days_ago)

    rows = (await office.client.get("/activity?date=2026-11-21")).json()["data"]

    assert [row["date"] for row in rows] == ["2026-11-21"]


@pytest.mark.parametrize("date", [TODAY, "2026-10-23", "2027-01-01", "2026-13-01", "21.11.2026", "2026-11-2", "x" * 99])
async def test_another_day_is_refused(office: Office, date: str) -> None:
    response = await office.client.get(f"/activity?date={date}")

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("date: must be ")


async def test_activity_of_one_key(office: Office) -> None:
    office.settle(days_ago=1, cost=1)
    office.settle(days_ago=1, cost=2, by=DELETED)

    for secret, usage in ((INFERENCE, 1e-9), (DELETED, 2e-9)):
        (row,) = (await office.client.get(f"/activity?api_key_hash={hash_secret(secret)}")).json()["data"]
        assert (row["requests"], row["usage"]) == (1, usage)
    assert (await office.client.get(f"/activity?api_key_hash={hash_secret('?')}")).json() == {"data": []}


async def test_an_account_is_its_only_workspace(office: Office) -> None:
    office.settle(days_ago=1)

    grouped = await office.client.get(f"/activity?group_by=workspace&workspace_id={MINE}")

    assert [row["workspace_id"] for row in grouped.json()["data"]] == [MINE]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("api_key_hash=abc", "api_key_hash"),
        (f"api_key_hash={'G' * 64}", "api_key_hash"),
        ("group_by=model", "group_by"),
        ("workspace_id=another", "workspace_id"),
        ("user_id=user_1", "user_id"),
        ("format=xml", "format"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(office: Office, query: str, field: str) -> None:
    response = await office.client.get(f"/activity?{query}")

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(f"{field}: ")


async def test_activity_as_csv(office: Office) -> None:
    office.settle(days_ago=1, provider="=HYPERLINK(1)", model='a,"b"')

    for response in (
        await office.client.get("/activity?format=csv&group_by=workspace"),
        await office.client.get("/activity?group_by=workspace", accept="text/csv, */*;q=0.1"),
    ):
        assert response.headers["content-type"] == "text/csv; header=present; charset=utf-8"
        assert response.headers["content-disposition"] == 'attachment; filename="activity.csv"'
        (row,) = csv.DictReader(io.StringIO(response.text))
        assert (row["date"], row["usage"], row["requests"]) == (YESTERDAY, "0.001500000", "1")
        assert (row["provider_name"], row["model"]) == ("'=HYPERLINK(1)", 'a,"b"')
        assert row["workspace_id"] == MINE
        assert response.text.endswith("\r\n")


async def test_a_table_of_nothing_has_its_columns(office: Office) -> None:
    expected = {field.alias or name for name, field in components.ActivityItem.model_fields.items()} - {"workspace_id"}
    assert set((await office.client.get("/activity?format=csv")).text.strip().split(",")) == expected
    asked_for_json = await office.client.get("/activity?format=json", accept="text/csv")
    assert asked_for_json.json() == {"data": []}


# Meta


async def test_meta_names_what_can_be_asked_for(office: Office) -> None:
    response = await office.client.get("/analytics/meta")

    meta = operations.GetAnalyticsMetaResponse.model_validate(response.json()).data
    assert {"request_count", "total_usage", "tokens_prompt"} <= {each.name for each in meta.metrics}
    assert {"model", "provider", "api_key_id", "external_user", "app"} <= {each.name for each in meta.dimensions}
    assert [each.name for each in meta.granularities] == ["day", "week", "month"]
    assert {(each.name, each.value_type) for each in meta.operators} >= {("eq", "scalar"), ("not_in", "array")}


async def test_everything_that_meta_names_can_be_asked_for(office: Office) -> None:
    office.settle()
    meta = (await office.client.get("/analytics/meta")).json()["data"]
    for metric in meta["metrics"]:
        for dimension in meta["dimensions"]:
            for granularity in meta["granularities"]:
                (row,) = await office.rows(
                    metrics=[metric["name"]], dimensions=[dimension["name"]], granularity=granularity["name"]
                )
                assert {metric["name"], dimension["name"], f"date__{granularity['name']}"} <= set(row)
    for operator in meta["operators"]:
        value = ["acme/chat"] if operator["value_type"] == "array" else "acme/chat"
        await office.rows(filters=[{"field": "model", "operator": operator["name"], "value": value}])


# Query


async def test_a_query_is_answered_with_amounts_in_usd(office: Office) -> None:
    office.settle(days_ago=1, upstream_cost=NanoUsd(1_200_000))
    office.settle(user="ann", generation_time_ms=500)

    data = await office.query(
        metrics=["request_count", "total_usage", "usage_upstream", "avg_latency", "avg_throughput", "cache_hit_rate"],
        dimensions=["model"],
        granularity="day",
    )

    assert data == {
        "data": [
            {
                "date__day": f"{day}T00:00:00.000Z",
                "model": "acme/chat",
                "request_count": 1,
                "total_usage": 0.0015,
                "usage_upstream": upstream,
                "avg_latency": 250.0,
                "avg_throughput": speed,
                "cache_hit_rate": 0.4,
            }
            for day, upstream, speed in ((TODAY, 0.0, 40.0), (YESTERDAY, 0.0012, 50.0))
        ],
        "metadata": {"query_time_ms": 0.0, "row_count": 2, "truncated": False},
    }


async def test_the_last_seven_days_are_asked_for_by_default(office: Office) -> None:
    for days_ago in (0, 6, 7):
        office.settle(days_ago=days_ago)

    assert await office.rows() == [{"request_count": 2}]


async def test_weeks_begin_on_monday_and_months_on_their_first_day(office: Office) -> None:
    for days_ago in (0, 1, 7, 23):
        office.settle(days_ago=days_ago)
    month = {"start": "2026-10-24T00:00:00Z", "end": "2026-11-24T00:00:00Z"}

    weeks = await office.rows(granularity="week", time_range=month)
    months = await office.rows(granularity="month", time_range=month)

    assert [(row["date__week"][:10], row["request_count"]) for row in weeks] == [
        ("2026-11-23", 1),
        ("2026-11-16", 2),
        ("2026-10-26", 1),
    ]
    assert [(row["date__month"][:10], row["request_count"]) for row in months] == [
        ("2026-10-01", 1),
        ("2026-11-01", 3),
    ][::-1]


@pytest.mark.parametrize(
    ("start", "end", "days", "is_rounded"),
    [
        ("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", [YESTERDAY], False),
        ("2026-11-22T00:00:00.000Z", "2026-11-24T00:00:00.000Z", [TODAY, YESTERDAY], False),
        ("2026-11-22T23:59:59Z", "2026-11-23T00:00:01Z", [TODAY, YESTERDAY], True),
        ("2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z", [YESTERDAY], True),
        ("2026-11-23T01:00:00+02:00", "2026-11-23T02:00:00+02:00", [YESTERDAY], True),
        ("2026-11-22T02:00:00+02:00", "2026-11-23T02:00:00+02:00", [YESTERDAY], False),
    ],
)
async def test_a_range_is_of_whole_days_and_its_end_is_not_in_it(
    office: Office, start: str, end: str, days: list[str], is_rounded: bool
) -> None:
    for days_ago in range(4):
        office.settle(days_ago=days_ago)

    data = await office.query(granularity="day", time_range={"start": start, "end": end})

    assert [row["date__day"][:10] for row in data["data"]] == days
    assert ("counted by UTC day" in "".join(data.get("warnings", []))) == is_rounded


async def test_keys_are_told_by_hash_and_name(office: Office) -> None:
    office.settle()
    office.settle(by=DELETED)
    office.settle(by=DELETED)

    rows = await office.rows(dimensions=["api_key_id"])

    assert rows == [
        {"api_key_id": hash_secret(DELETED), "api_key_name": None, "request_count": 2},
        {"api_key_id": hash_secret(INFERENCE), "api_key_name": "Inference", "request_count": 1},
    ]
    only = await office.rows(filters=[{"field": "api_key_id", "operator": "eq", "value": rows[0]["api_key_id"]}])
    assert only == [{"request_count": 2}]


async def test_a_value_that_is_no_keys_hash_is_warned_of(office: Office) -> None:
    data = await office.query(filters=[{"field": "api_key_id", "operator": "in", "value": [42, hash_secret("x")]}])

    assert data["data"] == [{"request_count": 0}]
    assert "api_key_id is compared with the hash of a key" in data["warnings"][0]


async def test_users_and_apps_are_told_as_they_named_themselves(office: Office) -> None:
    office.settle(user="ann", app_title="App")
    office.settle(user="42", http_referer="https://App.test:8443/x", app_title="App")
    office.settle()

    rows = await office.rows(
        dimensions=["external_user", "app"], order_by={"field": "external_user", "direction": "asc"}
    )
    assert [(row["external_user"], row["app"]) for row in rows] == [
        (None, None),
        ("42", "https://app.test:8443"),
        ("ann", "App"),
    ]
    for value, operator, expected in (
        (42, "eq", 1),
        ([42.0, "ann"], "in", 2),
        (["ann"], "not_in", 1),
        ("ann", "neq", 1),
    ):
        condition = {"field": "external_user", "operator": operator, "value": value}
        assert await office.rows(filters=[condition]) == [{"request_count": expected}]
    unset = {"field": "external_user", "operator": "not_in", "value": ["ann"], "include_unset": True}
    assert await office.rows(filters=[unset]) == [{"request_count": 2}]


async def test_an_order_may_be_by_requests_that_are_not_asked_for(office: Office) -> None:
    for model, times in (("a", 1), ("b", 3), ("c", 2)):
        for _ in range(times):
            office.settle(model=model)

    body: dict[str, Any] = {"metrics": ["tokens_prompt"], "dimensions": ["model"]}
    rows = await office.rows(**body, order_by={"field": "request_count", "direction": "desc"})
    assert [row["model"] for row in rows] == ["b", "c", "a"]
    assert set(rows[0]) == {"model", "tokens_prompt"}


async def test_limits_say_that_something_is_left_out(office: Office) -> None:
    for days_ago in range(3):
        for model in "ab":
            office.settle(model=model, days_ago=days_ago)
    body: dict[str, Any] = {"dimensions": ["model"], "granularity": "day"}

    for limits, rows, truncated in (
        ({}, 6, False),
        ({"limit": 6}, 6, False),
        ({"limit": 5}, 5, True),
        ({"group_limit": 3}, 6, False),
        ({"group_limit": 1}, 2, True),
    ):
        data = await office.query(**body, **limits)
        assert (len(data["data"]), data["metadata"]["truncated"]) == (rows, truncated)
        assert data["metadata"]["row_count"] == rows


async def test_more_than_one_query_reads_is_truncated_with_a_warning(office: Office) -> None:
    for days_ago in range(4):
        for model in "abcd":
            office.settle(model=model, days_ago=days_ago)

    data = await office.query()

    assert data["data"] == [{"request_count": MOST_CELLS}]
    assert data["metadata"]["truncated"] is True
    assert f"the latest {MOST_CELLS} aggregates" in data["warnings"][0]
    assert "nothing before 2026-11-21 is counted" in data["warnings"][0]


async def test_a_query_as_csv(office: Office) -> None:
    office.settle(user="@SUM(1)", app_title="-1+2")
    office.settle(user="ann\n", latency_ms=None)
    body = {
        "metrics": ["request_count", "total_usage", "avg_latency", "blended_cost_per_million_tokens"],
        "dimensions": ["external_user", "app"],
        "granularity": "day",
    }

    response = await office.client.request("POST", "/analytics/query", json=body, headers={"accept": "text/csv"})

    assert response.headers["x-analytics-truncated"] == "false"
    assert response.text.splitlines() == [
        "date__day,external_user,app,request_count,total_usage,avg_latency,blended_cost_per_million_tokens",
        f"{TODAY},'@SUM(1),'-1+2,1,0.001500000,250.000000,50.000000000",
        f"{TODAY},ann,,1,0.001500000,,50.000000000",
    ]
    same = await office.client.post("/analytics/query?format=csv", body)
    assert same.text == response.text


async def test_a_table_says_in_a_header_that_it_is_truncated(office: Office) -> None:
    for model in "ab":
        office.settle(model=model)

    response = await office.client.post(
        "/analytics/query?format=csv", {"metrics": ["request_count"], "dimensions": ["model"], "limit": 1}
    )

    assert (response.headers["x-analytics-truncated"], len(response.text.splitlines())) == ("true", 2)


def of(field: str, operator: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"filters": [{"field": field, "operator": operator, "value": value, **more}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": []}, "metrics: "),
        ({"metrics": "request_count"}, "metrics: "),
        ({"metrics": ["requests"]}, "metrics.0: must be one of request_count, byok_request_count, "),
        ({"metrics": ["p50_latency"]}, "metrics.0: must be one of "),
        ({"dimensions": ["model", "country"]}, "dimensions.1: must be one of model, variant, provider, api_key_id, "),
        ({"dimensions": ["user"]}, "dimensions.0: must be one of "),
        ({"dimensions": ["model", "app", "provider"]}, "dimensions: "),
        (
            {"granularity": "hour"},
            "granularity: activity is counted by UTC day, so there is no hour; must be one of day",
        ),
        ({"granularity": "minute"}, "granularity: activity is counted by UTC day, so there is no minute; "),
        ({"granularity": "year"}, "granularity: must be one of day, week, month"),
        (of("country", "eq", "DE"), "filters.0.field: must be one of model, "),
        (of("model", "like", "a"), "filters.0.operator: must be one of eq, neq, in, not_in, "),
        (of("model", "eq", ["a"]), "filters.0.value: eq takes one value"),
        (of("model", "in", "a"), "filters.0.value: in takes a list"),
        (of("model", "eq", True), "filters.0.value"),
        (of("model", "eq", {"a": 1}), "filters.0.value"),
        (of("app", "eq", "a", include_unset=True), "filters.0.include_unset: goes with in and not_in alone"),
        (
            of("model", "in", ["a"], include_unset=True),
            'filters.0.include_unset: Dimension "model" has no unset bucket',
        ),
        ({"filters": [of("model", "eq", "a")["filters"][0]] * 21}, "filters: "),
        ({"order_by": {"field": "total_usage", "direction": "asc"}}, "order_by.field: must be one of request_count"),
        (
            {"order_by": {"field": "date", "direction": "asc"}},
            "order_by.field: rows have a date only with",
        ),
        ({"order_by": {"field": "request_count", "direction": "up"}}, "order_by.direction: "),
        ({"limit": 0}, "limit: "),
        ({"limit": 10_001}, "limit: "),
        ({"group_limit": 0}, "group_limit: "),
        ({"time_range": {"start": "2026-11-01T00:00Z", "end": "2026-11-02T00:00:00Z"}}, "time_range.start: "),
        ({"time_range": {"start": "2026-11-02T00:00:00Z"}}, "time_range.end: "),
        (
            {"time_range": {"start": "2026-11-02T00:00:00Z", "end": "2026-11-02T00:00:00Z"}},
            "time_range.end: must be after time_range.start",
        ),
        (
            {"time_range": {"start": "2025-11-01T00:00:00Z", "end": "2026-11-03T00:00:00Z"}},
            "time_range: may span 366 days at most",
        ),
        ({"classifier_dimensions": {"classifier_id": "x"}}, "classifier_dimensions: there are no classifiers here"),
        ({"classifier_filters": {"classifier_id": "x", "filters": []}}, "classifier_filters: there are no classifiers"),
        ({"having": "x"}, "having: "),
    ],
)
async def test_a_wrong_query_is_refused_by_field(office: Office, changes: Mapping[str, Any], message: str) -> None:
    response = await office.client.post("/analytics/query", {"metrics": ["request_count"], **changes})

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(message)
    assert response.json()["error"]["metadata"]["error_type"] == "invalid_request"


async def test_who_asks_for_users_is_told_what_they_are_called(office: Office) -> None:
    response = await office.client.post("/analytics/query", {"metrics": ["request_count"], "dimensions": ["user"]})

    assert response.json()["error"]["message"].endswith("; what you mean may be external_user")


async def test_a_year_may_be_asked_for(office: Office) -> None:
    office.settle(days_ago=365)

    rows = await office.rows(time_range={"start": "2025-11-23T00:00:00Z", "end": "2026-11-24T00:00:00Z"})

    assert rows == [{"request_count": 1}]


# Who may ask


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/activity"), ("GET", "/analytics/meta"), ("POST", "/analytics/query")]
)
async def test_only_management_keys_ask(office: Office, method: str, path: str) -> None:
    for client, status in ((office.client.bearing(INFERENCE), 403), (office.client.bearing(None), 401)):
        response = await client.request(method, path, json={"metrics": ["request_count"]} if method == "POST" else None)
        assert response.status_code == status


async def test_activity_is_its_accounts_own(office: Office) -> None:
    office.settle()
    office.settle(days_ago=1)
    foreign = office.client.bearing(FOREIGN)

    assert (await foreign.get("/activity")).json() == {"data": []}
    answered = await foreign.post("/analytics/query", {"metrics": ["request_count"]})
    assert answered.json()["data"]["data"] == [{"request_count": 0}]
