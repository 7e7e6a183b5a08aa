"""Ids: prefixed, unguessable and sortable by the second they were made in."""

import secrets
import string
from typing import NewType

AccountId = NewType("AccountId", str)
KeyHash = NewType("KeyHash", str)
"""Lower-case hex SHA-256 of an API key: its public id."""
GenerationId = NewType("GenerationId", str)
"""`gen-<epoch seconds>-<20 characters>`; also the id of the generation's hold, and so its idempotency key."""

_ALPHABET = string.ascii_letters + string.digits


def new_generation_id(now_s: float) -> GenerationId:
    return GenerationId(f"gen-{int(now_s)}-{_random(20)}")


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
