"""Two regions and one ledger: wherever its keys ask, an account's credit is spent once."""

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle, islice

import pytest

from infra.local.emulator import Emulator
from infra.local.provision import create_table
from turnpike.bootstrap.resources import Resources
from turnpike.domain.errors import InsufficientCredit
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.ledger import Hold
from turnpike.domain.money import NanoUsd
from turnpike.storage.schema import CATALOG, KEYS, LEDGER

from tests.aws_clients import client_of

HOME, AWAY = "eu-central-1", "us-west-2"
ACCOUNT = AccountId("acct-two-regions")
CREDIT, EACH = NanoUsd(20_000), NanoUsd(1_000)


@dataclass(frozen=True)
class Regions:
    """What functions of each are made of: the ledger is in one of them alone, replicas are in both."""

    home: Resources
    away: Resources


@pytest.fixture
def regions(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Regions:
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    suffix = secrets.token_hex(4)

    def resources(region: str, **variables: str) -> Resources:
        # Lambda says so in this variable.
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        tables = {f"TURNPIKE_{table.name.upper()}_TABLE": f"{table.name}-{suffix}" for table in (LEDGER, KEYS, CATALOG)}
        found = Resources({**tables, "TURNPIKE_USAGE_QUEUE_URL": "", **variables})
        # Made here, while that is the region.
        _ = found.dynamodb, found.home_dynamodb
        return found

    found = Regions(resources(HOME), resources(AWAY, TURNPIKE_HOME_REGION=HOME))
    home, away = (client_of(replace(aws, region=region), "dynamodb") for region in (HOME, AWAY))
    create_table(home, LEDGER, f"ledger-{suffix}")
    for each in (home, away):
        create_table(each, KEYS, f"keys-{suffix}")
    found.home.ledger.top_up(ACCOUNT, CREDIT, reference="test", now_s=1)
    return found


def hold(number: int) -> Hold:
    return Hold(GenerationId(f"gen-{number}"), ACCOUNT, KeyHash("k"), EACH, created_at_s=1, expires_at_s=2)


def take(parts: Resources, number: int) -> bool:
    try:
        parts.ledger.hold(hold(number))
    except InsufficientCredit:
        return False
    return True


def test_only_what_counts_money_is_asked_for_at_home(regions: Regions, aws: Emulator) -> None:
    assert regions.away.dynamodb.region == AWAY
    assert regions.away.home_dynamodb.region == HOME
    assert regions.away.kms.region == HOME
    assert regions.home.home_dynamodb is regions.home.dynamodb
    tables = client_of(replace(aws, region=AWAY), "dynamodb").list_tables()["TableNames"]
    assert regions.away.settings.keys_table in tables
    assert regions.away.settings.ledger_table not in tables


def test_every_region_sees_the_same_credit(regions: Regions) -> None:
    assert regions.away.ledger.get_balance(ACCOUNT) == regions.home.ledger.get_balance(ACCOUNT)
    assert take(regions.away, 1)
    assert regions.home.ledger.get_balance(ACCOUNT).held == EACH


def test_two_regions_cannot_spend_the_same_credit(regions: Regions) -> None:
    asked = 3 * CREDIT // EACH
    turns: Sequence[Resources] = list(islice(cycle((regions.home, regions.away)), asked))
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(take, turns, range(asked)))
    assert sum(taken) == CREDIT // EACH
    balance = regions.home.ledger.get_balance(ACCOUNT)
    assert (balance.available, balance.held) == (0, CREDIT)


def test_one_region_settles_what_the_other_held(regions: Regions) -> None:
    assert take(regions.away, 1)
    regions.home.ledger.void(ACCOUNT, GenerationId("gen-1"), 1, None)
    assert regions.away.ledger.get_balance(ACCOUNT).available == CREDIT
