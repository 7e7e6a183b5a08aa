"""Payments as they are deployed: the functions' own compositions, DynamoDB, Secrets Manager, and everything at once."""

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import httpx2
import pytest

from infra.local.emulator import Emulator
from turnpike.bootstrap import billing
from turnpike.bootstrap import resources as parts
from turnpike.bootstrap.payments import Payments
from turnpike.bootstrap.seed import seed_account
from turnpike.bootstrap.upkeep import run_upkeep
from turnpike.domain.errors import InsufficientCredit, TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import balance_of
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.settings import Settings

from tests.environments import environment
from tests.shop import keys_of, open_door
from tests.stripe_account import Object
from tests.stripe_server import StripeServer, serving_stripe

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_THREADS = 16


@dataclass
class Deployed:
    """The billing function, and everything that it stands on."""

    client: httpx2.Client
    server: StripeServer
    resources: parts.Resources
    keys: dict[str, str]

    def call(self, method: str, path: str, body: object, account: str) -> httpx2.Response:
        if account not in self.keys:
            self.keys[account] = seed_account(os.environ, account_id=account, credit_usd="0.01").management_key
        return self.client.request(method, path, json=body, headers={"authorization": f"Bearer {self.keys[account]}"})

    def checkout(self, account: str, amount: float, **options: object) -> str:
        response = self.call("POST", "/credits/checkout", {"amount": amount, **options}, account)
        assert response.status_code == 201, response.text
        return str(response.json()["data"]["id"])

    def deliver(self, event: Object) -> int:
        """As Stripe does it: until it is taken."""
        body, signature = self.server.stripe.signed(event)
        for _ in range(20):
            answer = self.client.post("/credits/webhook", content=body, headers={"stripe-signature": signature})
            if answer.status_code == 200:
                return 200
            assert answer.status_code == 503, answer.text
        return answer.status_code

    def deliver_at_once(self, tellings: Sequence[Sequence[Object]]) -> None:
        """Each by a thread of its own."""
        start = threading.Barrier(len(tellings))

        def tell(events: Sequence[Object]) -> set[int]:
            start.wait()
            return {self.deliver(event) for event in events}

        with ThreadPoolExecutor(len(tellings)) as pool:
            assert set().union(*pool.map(tell, tellings)) == {200}

    def available(self, account: str) -> NanoUsd:
        """Without the cent that the account began with; its history adds up."""
        ledger = self.resources.ledger
        balance = ledger.get_balance(AccountId(account))
        assert balance == balance_of(ledger.list_entries(AccountId(account)))
        return NanoUsd(balance.available - parse_usd("0.01"))

    def kinds(self, account: str) -> Mapping[str, int]:
        return Counter(entry.kind for entry in self.resources.ledger.list_entries(AccountId(account)))


@pytest.fixture(scope="module")
def deployed(
    aws: Emulator,
    secretsmanager: "SecretsManagerClient",
    ledger_table: str,
    keys_table: str,
) -> Iterator[Deployed]:
    with serving_stripe() as server:
        secret = secretsmanager.create_secret(Name=f"turnpike/{ledger_table}", SecretString=json.dumps(keys_of(server)))
        settings = Settings(
            ledger_table=ledger_table,
            keys_table=keys_table,
            usage_queue_url="",
            stage="races",
            payments_secret=secret["ARN"],
            stripe_api_base=server.url,
            checkout_origins="https://app.example.com",
        )
        with environment(aws.environ(), settings.environ()):
            resources = parts.resources()
            with open_door(billing.build_app(resources)) as client:
                yield Deployed(client, server, resources, {})


def shuffled(events: Sequence[Object], seed: int) -> list[Object]:
    return Random(seed).sample(events, len(events))


def test_one_payment_told_of_by_many_at_once_is_credited_once(deployed: Deployed) -> None:
    stripe = deployed.server.stripe
    payment_id = stripe.pay(deployed.checkout("acct-once", 10))
    events = [event for event in stripe.events if event["data"]["object"].get("metadata")]
    deployed.deliver_at_once([[event] for event in events * 8][:_THREADS])
    assert deployed.available("acct-once") == parse_usd("10")
    entry = {entry.reference for entry in deployed.resources.ledger.list_entries(AccountId("acct-once"))}
    assert entry == {"grant:seed", f"stripe:{payment_id}"}


def test_everything_that_happens_to_payments_told_by_many_at_once(deployed: Deployed) -> None:
    stripe = deployed.server.stripe
    stripe.events.clear()
    first, second, third = (stripe.pay(deployed.checkout("acct-all", usd)) for usd in (10, 20, 30))
    stripe.refund(first, 400)
    stripe.finish_refund(stripe.refund(first, 600, status="pending"), "failed")
    stripe.close_dispute(stripe.dispute(second, 2000), won=True)
    stripe.close_dispute(stripe.dispute(third, 3000), won=False)
    events = list(stripe.events)

    deployed.deliver_at_once([shuffled(events, seed) for seed in range(_THREADS)])

    assert deployed.available("acct-all") == parse_usd("26")
    # Two parts of the first payment taken back and one given, the second taken and given, the third taken.
    assert deployed.kinds("acct-all") == {"top_up": 1 + 3, "refund": 3 + 2 + 1}


def test_of_many_runs_of_upkeep_at_once_one_charges(deployed: Deployed) -> None:
    stripe, account = deployed.server.stripe, "acct-low"
    stripe.events.clear()
    stripe.pay(deployed.checkout(account, 10, save_payment_method=True))
    deployed.deliver_at_once([list(stripe.events)])
    answer = deployed.call("PUT", "/credits/auto-top-up", {"threshold": 15, "amount": 20}, account)
    assert answer.json()["data"]["payment_method"] == "visa 4242"
    stripe.events.clear()
    start = threading.Barrier(8)

    def upkeep(_: int) -> int:
        run = Payments(deployed.resources).run_auto_top_ups()
        start.wait()
        return run(int(stripe.now()))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(upkeep, range(8))) == 1

    succeeded = [event for event in stripe.events if event["type"] == "payment_intent.succeeded"]
    assert len(succeeded) == 1
    assert deployed.available(account) == parse_usd("30")
    deployed.deliver_at_once([list(stripe.events)] * 4)
    assert deployed.available(account) == parse_usd("30")


def test_upkeep_charges_accounts_that_run_low(deployed: Deployed) -> None:
    stripe, account = deployed.server.stripe, "acct-upkeep"
    stripe.events.clear()
    stripe.pay(deployed.checkout(account, 10, save_payment_method=True))
    deployed.deliver_at_once([list(stripe.events)])
    deployed.call("PUT", "/credits/auto-top-up", {"threshold": 15, "amount": 20}, account)

    upkeep = run_upkeep()
    upkeep(lambda: False)
    assert deployed.available(account) == parse_usd("10")
    for _ in range(2):
        upkeep(lambda: True)

    assert deployed.available(account) == parse_usd("30")


def test_payments_race_with_requests_that_spend_them(deployed: Deployed) -> None:
    """Every hold is on a credit that is there, and what is taken back is gone whoever is faster."""
    stripe, account, ledger = deployed.server.stripe, AccountId("acct-busy"), deployed.resources.ledger
    stripe.events.clear()
    payments = [stripe.pay(deployed.checkout(account, 10)) for _ in range(3)]
    for payment_id in payments:
        stripe.refund(payment_id, 500)
    events = list(stripe.events)
    start = threading.Barrier(4 + 4)

    def spend(number: int) -> int:
        start.wait()
        taken = 0
        for step in range(10):
            try:
                ledger.adjust(account, "adjustment", parse_usd("-1"), reference=f"spent-{number}-{step}", now_s=1)
                taken += 1
            except (InsufficientCredit, TemporarilyBusy):
                continue
        return taken

    def tell(seed: int) -> set[int]:
        start.wait()
        return {deployed.deliver(event) for event in shuffled(events, seed)}

    with ThreadPoolExecutor(8) as pool:
        told = [pool.submit(tell, seed) for seed in range(4)]
        spent = sum(pool.map(spend, range(4)))
        assert set().union(*(each.result() for each in told)) == {200}
    assert deployed.available(account) == parse_usd("15") - spent * parse_usd("1")
    assert ledger.get_balance(account).held == 0
