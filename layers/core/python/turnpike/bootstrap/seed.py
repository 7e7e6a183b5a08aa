"""A first account with keys and credit, for a fresh deployment and for the local run."""

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from turnpike.bootstrap.resources import Resources
from turnpike.domain.api_keys import KeyRole
from turnpike.domain.ids import AccountId
from turnpike.domain.money import parse_usd
from turnpike.services.grant_credit import GrantCredit
from turnpike.services.manage_keys import ManageKeys, NewKey


@dataclass(frozen=True, slots=True)
class SeededKeys:
    """The only copy of two secrets; `management_key` is the operator's, which also grants credit."""

    account_id: str
    api_key: str
    management_key: str


def seed_account(environ: Mapping[str, str], *, account_id: str, credit_usd: int | float | str) -> SeededKeys:
    """Makes new keys each time, and credits the account once, however often it is called.

    Raises Conflict when it was called before with another credit.
    """
    parts = Resources(environ)

    async def seed() -> SeededKeys:
        account = AccountId(account_id)
        await GrantCredit(parts.ledger)(account, parse_usd(credit_usd), idempotency_key="seed")
        return SeededKeys(
            account_id,
            await _create_key(parts, account, "First key", "inference"),
            await _create_key(parts, account, "Operator", "operator"),
        )

    return anyio.run(seed)


@dataclass(frozen=True, slots=True)
class OperatorKeys:
    """The only copy of three secrets."""

    account_id: str
    api_key: str
    management_key: str
    operator_key: str


class AlreadySeeded(Exception):
    """The account has an operator key; the message is its label."""


def seed_operator(
    environ: Mapping[str, str], *, account_id: str, credit_usd: int | float | str, again: bool
) -> OperatorKeys:
    """The account that a deployment begins with. The credit is granted once, and so are keys, unless `again`.

    Raises AlreadySeeded; Conflict when it was called before with another credit.
    """
    parts = Resources(environ)
    account = AccountId(account_id)
    operators = [key.label for key in parts.api_keys.list_for(account) if key.role == "operator" and not key.disabled]
    if operators and not again:
        raise AlreadySeeded(operators[0])

    async def seed() -> OperatorKeys:
        if not operators:
            await GrantCredit(parts.ledger)(account, parse_usd(credit_usd), idempotency_key="first-account")
        return OperatorKeys(
            account_id,
            await _create_key(parts, account, "First key", "inference"),
            await _create_key(parts, account, "Management", "management"),
            await _create_key(parts, account, "Operator", "operator"),
        )

    return anyio.run(seed)


async def _create_key(parts: Resources, account_id: AccountId, name: str, role: KeyRole) -> str:
    manage_keys = ManageKeys(parts.api_keys, parts.ledger)
    _, secret = await manage_keys.create(account_id, NewKey(name, role))
    return secret
