"""The billing app with payments, served on loopback and paid through the fake Stripe."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx2

from infra.local.serving import HOST, listen, port_of, serving
from turnpike.api import billing, corrections, payments
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.domain.api_keys import ApiKey, KeyRole, hash_secret, label_of, new_secret
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import balance_of
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.domain.payments import Fees, Payment, Terms
from turnpike.domain.return_addresses import ReturnAddresses
from turnpike.payments.stripe_gateway import SECRET_KEY, WEBHOOK_SECRET, StripeGateway
from turnpike.ports.accounts import ApiKeys
from turnpike.ports.ledger import Ledger
from turnpike.ports.payments import AutoTopUps
from turnpike.services.authenticate import Authenticate
from turnpike.services.book_payment import BookPayment
from turnpike.services.correct_credit import AdjustCredit, RefundGeneration
from turnpike.services.grant_credit import GrantCredit
from turnpike.services.manage_auto_top_up import ManageAutoTopUp
from turnpike.services.read_credits import ReadCredits
from turnpike.services.read_generation import ReadGeneration
from turnpike.services.receive_payment_event import ReceivePaymentEvent
from turnpike.services.run_auto_top_ups import RunAutoTopUps
from turnpike.services.start_checkout import StartCheckout

from tests.fake_payments import InMemoryAutoTopUps, InMemoryEntryNotes
from tests.fakes import InMemoryApiKeys, InMemoryLedger
from tests.stripe_account import Object
from tests.stripe_server import StripeServer

SITE = "https://app.example.com"
FEES = Fees(Decimal("5.5"), 80)
TERMS = Terms(500, 1_000_000, FEES, automatic_daily=parse_usd("100"))


@dataclass
class Shop:
    """What a test talks to. Accounts come into being with the first key that is asked for."""

    client: httpx2.Client
    server: StripeServer
    ledger: Ledger
    store: AutoTopUps
    api_keys: ApiKeys
    run: RunAutoTopUps
    clock: "Clock"
    troubles: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    _secrets: dict[tuple[str, KeyRole], str] = field(default_factory=dict)

    def key(self, account: str, role: KeyRole = "management") -> str:
        if (account, role) not in self._secrets:
            secret = self._secrets[account, role] = new_secret()
            key = ApiKey(hash_secret(secret), AccountId(account), role.title(), label_of(secret), role)
            self.api_keys.create(key)
        return self._secrets[account, role]

    def call(
        self, method: str, path: str, body: Any = None, *, account: str = "acct-1", role: KeyRole | None = "management"
    ) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.key(account, role)}"} if role else {}
        return self.client.request(method, path, json=body, headers=headers)

    def checkout(self, amount: float = 10, *, account: str = "acct-1", save: bool = False) -> str:
        body = {"amount": amount, "save_payment_method": save}
        response = self.call("POST", "/credits/checkout", body, account=account)
        assert response.status_code == 201, response.text
        return str(response.json()["data"]["id"])

    def buy(self, amount: float = 10, *, account: str = "acct-1", save: bool = False) -> str:
        """A checkout that is paid, and whose events are delivered; returns the payment."""
        payment_id = self.server.stripe.pay(self.checkout(amount, account=account, save=save))
        self.deliver_all()
        return payment_id

    def deliver(self, event: Object, *, at: int | None = None, secret: str | None = None) -> httpx2.Response:
        body, signature = self.server.stripe.signed(event, at=at, secret=secret)
        return self.post_event(body, {"stripe-signature": signature})

    def post_event(self, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        return self.client.post("/credits/webhook", content=body, headers=dict(headers))

    def deliver_all(self) -> None:
        """Whatever has happened at Stripe since, in its order."""
        events = self.server.stripe.events
        while events:
            response = self.deliver(events.pop(0))
            assert response.status_code == 200, response.text

    def available(self, account: str = "acct-1") -> NanoUsd:
        """Asserts that the account's history adds up to its balance."""
        balance = self.ledger.get_balance(AccountId(account))
        assert balance == balance_of(self.ledger.list_entries(AccountId(account)))
        return balance.available

    def entries(self, account: str = "acct-1") -> list[tuple[str, str, int]]:
        entries = self.ledger.list_entries(AccountId(account))
        return [(entry.kind, entry.reference, entry.available_delta) for entry in entries]


@dataclass
class Clock:
    now: float = 1_795_521_600.0

    def __call__(self) -> float:
        return self.now


def keys_of(server: StripeServer) -> dict[str, str]:
    return {SECRET_KEY: server.stripe.secret_key, WEBHOOK_SECRET: server.stripe.webhook_secret}


@contextmanager
def open_shop(
    server: StripeServer,
    *,
    keys: Mapping[str, str] | None = None,
    ledger: InMemoryLedger | None = None,
    terms: Terms = TERMS,
    stage: str = "test",
) -> Iterator[Shop]:
    """Over storage in memory, and with one clock for both sides."""
    kept, store, api_keys, clock = ledger or InMemoryLedger(), InMemoryAutoTopUps(), InMemoryApiKeys(), Clock()
    server.stripe.now = clock
    secrets = keys_of(server) if keys is None else keys
    gateway = StripeGateway(lambda: secrets, stage=stage, api_base=server.url)
    troubles: list[str] = []
    failures: list[Exception] = []

    def on_trouble(payment: Payment, trouble: str) -> None:
        troubles.append(trouble)

    book = BookPayment(kept, store, now=clock)
    run = RunAutoTopUps(gateway, store, kept, book, terms, lambda _, error: failures.append(error))
    guard = Guard(Authenticate(api_keys, ttl_s=0))
    app = Edge(
        [
            *billing.routes(
                guard, ReadCredits(kept), ReadGeneration(kept.generations, kept), GrantCredit(kept, now=clock)
            ),
            *payments.routes(
                guard,
                StartCheckout(gateway, store, terms, ReturnAddresses([SITE])),
                ReceivePaymentEvent(gateway, book, on_trouble),
                ManageAutoTopUp(gateway, store, terms, now=clock),
            ),
            *corrections.routes(
                guard, RefundGeneration(kept.generations, kept), AdjustCredit(kept, InMemoryEntryNotes())
            ),
        ]
    )
    with open_door(app) as client:
        yield Shop(client, server, kept, store, api_keys, run, clock, troubles, failures)


@contextmanager
def open_door(app: Edge) -> Iterator[httpx2.Client]:
    """Serve the app; gives a client of it for any number of threads."""
    sock = listen()
    url = f"http://{HOST}:{port_of(sock)}/api/v1"
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
    with serving(app, sock), httpx2.Client(base_url=url, timeout=30, limits=limits, trust_env=False) as client:
        yield client
