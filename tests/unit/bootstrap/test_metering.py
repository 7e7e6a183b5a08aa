"""What metering counts for operators: what was charged, what was absorbed, and how attempts fared."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from turnpike.bootstrap.metering import Metering
from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.ledger import Hold
from turnpike.domain.money import NanoUsd
from turnpike.services.settle_usage import build_usage_event
from turnpike.telemetry import metrics

from tests.fakes import InMemoryLedger

ACCOUNT, ID, KEY = AccountId("acct"), GenerationId("gen-1"), KeyHash("k")
PLAIN = Generation(
    ID, ACCOUNT, KEY, 1, "m", "m", "One", True, Usage(1, 1), cost=NanoUsd(500), upstream_cost=NanoUsd(10_000)
)


@pytest.fixture(autouse=True)
def _counted() -> Iterator[None]:
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()


def counted(generation: Generation) -> dict[str, Any]:
    ledger = InMemoryLedger()
    ledger.top_up(ACCOUNT, NanoUsd(1_000_000), reference="start", now_s=0)
    ledger.hold(Hold(ID, ACCOUNT, KEY, NanoUsd(20_000), 1, 2**40))
    Metering(ledger, None, None)(orjson.dumps(build_usage_event(generation, answered=True)).decode())
    return {name: metric["Value"][0] for name, metric in metrics.metric_set.items()}


def test_what_we_paid_and_nobody_did_is_absorbed() -> None:
    found = counted(PLAIN)
    assert found["ChargedUsd"] == pytest.approx(500e-9)
    assert found["AbsorbedUsd"] == pytest.approx(9_500e-9)


def test_what_a_customers_own_account_was_charged_is_no_cost_of_ours() -> None:
    found = counted(replace(PLAIN, is_byok=True))
    assert found["ChargedUsd"] == pytest.approx(500e-9)
    assert "AbsorbedUsd" not in found


def test_what_plugins_took_and_nobody_paid_is_absorbed_too() -> None:
    assert counted(replace(PLAIN, search_cost=NanoUsd(2_000), file_cost=NanoUsd(1_000)))[
        "AbsorbedUsd"
    ] == pytest.approx(12_500e-9)


def test_a_search_of_ours_is_a_cost_of_ours_whoever_pays_the_model() -> None:
    own = replace(PLAIN, is_byok=True, search_cost=NanoUsd(3_000))
    assert counted(own)["AbsorbedUsd"] == pytest.approx(2_500e-9)


def test_attempts_with_customers_keys_alarm_nobody() -> None:
    ours = Attempt("one", "m", "m", 503, 1, outcome="failed")
    theirs = [
        replace(ours, status=401, is_byok=True),
        replace(ours, status=429, outcome="rate_limited", is_byok=True),
    ]
    found = counted(replace(PLAIN, attempts=(*theirs, ours, replace(ours, status=200, outcome="ok"))))
    assert (found["Attempts"], found["FailedAttempts"]) == (2, 1)
    assert "RateLimitedAttempts" not in found
