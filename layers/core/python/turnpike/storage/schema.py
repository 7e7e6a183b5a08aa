"""The tables, declared once: CDK creates them in the cloud, the local run on the emulator."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    type: Literal["S", "N"] = "S"


@dataclass(frozen=True, slots=True)
class Index:
    name: str
    partition_key: Attribute
    sort_key: Attribute | None = None
    projection: Literal["ALL", "KEYS_ONLY"] = "ALL"


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    """The logical name; a stage's own name is `turnpike-<stage>-<name>`."""
    partition_key: Attribute
    sort_key: Attribute | None = None
    indexes: tuple[Index, ...] = ()
    ttl_attribute: str | None = None
    is_durable: bool = True
    """Whether it outlives its stack and is backed up; the others hold what comes back by itself."""


HOLDS_BY_EXPIRY = Index("holds_by_expiry", Attribute("open_shard"), Attribute("expires_at", "N"), "KEYS_ONLY")
"""Sparse: only pending holds carry `open_shard`, so upkeep reads what is due and nothing else. With their keys alone,
since whatever else it held would be written again with every extension and every capture from a lease."""

KEYS_BY_ACCOUNT = Index("keys_by_account", Attribute("account_id"), Attribute("created_at", "N"))

LEDGER = Table("ledger", Attribute("pk"), Attribute("sk"), (HOLDS_BY_EXPIRY,), ttl_attribute="ttl")
"""Everything that counts money: an account's balance, holds, entries, generations and its keys' spending."""

KEYS = Table("keys", Attribute("pk"), indexes=(KEYS_BY_ACCOUNT,))
"""API keys, read by every region; apart from the ledger, whose items live in their account's home region."""

BYOK = Table("byok", Attribute("pk"), Attribute("sk"), ttl_attribute="ttl")
"""Customers' own keys for providers, by account, their secrets sealed: read by whatever calls providers. Apart from the
API keys, which every function reads."""

PRESETS = Table("presets", Attribute("pk"), Attribute("sk"))
"""Accounts' presets and their versions: what customers wrote, hence apart from what other functions have to read."""

CATALOG = Table("catalog", Attribute("pk"), Attribute("sk"))
"""The refreshed catalog, and the operator's word on it: read by whatever serves models, written by upkeep."""

HEALTH = Table("health", Attribute("pk"), Attribute("sk"), ttl_attribute="ttl", is_durable=False)
"""What became of attempts. Each region has its own, and nothing is lost with it that a day does not bring back."""

CACHE = Table("cache", Attribute("pk"), ttl_attribute="ttl", is_durable=False)
"""Answers that clients asked to be cached: theirs, hence in no backup, and nothing is lost with them."""

OPEN_BATCHES = Index("open_batches", Attribute("open"), Attribute("expires_at", "N"), "KEYS_ONLY")
"""Sparse: only batches that are not over carry `open`, so upkeep reads those whose day is over and nothing else."""

BATCHES = Table("batches", Attribute("pk"), Attribute("sk"), (OPEN_BATCHES,), ttl_attribute="ttl")
"""Batches and their chunks, without what is asked and answered: that is in files."""

TABLES = (LEDGER, KEYS, BYOK, PRESETS, CATALOG, HEALTH, CACHE, BATCHES)
