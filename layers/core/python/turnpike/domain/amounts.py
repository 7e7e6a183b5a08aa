"""Amounts of money that clients name: limits on keys, and credit to add."""

from turnpike.domain.errors import InvalidRequest
from turnpike.domain.money import NANO_PER_USD, ZERO, NanoUsd, parse_usd

_MOST = NanoUsd(1_000_000_000 * NANO_PER_USD)
"""A billion dollars: far above any real amount, far below what the ledger's numbers can hold."""


def parse_limit(usd: float, *, field: str) -> NanoUsd:
    """Zero is a limit too: such a key can only use what is free. Raises InvalidRequest."""
    return _parse(usd, field)


def parse_credit(usd: float, *, field: str) -> NanoUsd:
    """Raises InvalidRequest."""
    amount = _parse(usd, field)
    if amount == ZERO:
        raise InvalidRequest("must be above zero", field=field)
    return amount


def parse_change(usd: float, *, field: str) -> NanoUsd:
    """Below zero it takes credit away. Raises InvalidRequest."""
    return NanoUsd(-parse_credit(-usd, field=field)) if usd < 0 else parse_credit(usd, field=field)


def _parse(usd: float, field: str) -> NanoUsd:
    try:
        amount = parse_usd(usd)
    except ValueError:
        raise InvalidRequest("must be an amount in USD with at most nine decimals", field=field) from None
    if amount < 0:
        raise InvalidRequest("must not be negative", field=field)
    if amount > _MOST:
        raise InvalidRequest("must be at most a billion USD", field=field)
    return amount
