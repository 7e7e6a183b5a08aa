"""What a deployment costs: computed from prices and counts that say where they are from."""

import tomllib
from dataclasses import replace

import pytest

from infra.config import load_config
from infra.cost import _PARTS, KEPT, PRICES, REQUESTS, bill, read_prices, table, used
from infra.layers import ROOT

from tests.infra.synthesized import Synthesized
from tests.infra.test_operations_stack import alarms_of, metrics_of

LIST = read_prices()
MEMORY = load_config("prod").memory_mb


def total(requests: int, **memory_mb: int) -> float:
    return sum(bill(requests, {**MEMORY, **memory_mb}, LIST).values())


def test_every_figure_says_where_it_is_from() -> None:
    tables = tomllib.loads(PRICES.read_text())
    rows = [*tables["prices"].values(), *tables["idle"].values(), *tables["request"].values()]
    rows += [way[kind] for way in tables["traffic"] for kind in ("write_units", "read_units")]
    assert all(row["source"] for row in rows)
    assert all("https://aws.amazon.com/" in row["source"] for row in tables["prices"].values())


def test_everything_that_is_used_is_charged_once() -> None:
    parts = [name for names in _PARTS.values() for name in names]
    assert sorted(parts) == sorted(used(1, MEMORY, LIST))


def test_idle_it_costs_less_than_a_dollar() -> None:
    assert 0 < total(0) <= 1


def test_alarms_are_counted_as_they_are_deployed(plain: Synthesized) -> None:
    watched = sum(1 for alarm in alarms_of(plain).values() for _ in metrics_of(alarm))
    assert LIST.idle["alarm_metric"] == watched


def test_secrets_are_counted_as_they_are_deployed(plain: Synthesized) -> None:
    assert LIST.idle["secret"] == len(plain.resources("data", "AWS::SecretsManager::Secret"))


def test_waiting_for_providers_is_most_of_it() -> None:
    parts = bill(100_000_000, MEMORY, LIST)
    assert parts["Lambda"] > sum(parts.values()) / 2
    halved = sum(bill(100_000_000, {**MEMORY, "completions": 256}, LIST).values())
    assert sum(parts.values()) - halved == pytest.approx(100_000_000 * 5.05 * 0.25 * LIST.prices["lambda_gb_s"])


@pytest.mark.parametrize(("memory_mb", "most_usd"), [(512, 45), (256, 28)])
def test_a_million_requests_cost_what_they_may(memory_mb: int, most_usd: float) -> None:
    """On what they call and how long they take; how long their records are kept is the operator's choice."""
    parts = dict(bill(100_000_000, {**MEMORY, "completions": memory_mb}, LIST))
    del parts[KEPT]
    assert sum(parts.values()) / 100 <= most_usd


def test_a_request_is_computed_by_hand() -> None:
    """Of a hundred million, one, at list price: 5.05 s at half a gigabyte, and its tenth of a batch."""
    listed = replace(LIST, free={}, idle=dict.fromkeys(LIST.idle, 0.0), request={**LIST.request, "custom_metrics": 0})
    parts = bill(100_000_000, MEMORY, listed)
    seconds = 5.05 + 0.06 * 2.8 / 10
    assert parts["Lambda"] / 100e6 == pytest.approx(1.1 * 0.0000002 + seconds * 0.5 * 0.0000133334)
    assert parts["DynamoDB"] / 100e6 == pytest.approx(5.5 * 0.000000625 + 0.1 * 0.000000125)
    assert parts[KEPT] / 100e6 == pytest.approx(1440 * 6 / 1e9 * 0.45)
    assert parts["SQS"] / 100e6 == pytest.approx(1.2 * 0.0000004)


def test_the_documents_say_what_the_command_says() -> None:
    assert table(MEMORY, LIST) in (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("requests", REQUESTS)
def test_each_number_of_requests_is_held_and_settled_in_some_way(requests: int) -> None:
    assert LIST.way(requests)["from"] <= requests
