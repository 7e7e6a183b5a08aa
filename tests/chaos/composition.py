"""What a chaos run takes place on: the emulator, with a fresh world on it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio
import botocore.session

from infra.local.emulator import ROOT, emulator
from infra.local.provision import create_queue, create_table
from turnpike.settings import Settings
from turnpike.storage.schema import KEYS, LEDGER

from tests.chaos.duty import FACTS, STAGE, WORLD
from tests.chaos.world import Key, Size, World, new_world

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from turnpike.bootstrap.resources import Resources

LOG = "functions.log"


@contextmanager
def composed(seed: int, size: Size, folder: Path) -> "Iterator[tuple[Resources, World]]":
    """Start the emulator with a fresh world on it."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / FACTS).mkdir(parents=True)
    before = dict(os.environ)
    with emulator(folder / "emulator.log") as aws:
        try:
            _set_environ(aws.environ())
            os.environ |= _settings(size, folder).environ()
            from turnpike.bootstrap.resources import Resources

            parts = Resources(os.environ)
            world = anyio.run(_seed, parts, new_world(seed, size))
            world.save(folder / WORLD)
            yield parts, world
        finally:
            os.environ.clear()
            os.environ.update(before)


def _set_environ(variables: dict[str, str]) -> None:
    """Leave nothing of the user's own AWS account in the environment."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TURNPIKE_", "STRIPE_"))]:
        del os.environ[name]
    path = os.pathsep.join([str(ROOT / "layers" / "core" / "python"), str(ROOT)])
    os.environ |= {**variables, "PYTHONPATH": path, "NO_PROXY": "127.0.0.1", "POWERTOOLS_METRICS_DISABLED": "true"}


def _settings(size: Size, folder: Path) -> Settings:
    """Create the tables and the queue, and say where they are."""
    # Not boto3's session, which would keep the credentials of an emulator that the same process had before.
    session = botocore.session.get_session()
    dynamodb = cast("DynamoDBClient", session.create_client("dynamodb"))
    sqs = cast("SQSClient", session.create_client("sqs"))
    ledger, keys = (create_table(dynamodb, table, f"turnpike-{STAGE}-{table.name}") for table in (LEDGER, KEYS))
    queue_url = create_queue(sqs, f"turnpike-{STAGE}-usage")
    # As short as everything else here.
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"VisibilityTimeout": str(size.visibility_s)})
    return Settings(
        ledger_table=ledger,
        keys_table=keys,
        usage_queue_url=queue_url,
        stage=STAGE,
        log_file=str(folder / LOG),
        principal_ttl_s=size.principal_ttl_s,
        hold_ttl_s=size.hold_ttl_s,
        lease_s=size.lease_s,
        allowance_tokens=128,
    )


async def _seed(parts: "Resources", world: World) -> World:
    from turnpike.domain.ids import AccountId
    from turnpike.domain.money import NanoUsd
    from turnpike.services.manage_keys import ManageKeys, NewKey

    for account in world.accounts:
        if account.credit:
            parts.ledger.top_up(AccountId(account.account_id), NanoUsd(account.credit), reference="seed", now_s=1)
    manage_keys = ManageKeys(parts.api_keys, parts.ledger)

    async def create(key: Key) -> tuple[str, str]:
        limit = None if key.limit is None else NanoUsd(key.limit)
        wanted = NewKey("chaos", limit=limit, limit_reset=key.limit_reset)  # type: ignore[arg-type]
        report, secret = await manage_keys.create(AccountId(key.account_id), wanted)
        return secret, report.key.hash

    return world.with_secrets([await create(key) for key in world.keys])
