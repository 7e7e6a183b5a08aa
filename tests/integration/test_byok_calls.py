"""What customers' own provider keys cost in calls of AWS: for those who bring some, and for those who do not."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.catalog import built_catalog
from infra.local.demo_provider import DemoProvider
from infra.local.emulator import Emulator
from infra.local.provision import create_byok_key, create_queue, create_table
from infra.local.serving import listen, port_of, serving
from turnpike.bootstrap import completions, keys, resources
from turnpike.bootstrap.seed import SeededKeys, seed_account
from turnpike.settings import Settings
from turnpike.storage.schema import BYOK, KEYS, LEDGER

from tests.asgi import AsgiClient
from tests.bench.calls import CountedCalls
from tests.environments import environment

pytestmark = pytest.mark.anyio
ASKED = {"model": "demo/chat", "messages": [{"role": "user", "content": "Hello there"}]}
HOLD, REPORT = "dynamodb.TransactWriteItems", "sqs.SendMessage"


class Environment:
    """Completions in this process, with its calls counted, as one environment of a deployment has them."""

    def __init__(self, parts: resources.Resources) -> None:
        self.parts = parts
        self.app = completions.build_app(parts)
        self._calls = CountedCalls(parts.dynamodb, parts.sqs, parts.kms)  # type: ignore[arg-type]
        self._seen: Counter[str] = Counter()

    async def ask(self, api_key: str) -> tuple[bool, dict[str, int]]:
        """(whether it went over the customer's account, the calls that it took)."""
        response = await AsgiClient(self.app, api_key).post("/chat/completions", ASKED)
        assert response.status_code == 200, response.text
        sent = Counter(self._calls.report()["sent"])
        made, self._seen = sent - self._seen, sent
        return response.json()["usage"]["is_byok"], dict(made)

    async def aclose(self) -> None:
        await self.app.aclose()


@pytest.fixture(scope="module")
def environ(aws: Emulator, dynamodb: Any, sqs: Any, kms: Any, tmp_path_factory: Any) -> Iterator[dict[str, str]]:
    sock = listen()
    with serving(DemoProvider("demo-key"), sock):
        settings = Settings(
            ledger_table=create_table(dynamodb, LEDGER, "turnpike-test-byok-ledger"),
            keys_table=create_table(dynamodb, KEYS, "turnpike-test-byok-keys"),
            byok_table=create_table(dynamodb, BYOK, "turnpike-test-byok-byok"),
            byok_kms_key=create_byok_key(kms),
            usage_queue_url=create_queue(sqs, "turnpike-test-byok-usage"),
            catalog_artefact=str(built_catalog()),
            catalog_overrides=str(Path("infra/local/demo_catalog.toml").resolve()),
            lease_s=0,
        )
        url = f"http://127.0.0.1:{port_of(sock)}/v1"
        variables = {**aws.environ(), **settings.environ(), "DEMO_API_KEY": "demo-key", "DEMO_BASE_URL": url}
        with environment(variables):
            yield variables


@asynccontextmanager
async def running(environ: dict[str, str], **changes: str) -> AsyncIterator[Environment]:
    environment = Environment(resources.Resources({**environ, **changes}))
    try:
        yield environment
    finally:
        await environment.aclose()


async def with_key(environ: dict[str, str], name: str) -> SeededKeys:
    seeded = await _seed(environ, name)
    office = AsgiClient(keys.build_app(resources.Resources(environ)), seeded.management_key)
    response = await office.post("/byok", {"provider": "demo", "key": f"demo-byok-{name}"})
    assert response.status_code == 201, response.text
    return seeded


async def _seed(environ: dict[str, str], name: str) -> SeededKeys:
    from anyio.to_thread import run_sync

    return await run_sync(lambda: seed_account(environ, account_id=f"acct-{name}", credit_usd="1"))


async def test_accounts_without_keys_pay_one_read_in_half_a_minute(environ: dict[str, str]) -> None:
    seeded = await _seed(environ, "without")
    async with running(environ) as environment:
        first = await environment.ask(seeded.api_key)
        assert first == (False, {"dynamodb.GetItem": 1, "dynamodb.Query": 1, HOLD: 1, REPORT: 1})
        for _ in range(3):
            assert await environment.ask(seeded.api_key) == (False, {HOLD: 1, REPORT: 1})


async def test_where_no_keys_are_taken_none_are_looked_for(environ: dict[str, str]) -> None:
    seeded = await _seed(environ, "untaken")
    async with running(environ, TURNPIKE_BYOK_KMS_KEY="") as environment:
        assert await environment.ask(seeded.api_key) == (False, {"dynamodb.GetItem": 1, HOLD: 1, REPORT: 1})


async def test_a_key_is_opened_once(environ: dict[str, str]) -> None:
    seeded = await with_key(environ, "opens-once")
    async with running(environ) as environment:
        first = await environment.ask(seeded.api_key)
        assert first == (True, {"dynamodb.GetItem": 1, "dynamodb.Query": 1, "kms.Decrypt": 1, HOLD: 1, REPORT: 1})
        for _ in range(3):
            assert await environment.ask(seeded.api_key) == (True, {HOLD: 1, REPORT: 1})


async def test_keys_that_cannot_be_read_stop_a_request_before_it_costs_anything(environ: dict[str, str]) -> None:
    seeded = await with_key(environ, "unreadable")
    async with running(environ, TURNPIKE_BYOK_TABLE="there-is-none") as environment:
        client = AsgiClient(environment.app, seeded.api_key)
        response = await client.post("/chat/completions", ASKED)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert "cannot be read" in response.json()["error"]["message"]
        balance = environment.parts.ledger.get_balance(seeded.account_id)  # type: ignore[arg-type]
        assert (balance.held, balance.usage_total) == (0, 0)
