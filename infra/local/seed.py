"""Gives the local run somebody to be: an account with credit, an API key and an operator's management key."""

import os
from dataclasses import dataclass

ACCOUNT = "acct-local"
CREDIT_USD = "10"


@dataclass(frozen=True, slots=True)
class Seeded:
    """`management_key` has operator rights."""

    account_id: str
    api_key: str
    management_key: str


def seed() -> Seeded:
    """Write to the storage that the environment names."""
    # Imported only now: the logger behind it reads the environment.
    from turnpike.bootstrap.seed import seed_account

    keys = seed_account(os.environ, account_id=ACCOUNT, credit_usd=CREDIT_USD)
    return Seeded(keys.account_id, keys.api_key, keys.management_key)
