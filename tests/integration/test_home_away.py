"""The home region is away: what another one has leased is served, and nothing is given away or lost."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.to_thread import run_sync

from infra.catalog import built_catalog
from infra.local.demo_provider import DemoProvider
from infra.local.emulator import Emulator
from infra.local.provision import create_queue, create_table
from infra.local.serving import listen, port_of, serving
from turnpike.bootstrap import completions, metering
from turnpike.bootstrap.resources import Resources
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.ledger import balance_of
from turnpike.domain.money import parse_usd
from turnpike.services.manage_keys import ManageKeys, NewKey
from turnpike.settings import Settings
from turnpike.storage.schema import KEYS, LEDGER

from tests.asgi import AsgiClient
from tests.aws_clients import client_of
from tests.e2e.gates import Sluice, sluice

HOME, AWAY = "eu-central-1", "us-west-2"
CREDIT = parse_usd("10")
ASKED = {"model": "demo/chat", "messages": [{"role": "user", "content": "Hello there"}], "max_tokens": 20}


@dataclass
class Away:
    """The region that is well, in this process, and its way home."""

    parts: Resources
    way_home: Sluice

    def new_account(self) -> tuple[AccountId, str]:
        """With a key, which is here as a replica of it would be."""
        account_id = AccountId(f"acct-{secrets.token_hex(4)}")
        self.parts.ledger.top_up(account_id, CREDIT, reference="test", now_s=1)
        create = ManageKeys(self.parts.api_keys, self.parts.ledger).create
        _, secret = anyio.run(create, account_id, NewKey("Key", "inference"))
        return account_id, secret

    def settle(self) -> int:
        """What waits in the region's queue, as metering does it; how many of them are left in it."""
        settle, sqs, url = metering.build_metering(self.parts), self.parts.sqs, self.parts.settings.usage_queue_url
        failed = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            settle.begin([message["Body"] for message in messages])
            for message in messages:
                try:
                    settle(message["Body"])
                except TemporarilyBusy:
                    failed.append(message["ReceiptHandle"])
                else:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        for handle in failed:
            # It comes again, and for this test at once.
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        return len(failed)


@pytest.fixture
def away(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Away]:
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    sock, suffix = listen(), secrets.token_hex(4)
    with sluice(aws.port) as way_home, serving(DemoProvider("demo-key"), sock):
        monkeypatch.setenv("AWS_DEFAULT_REGION", AWAY)
        here = replace(aws, region=AWAY)
        settings = Settings(
            ledger_table=f"ledger-{suffix}",
            keys_table=create_table(client_of(here, "dynamodb"), KEYS, f"keys-{suffix}"),
            usage_queue_url=create_queue(client_of(here, "sqs"), f"usage-{suffix}"),
            catalog_artefact=str(built_catalog()),
            catalog_overrides=str(Path("infra/local/demo_catalog.toml").resolve()),
            home_region=HOME,
        )
        provider = {"DEMO_API_KEY": "demo-key", "DEMO_BASE_URL": f"http://127.0.0.1:{port_of(sock)}/v1"}
        parts = Resources({**settings.environ(), **provider})
        # Made here, while the variables say so.
        _ = parts.dynamodb, parts.sqs
        monkeypatch.setenv("AWS_ENDPOINT_URL", way_home.url)
        create_table(client_of(replace(aws, region=HOME), "dynamodb"), LEDGER, settings.ledger_table)
        yield Away(parts, way_home)


@pytest.mark.anyio
async def test_what_was_leased_is_served_and_the_rest_waits(away: Away) -> None:
    (busy, busy_key), (idle, idle_key) = await run_sync(lambda: (away.new_account(), away.new_account()))
    app = completions.build_app(away.parts)
    client, stranger = AsgiClient(app, busy_key), AsgiClient(app, idle_key)
    before = [await client.post("/chat/completions", ASKED) for _ in range(5)]
    before_idle = await stranger.post("/chat/completions", ASKED)
    assert await run_sync(away.settle) == 0

    away.way_home.cut()
    served = [await client.post("/chat/completions", ASKED) for _ in range(5)]
    refused = await stranger.post("/chat/completions", ASKED)

    assert [response.status_code for response in served] == [200] * 5
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    # Usage waits in the region's own queue, and no answer is lost for it.
    assert await run_sync(away.settle) == 5

    away.way_home.mend()
    after_idle = await stranger.post("/chat/completions", ASKED)
    await app.aclose()
    assert await run_sync(away.settle) == 0
    for account_id, answered in ((busy, [*before, *served]), (idle, [before_idle, after_idle])):
        await run_sync(_check_charged, away.parts, account_id, answered)


def _check_charged(parts: Resources, account_id: AccountId, answered: list[httpx2.Response]) -> None:
    """Each answer once, and nothing else."""
    costs = []
    for response in answered:
        assert response.status_code == 200
        recorded = parts.generations.find(account_id, GenerationId(response.headers["x-generation-id"]))
        assert recorded is not None
        assert recorded.cost > 0
        costs.append(recorded.cost)
    balance = parts.ledger.get_balance(account_id)
    assert balance == balance_of(parts.ledger.list_entries(account_id))
    assert balance.usage_total == sum(costs)
    assert balance.available + balance.held == CREDIT - sum(costs)
