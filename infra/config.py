"""What a stage is deployed with, read from `config.toml` and checked; errors say which line of it to change."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from turnpike.settings import Settings

CONFIG = Path(__file__).with_name("config.toml")

FUNCTIONS = ("completions", "catalog", "keys", "billing", "metering", "upkeep", "batches")
"""What is deployed, in the order in which it is told of."""

ALIAS = "live"
"""Of each function: everything that calls one calls this, and a deployment moves it."""

_BATCH_ENVIRONMENTS = 10
"""At once, each of which asks ten requests, where nothing bounds completions either."""

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""What CloudWatch Logs takes."""

_STAGE = re.compile(r"[a-z][a-z0-9]{0,15}")
"""Part of the names of everything, some of which may have 64 characters."""
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_HOST = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")
_DECIDED = frozenset(
    {
        *("ledger_table", "keys_table", "catalog_table", "health_table", "cache_table", "usage_queue_url"),
        *("byok_table", "byok_kms_key", "presets_table", "provider_secret", "payments_secret", "exports_bucket"),
        *("batches_table", "batches_bucket", "batches_queue_url"),
        *("home_region", "public_url", "stage", "log_file"),
    }
)
"""Settings that the stacks fill in."""


class ConfigError(ValueError):
    """`config.toml` cannot be deployed; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Domain:
    """`certificate_arns`: by region, each for `name`."""

    name: str
    hosted_zone_id: str
    hosted_zone_name: str
    certificate_arns: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageConfig:
    """One stage. What each member means stands beside it in `config.toml`."""

    stage: str
    regions: tuple[str, ...]
    log_retention_days: int
    throttle_rate_rps: int
    throttle_burst: int
    memory_mb: Mapping[str, int]
    reserved_concurrency: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    metering_concurrency: int = 10
    provisioned_concurrency: int = 0
    snapstart: bool = False
    canary: bool = True
    alarm_email: str = ""
    provider_spend_usd_per_hour: float = 50
    budget_usd_per_month: float = 0
    waf: bool = False
    waf_requests_per_5_minutes: int = 10_000
    byok: bool = False
    payments: bool = False
    batches: bool = False
    batch_concurrency: int = 0
    bedrock: bool = False
    domain: Domain | None = None
    settings: Mapping[str, str | int | float] = field(default_factory=lambda: MappingProxyType({}))
    is_emulated: bool = False

    @property
    def home_region(self) -> str:
        return self.regions[0]

    def functions(self, region: str) -> tuple[str, ...]:
        """What keeps the ledger and the catalog in order does so at home, once; batches are worked off there, too."""
        at_home = ("upkeep", "batches")
        left_out = {name for name in at_home if region != self.home_region}
        if not self.batches:
            left_out.add("batches")
        return tuple(name for name in FUNCTIONS if name not in left_out)

    @property
    def most_batch_environments(self) -> int:
        """Half of what completions may have, so that batches leave room at providers for those who wait."""
        completions = self.reserved_concurrency.get("completions", 2 * _BATCH_ENVIRONMENTS)
        return self.batch_concurrency or max(2, completions // 2)

    def stack_name(self, half: str, region: str) -> str:
        """`half` is data, api or operations."""
        name = f"turnpike-{self.stage}-{half}"
        return name if region == self.home_region else f"{name}-{region}"


def load_config(stage: str, path: Path = CONFIG) -> StageConfig:
    """Raises ConfigError."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse_config(stage, tables, str(path))


def parse_config(stage: str, tables: Mapping[str, Any], name: str = CONFIG.name) -> StageConfig:
    """`name` is what errors call the file. Raises ConfigError."""
    if not _STAGE.fullmatch(stage):
        raise ConfigError(
            f"STAGE={stage}: the name of a stage has up to 16 small letters and digits, and begins with a letter"
        )
    if unknown := sorted(tables.keys() - {"defaults", "stages"}):
        raise ConfigError(f"{name}: there is no [{unknown[0]}]; only [defaults] and [stages.<name>]")
    stages = tables.get("stages", {})
    if stage not in stages:
        known = ", ".join(sorted(stages)) or "none"
        raise ConfigError(f"{name}: there is no [stages.{stage}]. Add it, or choose another stage ({known})")
    return _Reader(name, stage, {**tables.get("defaults", {}), **stages[stage]}).read()


@dataclass(frozen=True, slots=True)
class _Reader:
    name: str
    stage: str
    values: Mapping[str, Any]

    def read(self) -> StageConfig:
        known = {each.name: each for each in fields(StageConfig) if each.name != "stage"}
        if unknown := sorted(self.values.keys() - known.keys()):
            raise self.error(unknown[0], f"is not known; known are {', '.join(known)}")
        regions = self.regions()
        config = StageConfig(
            stage=self.stage,
            regions=regions,
            log_retention_days=self.log_retention_days(),
            memory_mb=self.by_function("memory_mb", 128, 10_240),
            reserved_concurrency=self.by_function("reserved_concurrency", 0, 100_000),
            domain=self.domain(regions),
            settings=self.settings(),
            alarm_email=self.alarm_email(),
            throttle_rate_rps=self.number("throttle_rate_rps", 1, 100_000),
            throttle_burst=self.number("throttle_burst", 1, 100_000),
            metering_concurrency=self.number("metering_concurrency", 2, 1000),
            batch_concurrency=self.batch_concurrency(),
            provisioned_concurrency=self.number("provisioned_concurrency", 0, 100_000),
            waf_requests_per_5_minutes=self.number("waf_requests_per_5_minutes", 10, 2_000_000_000),
            provider_spend_usd_per_hour=self.amount("provider_spend_usd_per_hour"),
            budget_usd_per_month=self.amount("budget_usd_per_month"),
            **{flag: self.flag(flag) for flag, each in known.items() if each.type is bool},
        )
        self.check_together(config)
        return config

    def error(self, member: str, what: str) -> ConfigError:
        return ConfigError(f"{self.name}: `{member}` of stage {self.stage} {what}")

    def number(self, member: str, least: int, most: int) -> int:
        value = self.values.get(member, least)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(member, f"is {value!r}; it must be a whole number from {least} to {most}")
        return value

    def batch_concurrency(self) -> int:
        """0 for what follows from that of completions; Lambda takes no 1."""
        return self.number("batch_concurrency", 2, 1000) if self.values.get("batch_concurrency") else 0

    def amount(self, member: str) -> float:
        value = self.values.get(member, 0)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise self.error(member, f"is {value!r}; it must be an amount in USD")
        return float(value)

    def flag(self, member: str) -> bool:
        value = self.values.get(member, False)
        if not isinstance(value, bool):
            raise self.error(member, f"is {value!r}; it must be true or false")
        return value

    def table(self, member: str) -> Mapping[str, Any]:
        value = self.values.get(member, {})
        if not isinstance(value, dict):
            raise self.error(member, f"is {value!r}; it must be a table, as in {{ completions = 100 }}")
        return value

    def regions(self) -> tuple[str, ...]:
        value = self.values.get("regions")
        if not isinstance(value, list) or not value or len(set(value)) != len(value):
            raise self.error("regions", f'is {value!r}; it must list each region once, as in ["eu-central-1"]')
        for region in value:
            if not isinstance(region, str) or not _REGION.fullmatch(region):
                raise self.error("regions", f"names {region!r}, which is no region of AWS, as eu-central-1 is")
        return tuple(value)

    def log_retention_days(self) -> int:
        value = self.values.get("log_retention_days")
        if isinstance(value, bool) or value not in LOG_RETENTION_DAYS:
            choices = ", ".join(map(str, LOG_RETENTION_DAYS))
            raise self.error("log_retention_days", f"is {value!r}; CloudWatch takes {choices}")
        assert isinstance(value, int)  # noqa: S101  # So that its type is known.
        return value

    def alarm_email(self) -> str:
        value = self.values.get("alarm_email", "")
        if not isinstance(value, str) or (value and not _EMAIL.fullmatch(value)):
            raise self.error("alarm_email", f'is {value!r}; it must be an e-mail address, or "" for nobody')
        return value

    def by_function(self, member: str, least: int, most: int) -> Mapping[str, int]:
        table = self.table(member)
        for function, value in table.items():
            if function not in FUNCTIONS:
                raise self.error(member, f"names {function}; there are the functions {', '.join(FUNCTIONS)}")
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise self.error(member, f"has {function} = {value!r}; it must be from {least} to {most}")
        return table

    def domain(self, regions: Sequence[str]) -> Domain | None:
        if "domain" not in self.values:
            return None
        table = self.table("domain")
        members = [each.name for each in fields(Domain)]
        if set(table) != set(members):
            raise self.error("domain", f"must have {', '.join(members)}, and nothing else")
        domain = Domain(**table)
        if not _HOST.fullmatch(domain.name) or not domain.name.endswith(f".{domain.hosted_zone_name}"):
            raise self.error("domain", f"has the name {domain.name!r}; it must lie below its hosted_zone_name")
        for region in regions:
            if not domain.certificate_arns.get(region, "").startswith(f"arn:aws:acm:{region}:"):
                raise self.error("domain", f"needs certificate_arns.{region}, a certificate of that region")
        return domain

    def settings(self) -> Mapping[str, str | int | float]:
        table = self.table("settings")
        kinds = {each.name: each.type for each in fields(Settings)}
        for setting, value in table.items():
            if setting in _DECIDED or setting not in kinds:
                choices = ", ".join(sorted(kinds.keys() - _DECIDED))
                raise self.error("settings", f"has {setting}, which cannot be set here; {choices} can")
            kind = kinds[setting]
            if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):  # type: ignore[arg-type]
                raise self.error("settings", f"has {setting} = {value!r}; it must be of type {kind.__name__}")  # type: ignore[union-attr]
        return table

    def check_together(self, config: StageConfig) -> None:
        if missing := [name for name in FUNCTIONS if name not in config.memory_mb]:
            raise self.error("memory_mb", f"does not say how much {missing[0]} has")
        if config.snapstart and config.provisioned_concurrency:
            raise self.error("snapstart", "cannot be had together with provisioned_concurrency")
        if config.budget_usd_per_month and not config.alarm_email:
            raise self.error("budget_usd_per_month", "needs alarm_email, whom it tells")
        if config.is_emulated and (config.canary or config.waf or config.domain or len(config.regions) > 1):
            raise self.error("is_emulated", "allows neither canary, waf, domain nor a second region")
