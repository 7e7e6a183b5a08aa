"""Payments' settings, and that Stripe's library waits for whoever pays."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from turnpike.bootstrap.payments import Payments, are_on, parse_return_addresses, parse_terms
from turnpike.bootstrap.resources import Resources
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.money import parse_usd
from turnpike.domain.payments import Fees, Terms
from turnpike.settings import Settings

_PROGRAM = """
import asyncio, sys
from tests.asgi import AsgiClient
from turnpike.bootstrap import billing
from turnpike.bootstrap.upkeep import run_upkeep
client = AsgiClient(billing.app())
run_upkeep()
print("stripe" in sys.modules, "requests" in sys.modules)
answer = asyncio.run(client.request("POST", "/credits/webhook", json={}))
print(answer.status_code, "stripe" in sys.modules)
"""


def settings(**changed: Any) -> Settings:
    return Settings(ledger_table="l", keys_table="k", usage_queue_url="q", **changed)


def environ(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRIPE_", "TURNPIKE_"))}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path]),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        **settings().environ(),
        **variables,
    }


def run(**variables: str) -> list[str]:
    found = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=environ(**variables), capture_output=True, check=True, text=True
    )
    return found.stdout.splitlines()


def test_without_keys_the_library_is_never_loaded() -> None:
    assert run() == ["False False", "404 False"]


def test_with_keys_it_is_loaded_by_what_needs_it() -> None:
    assert run(STRIPE_SECRET_KEY="sk_test_x", STRIPE_WEBHOOK_SECRET="whsec_x") == ["False False", "400 True"]


def test_the_terms_are_read() -> None:
    assert parse_terms(settings()) == Terms(500, 1_000_000, Fees(), parse_usd("500"))
    changed = settings(
        payment_min_usd="1.50",
        payment_max_usd="20",
        payment_fee_percent="5.5",
        payment_fee_min_usd="0.80",
        auto_top_up_daily_usd="0",
    )
    assert parse_terms(changed) == Terms(150, 2_000, Fees(Decimal("5.5"), 80), parse_usd("0"))


@pytest.mark.parametrize(
    "changed",
    [
        {"payment_min_usd": "five"},
        {"payment_min_usd": "0.001"},
        {"payment_max_usd": "-5"},
        {"payment_fee_percent": "5,5"},
        {"payment_fee_percent": "NaN"},
        {"payment_fee_percent": "101"},
        {"payment_fee_min_usd": ""},
        {"auto_top_up_daily_usd": "Infinity"},
        {"checkout_origins": "https://app.example.com http://app.example.com"},
        {"checkout_origins": "app.example.com"},
        {"checkout_origins": "https://app.example.com/path"},
        {"public_url": "https://user@app.example.com"},
    ],
)
def test_a_setting_that_makes_no_sense_is_named(changed: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"TURNPIKE_{next(iter(changed)).upper()}: "):
        Payments(Resources(environ(**settings(**changed).environ())))


def test_pages_lead_back_to_the_sites_that_are_named_and_to_our_own() -> None:
    """API Gateway's own address has the stage for a path, which is no part of a site."""
    stage = "https://abc.execute-api.us-east-1.amazonaws.com/prod"
    addresses = parse_return_addresses(settings(public_url=stage, checkout_origins="https://app.example.com"))
    default = addresses.check(None, field="success_url", outcome="success")
    assert default == "https://app.example.com/?checkout=success"
    own = f"{stage}/paid"
    assert addresses.check(own, field="success_url", outcome="success") == own
    with pytest.raises(InvalidRequest, match="no site"):
        addresses.check("https://example.com/paid", field="success_url", outcome="success")


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"STRIPE_SECRET_KEY": " "}, False),
        ({"STRIPE_SECRET_KEY": "sk_test_x"}, True),
        ({"TURNPIKE_PAYMENTS_SECRET": "turnpike/payments"}, True),
    ],
)
def test_they_are_on_where_a_key_may_be(variables: dict[str, str], on: bool) -> None:
    assert are_on(Resources(environ(**variables))) is on
