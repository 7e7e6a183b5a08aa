"""Money as integers in nano-USD, and the two places where it becomes something else."""

from decimal import ROUND_CEILING, Context, Decimal
from typing import NewType

NanoUsd = NewType("NanoUsd", int)
"""One thousand-millionth of a US dollar. The scale is forever: stored amounts depend on it."""

NANO_PER_USD = 1_000_000_000
ZERO = NanoUsd(0)

_EXACT = Context(prec=100)


def parse_usd(text: str | float | Decimal) -> NanoUsd:
    """USD as people write it (`"10"`, `0.25`) to nano-USD.

    Raises ValueError for what is not a finite number, or is finer than a nano-dollar.
    """
    try:
        # str() first: Decimal(0.1) would carry the float's binary tail into the ledger.
        amount = Decimal(str(text)) * NANO_PER_USD
    except ArithmeticError as error:  # No number, or one beyond what Decimal can hold.
        raise ValueError(f"{text!r} is not an amount in USD") from error
    if not amount.is_finite() or amount != amount.to_integral_value():
        raise ValueError(f"{text!r} is not an amount in USD with at most nine decimals")
    return NanoUsd(int(amount))


def present_usd(amount: NanoUsd) -> float:
    """Nano-USD to the JSON number in USD that clients expect; exact to the nano-dollar up to $8 million."""
    return amount / NANO_PER_USD


def decimal_usd(amount: NanoUsd) -> str:
    """Nano-USD as USD in full, `0.000000150`, where there is no telling what a reader makes of a float."""
    return f"{Decimal(amount).scaleb(-9):.9f}"


def round_up(amount_usd: Decimal) -> NanoUsd:
    """Round a cost in USD up to whole nano-USD; done once, when a generation is priced."""
    # The default context would round to 28 digits before, and perhaps down.
    return NanoUsd(int(_EXACT.scaleb(amount_usd, 9).to_integral_value(rounding=ROUND_CEILING)))
