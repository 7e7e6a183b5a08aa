"""The world of a chaos run, made from its seed alone: accounts, keys, models, and how long things last in it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, Literal

from turnpike.domain.catalog import Catalog
from turnpike.domain.pricing import parse_pricing

from tests.scenario import catalog, endpoint

Wealth = Literal["nothing", "tiny", "modest", "plenty"]

_NANO = 1_000_000_000
_CREDIT: Mapping[Wealth, tuple[int, int]] = {
    "nothing": (0, 0),
    "tiny": (100_000, 2_000_000),
    "modest": (5_000_000, 300_000_000),
    "plenty": (100 * _NANO, 100 * _NANO),
}
"""In nano-USD; a request costs some 300,000. Whoever has plenty cannot spend it within a run."""
_WEALTH: Sequence[Wealth] = (
    *("nothing", "tiny", "modest", "plenty", "plenty"),
    *("modest", "plenty", "plenty", "modest", "plenty"),
)
"""Of ten accounts."""
_SHARE: Mapping[Wealth, float] = {"nothing": 0.3, "tiny": 0.5, "modest": 1.0, "plenty": 1.5}
"""Whoever can pay asks more, so that most requests are answered."""
_LIMITS = ((50_000, 500_000), (1_000_000, 20_000_000), (20_000_000, 500_000_000), (20 * _NANO, 20 * _NANO))
_LONG_PROMPT = 200
"""Tokens, above which one of the models costs more."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. Times are in seconds, and short: what takes hours elsewhere must happen in one run."""

    requests: int
    accounts: int = 50
    keys: int = 100
    request_workers: int = 8
    at_once_each: int = 4
    metering_workers: int = 12
    upkeep_workers: int = 2
    requests_per_kill: int = 150
    operator_acts: int = 400
    hold_ttl_s: int = 30
    lease_s: int = 6
    visibility_s: int = 4
    principal_ttl_s: float = 8.0
    skew_s: float = 4.0
    """How wrong a process's clock may be, either way."""
    longest_delay_s: int = 45
    trouble: float = 0.0015
    """Of calls of AWS, those with which a worse time begins."""
    within_s: float = 2400.0
    """A run that takes longer has failed."""

    @property
    def at_once(self) -> int:
        return self.request_workers * self.at_once_each


def full(requests: int) -> Size:
    return Size(requests, operator_acts=max(100, requests // 50))


SMALL = Size(
    requests=500,
    request_workers=4,
    at_once_each=8,
    metering_workers=6,
    requests_per_kill=40,
    operator_acts=100,
    hold_ttl_s=6,
    lease_s=2,
    visibility_s=2,
    principal_ttl_s=2.0,
    skew_s=1.5,
    longest_delay_s=9,
    trouble=0.006,
    within_s=300.0,
)


@dataclass(frozen=True, slots=True)
class Account:
    account_id: str
    wealth: Wealth
    credit: int
    may_owe: bool = False
    """Whether payments of it are taken back."""


@dataclass(frozen=True, slots=True)
class Key:
    account_id: str
    limit: int | None
    limit_reset: str | None
    changes: bool
    """Whether the operator changes its limit while it is used."""
    share: float
    """How much of all requests it makes, beside the others."""
    secret: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """In nano-USD per token, and per request; fractions, as price lists have them."""

    prompt: Fraction
    completion: Fraction
    request: int = 0
    above_long_prompt: int = 1
    """By what a token costs more in a long prompt, and in its answer."""

    def cost(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Rounded up once. Worked out in fractions here, and by nothing of what is tested."""
        factor = self.above_long_prompt if prompt_tokens > _LONG_PROMPT else 1
        exact = factor * (self.prompt * prompt_tokens + self.completion * completion_tokens) + self.request
        return -(-exact.numerator // exact.denominator)

    def as_pricing(self) -> Mapping[str, Any]:
        def usd(nano: Fraction | int) -> str:
            return f"{float(nano) / _NANO:.14f}"

        prices: dict[str, Any] = {
            "prompt": usd(self.prompt),
            "completion": usd(self.completion),
            "request": usd(self.request),
        }
        if self.above_long_prompt > 1:
            dearer = {part: usd(self.above_long_prompt * getattr(self, part)) for part in ("prompt", "completion")}
            prices["overrides"] = [{"min_prompt_tokens": _LONG_PROMPT, **dearer}]
        return prices


def _price(prompt: str, completion: str, **more: int) -> Price:
    return Price(Fraction(prompt), Fraction(completion), **more)


PRICES: Mapping[tuple[str, str], Price] = {
    ("acme/chat", "one"): _price("300", "1200"),
    ("acme/chat", "two"): _price("250", "1000"),
    ("acme/odd", "one"): _price("37.5", "150.25"),
    ("acme/odd", "three"): _price("33.3", "133.7"),
    ("acme/dear", "two"): _price("5000", "25000", request=100_000),
    ("acme/long", "one"): _price("400", "1600", above_long_prompt=2),
    ("acme/long", "three"): _price("500", "1500"),
    ("acme/gift", "three"): _price("0", "0"),
}
"""By model and provider."""

MODELS = {"acme/chat": 50, "acme/odd": 20, "acme/dear": 8, "acme/long": 15, "acme/gift": 7}
"""How often each is asked, in a hundred requests."""


def build_catalog() -> Catalog:
    return catalog(
        *(
            endpoint(provider, model, pricing=parse_pricing(price.as_pricing()))
            for (model, provider), price in PRICES.items()
        )
    )


@dataclass(frozen=True, slots=True)
class World:
    seed: int
    size: Size
    accounts: Sequence[Account]
    keys: Sequence[Key]

    @property
    def shares(self) -> Sequence[float]:
        return [key.share for key in self.keys]

    def random(self, *of: object) -> Random:
        """The same for the same things, whoever asks and in whatever order."""
        return Random(":".join(map(str, (self.seed, *of))))

    def with_secrets(self, secrets: Sequence[tuple[str, str]]) -> "World":
        """`secrets`: of each key, and its hash."""
        keys = [
            replace(key, secret=secret, hash=hash_) for key, (secret, hash_) in zip(self.keys, secrets, strict=True)
        ]
        return replace(self, keys=keys)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def load_world(path: Path) -> World:
    content = json.loads(path.read_text(encoding="utf-8"))
    return World(
        content["seed"],
        Size(**content["size"]),
        [Account(**account) for account in content["accounts"]],
        [Key(**key) for key in content["keys"]],
    )


def new_world(seed: int, size: Size) -> World:
    random = Random(seed)
    accounts = [_account(random, number) for number in range(size.accounts)]
    # The first are asked for most, as it is everywhere: the hottest for a tenth of all.
    popularity = [1 / (rank + 2) for rank in range(size.keys)]
    random.shuffle(popularity)
    keys = [_key(random, accounts[number % size.accounts], number, share) for number, share in enumerate(popularity)]
    return World(seed, size, accounts, keys)


def _account(random: Random, number: int) -> Account:
    wealth = _WEALTH[number % len(_WEALTH)]
    return Account(f"acct-chaos-{number}", wealth, random.randint(*_CREDIT[wealth]), may_owe=number % 10 == 8)


def _key(random: Random, account: Account, number: int, popularity: float) -> Key:
    share = popularity * _SHARE[account.wealth]
    changes = number % 7 == 0
    if number % 2 == 0:
        return Key(account.account_id, None, None, changes, share)
    limit = random.randint(*random.choice(_LIMITS))
    reset = random.choice([None, "daily", "weekly", "monthly"])
    return Key(account.account_id, limit, reset, changes, share if limit > _LIMITS[1][1] else share / 2)
