"""`GET /activity`, `GET /analytics/meta` and `POST /analytics/query`: they agree with what each request cost."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from openrouter import OpenRouter, errors, operations

from tests.e2e.asking import chat, generation, http_client, nano, user
from tests.e2e.deployment import Deployment
from tests.e2e.run import MARK

ACCOUNT = "acct-activity"
APP = f"https://{MARK}.example"


@dataclass(frozen=True)
class Office:
    """A server, an account that has made some requests through it, and what each of them told of itself."""

    parts: Deployment
    url: str
    manager: OpenRouter
    management: httpx2.Client
    records: Sequence[dict[str, Any]]
    keys: Sequence[str]
    """The hash of the key that made each."""

    def query(self, *metrics: str, **body: Any) -> list[dict[str, Any]]:
        """Through the SDK, and by hand for the rows: the SDK's have no members."""
        answer = self.manager.analytics.query_analytics(metrics=metrics, **body).data
        assert not answer.metadata.truncated
        assert not answer.warnings
        response = self.management.post("/analytics/query", json={"metrics": metrics, **body})
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()["data"]["data"]
        assert answer.metadata.row_count == len(answer.data) == len(rows)
        return rows


@pytest.fixture(scope="module")
def office(parts: Deployment) -> Iterator[Office]:
    keys = parts.call("seed", ACCOUNT, "5")
    with (
        parts.serving("serve_api", TURNPIKE_PRINCIPAL_TTL_S="0") as (_, address),
        OpenRouter(server_url=f"{address}/api/v1", api_key=keys["management_key"]) as manager,
        http_client(f"{address}/api/v1", keys["management_key"]) as management,
    ):
        team = manager.api_keys.create(name="Team")
        records, hashes = [], []
        for secret in (keys["api_key"], team.key):
            with (
                OpenRouter(server_url=f"{address}/api/v1", api_key=secret) as sdk,
                http_client(f"{address}/api/v1", secret) as client,
            ):
                for generation_id in [*ask_by_sdk(sdk), *ask_by_hand(client)]:
                    records.append(generation(client, generation_id))
                    hashes.append(client.get("/key").json()["data"]["label"])
        listed = {key.label: key.hash for key in manager.api_keys.list().data}
        yield Office(parts, address, manager, management, records, [listed[label] for label in hashes])


def ask_by_sdk(sdk: OpenRouter) -> Iterator[str]:
    for model, named in (("demo/chat", "ann"), ("demo/reasoning", "bob"), ("demo/chat:free", None)):
        answer = sdk.chat.send(model=model, messages=user(), user=named, http_referer=f"{APP}/page", max_tokens=60)
        yield answer.id
        with sdk.chat.send(model=model, messages=user(), user=named, stream=True, max_tokens=60) as events:
            yield [chunk.id for chunk in events][-1]


def ask_by_hand(client: httpx2.Client) -> Iterator[str]:
    """What fails has an id in its headers alone."""
    for model, stream in (("demo/down", False), ("demo/midstream-error", True), ("demo/fallback", False)):
        response = client.post("/chat/completions", json=chat(model, stream=stream, user="=ann()"))
        yield response.headers["x-generation-id"]


def total(office: Office, name: str) -> int:
    return sum(record[name] or 0 for record in office.records)


def test_a_total_is_the_sum_of_all_requests(office: Office) -> None:
    (row,) = office.query(
        "request_count", "total_usage", "usage_upstream", "tokens_prompt", "tokens_completion", "reasoning_tokens"
    )

    assert row["request_count"] == len(office.records) == 18
    assert nano(row["total_usage"]) == sum(nano(record["total_cost"]) for record in office.records) > 0
    upstream = sum(nano(record["upstream_inference_cost"]) for record in office.records)
    # What the answers that broke off cost is nobody's to pay, and told all the same.
    assert nano(row["usage_upstream"]) == upstream > nano(row["total_usage"])
    for metric in ("tokens_prompt", "tokens_completion"):
        assert row[metric] == total(office, metric) > 0
    assert row["reasoning_tokens"] == total(office, "native_tokens_reasoning") > 0


def test_a_total_is_what_the_account_has_used(office: Office) -> None:
    (row,) = office.query("credits_usage")

    assert nano(row["credits_usage"]) == nano(office.manager.credits.get_credits().data.total_usage)


@pytest.mark.parametrize(
    ("dimension", "name"), [("model", "model"), ("external_user", "external_user"), ("app", "origin")]
)
def test_each_sum_is_that_of_its_requests(office: Office, dimension: str, name: str) -> None:
    costs, requests = Counter[str | None](), Counter[str | None]()
    for record in office.records:
        costs[record[name] or None] += nano(record["total_cost"])
        requests[record[name] or None] += 1

    rows = office.query("total_usage", "request_count", dimensions=[dimension])

    assert {row[dimension]: nano(row["total_usage"]) for row in rows} == dict(costs)
    assert {row[dimension]: row["request_count"] for row in rows} == dict(requests)
    assert len(rows) > 1


def test_keys_are_told_by_hash_and_name(office: Office) -> None:
    rows = office.query("total_usage", dimensions=["api_key_id"])

    costs = Counter[str]()
    for key, record in zip(office.keys, office.records, strict=True):
        costs[key] += nano(record["total_cost"])
    assert {row["api_key_id"]: nano(row["total_usage"]) for row in rows} == dict(costs)
    for row in rows:
        key = office.manager.api_keys.get(hash=row["api_key_id"]).data
        assert (row["api_key_name"], nano(row["total_usage"])) == (key.name, nano(key.usage))


def test_errors_are_told_where_they_happened(office: Office) -> None:
    rows = office.query("error_count", "request_count", dimensions=["model"])

    failed = {row["model"] for row in rows if row["error_count"]}
    assert failed == {"demo/down", "demo/midstream-error"}


def test_a_query_has_filters_days_and_an_order(office: Office) -> None:
    today = datetime.now(UTC).date()
    rows = office.query(
        "tokens_total",
        dimensions=["model", "provider"],
        granularity="day",
        filters=[{"field": "model", "operator": "in", "value": ["demo/chat", "demo/reasoning"]}],
        order_by={"field": "tokens_total", "direction": "asc"},
        time_range={
            "start": f"{today - timedelta(days=1)}T00:00:00Z",
            "end": f"{today + timedelta(days=1)}T00:00:00Z",
        },
    )

    tokens = [row["tokens_total"] for row in rows]
    assert tokens == sorted(tokens)
    assert {(row["model"], row["provider"]) for row in rows} == {("demo/chat", "Demo"), ("demo/reasoning", "Demo")}
    wanted = [record for record in office.records if record["model"] in ("demo/chat", "demo/reasoning")]
    assert sum(tokens) == sum(record["tokens_prompt"] + record["tokens_completion"] for record in wanted)


def test_meta_names_what_was_asked_for(office: Office) -> None:
    meta = office.manager.analytics.get_analytics_meta().data

    assert {"total_usage", "request_count"} <= {metric.name for metric in meta.metrics}
    assert {"model", "provider", "api_key_id", "external_user", "app"} <= {each.name for each in meta.dimensions}


def test_a_query_as_csv_holds_no_formula(office: Office) -> None:
    body = {"metrics": ["total_usage"], "dimensions": ["external_user"]}
    response = office.management.post("/analytics/query?format=csv", json=body)

    assert response.headers["content-type"].startswith("text/csv")
    rows = {row["external_user"]: row["total_usage"] for row in csv.DictReader(io.StringIO(response.text))}
    assert set(rows) == {"", "ann", "bob", "'=ann()"}
    told = office.query("total_usage", dimensions=["external_user"])
    sums = {row["external_user"]: nano(row["total_usage"]) for row in told}
    assert {user or None: nano(float(usd)) for user, usd in rows.items() if user != "'=ann()"} == {
        user: usd for user, usd in sums.items() if user != "=ann()"
    }


def test_wrong_queries_are_refused(office: Office) -> None:
    with pytest.raises(errors.BadRequestResponseError, match="must be one of request_count"):
        office.query("spend")
    with pytest.raises(errors.BadRequestResponseError, match="counted by UTC day, so there is no hour"):
        office.query("request_count", granularity="hour")


def test_inference_keys_see_no_activity(office: Office) -> None:
    created = office.manager.api_keys.create(name="Other")
    with OpenRouter(server_url=f"{office.url}/api/v1", api_key=created.key) as sdk:
        with pytest.raises(errors.ForbiddenResponseError):
            sdk.analytics.get_user_activity()
        with pytest.raises(errors.ForbiddenResponseError):
            sdk.analytics.query_analytics(metrics=["request_count"])
    office.manager.api_keys.delete(hash=created.data.hash)


def test_activity_is_told_once_its_day_is_over(office: Office) -> None:
    """Last, since it moves the day on which everything before it happened."""
    today = datetime.now(UTC).date()
    with pytest.raises(errors.BadRequestResponseError, match="completed"):
        office.manager.analytics.get_user_activity(request=operations.GetUserActivityRequest(date=today.isoformat()))
    expected = {row["model"]: row for row in office.query("total_usage", "request_count", dimensions=["model"])}

    day = (today - timedelta(days=2)).isoformat()
    office.parts.move_activity(ACCOUNT, day)

    rows = office.manager.analytics.get_user_activity().data
    assert {row.date_ for row in rows} == {day}
    # A row for each endpoint: of a model that is down, either of two may have been the last to fail.
    endpoints = {(record["model"], record["provider_responses"][-1]["endpoint_id"]) for record in office.records}
    assert sorted((row.model, row.endpoint_id) for row in rows) == sorted(endpoints)
    usage, requests = Counter[str](), Counter[str]()
    for row in rows:
        usage[row.model] += nano(row.usage)
        requests[row.model] += row.requests
    assert usage == {model: nano(row["total_usage"]) for model, row in expected.items()}
    assert requests == {model: row["request_count"] for model, row in expected.items()}

    of_keys = []
    for key in set(office.keys):
        request = operations.GetUserActivityRequest(date=day, api_key_hash=key)
        of_keys += office.manager.analytics.get_user_activity(request=request).data
    assert sum(nano(row.usage) for row in of_keys) == sum(nano(row.usage) for row in rows)

    table = csv.DictReader(io.StringIO(office.management.get("/activity", headers={"accept": "text/csv"}).text))
    assert sum(nano(float(row["usage"])) for row in table) == usage.total()
