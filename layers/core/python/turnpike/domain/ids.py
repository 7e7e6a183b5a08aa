"""Ids: prefixed, unguessable and sortable by the second they were made in."""

import secrets
import string
from typing import NewType

AccountId = NewType("AccountId", str)
KeyHash = NewType("KeyHash", str)
"""Lower-case hex SHA-256 of an API key: its public id."""
GenerationId = NewType("GenerationId", str)
"""`gen-<epoch seconds>-<20 characters>`; also the id of the generation's hold, and so its idempotency key."""
LeaseId = NewType("LeaseId", str)
"""`lease-…` in the same way: of a hold that no single generation owns."""
HoldId = GenerationId | LeaseId

LEASE_PREFIX = "lease-"

_GENERATION_RANDOM = 20
_ALPHABET = string.ascii_letters + string.digits


def new_generation_id(now_s: float) -> GenerationId:
    return GenerationId(f"gen-{int(now_s)}-{_random(_GENERATION_RANDOM)}")


def time_of(generation_id: GenerationId) -> int | None:
    """When it was made, in epoch seconds; None of what is no such id."""
    return time_of_id(generation_id, "gen")


def new_id(prefix: str, now_s: float) -> str:
    """`<prefix>-<epoch seconds>-<20 characters>`."""
    return f"{prefix}-{int(now_s)}-{_random(_GENERATION_RANDOM)}"


def time_of_id(text: str, prefix: str) -> int | None:
    """When an id with that prefix was made; None of what is no such id."""
    found, _, rest = text.partition("-")
    seconds, _, random = rest.partition("-")
    if found != prefix or not (seconds.isascii() and seconds.isdigit()) or len(random) != _GENERATION_RANDOM:
        return None
    return int(seconds)


def new_lease_id(now_s: float) -> LeaseId:
    return LeaseId(f"{LEASE_PREFIX}{int(now_s)}-{_random(20)}")


def new_account_id(now_s: float) -> AccountId:
    return AccountId(f"acct-{int(now_s)}-{_random(12)}")


def _random(length: int) -> str:
    # One draw of the system's randomness for the whole id: this is on the request path.
    value = int.from_bytes(secrets.token_bytes(length))
    characters = []
    for _ in range(length):
        value, digit = divmod(value, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(characters)
