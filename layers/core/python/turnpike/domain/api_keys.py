"""API keys: the secret, its public hash and label, and whom it speaks for."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from turnpike.domain.ids import AccountId, KeyHash
from turnpike.domain.money import ZERO, NanoUsd

KeyRole = Literal["inference", "management", "operator"]
"""Inference keys ask models; management keys administer their account's keys and read its credit;
operator keys can also grant credit to any account. Only the last two are refused by models."""

LimitReset = Literal["daily", "weekly", "monthly"]

_HASH_LENGTH = 64
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key; the secret itself is never kept. Times are epoch seconds."""

    hash: KeyHash
    account_id: AccountId
    name: str
    label: str
    role: KeyRole = "inference"
    limit: NanoUsd | None = None
    limit_reset: LimitReset | None = None
    include_byok_in_limit: bool = False
    disabled: bool = False
    created_at_s: int = 0
    updated_at_s: int | None = None
    expires_at_s: int | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """In all, and in the current UTC day, week and month."""

    total: NanoUsd = ZERO
    daily: NanoUsd = ZERO
    weekly: NanoUsd = ZERO
    monthly: NanoUsd = ZERO

    def within(self, reset: LimitReset | None) -> NanoUsd:
        """Of the window that a limit with this reset counts in now."""
        amount: NanoUsd = getattr(self, reset or "total")
        return amount


@dataclass(frozen=True, slots=True)
class KeySpend:
    """What a key has spent: `credit` on captured generations, `byok` at its customer's own provider accounts.

    `limit_used` counts what is refused by: spending and open holds in the limit's current window.
    """

    credit: Spending = Spending()
    byok: Spending = Spending()
    limit_used: NanoUsd = ZERO
    last_used_at_s: int | None = None
    """When the last generation that cost anything was settled."""

    def in_window_of(self, key: ApiKey) -> NanoUsd:
        """What was spent of the key's limit in its current window, and not what is only held."""
        spent = self.credit.within(key.limit_reset)
        return NanoUsd(spent + self.byok.within(key.limit_reset)) if key.include_byok_in_limit else spent


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: an account, through one of its keys."""

    account_id: AccountId
    key: ApiKey


def new_secret() -> str:
    """A key as clients know it: `sk-or-v1-` and 64 hexadecimal characters (256 random bits)."""
    return f"sk-or-v1-{secrets.token_hex(32)}"


def hash_secret(secret: str) -> KeyHash:
    """SHA-256 suffices for secrets of 256 random bits: there is no dictionary to try."""
    return KeyHash(hashlib.sha256(secret.encode()).hexdigest())


def is_key_hash(text: str) -> bool:
    """Whether it could be the hash of a key, of whoever's."""
    return len(text) == _HASH_LENGTH and set(text) <= _HEX


def label_of(secret: str) -> str:
    """What a list may show of a secret: `sk-or-v1-abc...123`."""
    return f"{secret[:12]}...{secret[-3:]}"
