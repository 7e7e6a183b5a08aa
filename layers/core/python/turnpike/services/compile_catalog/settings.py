"""What is known besides the open data: the providers that are served, and the names that models go by."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from turnpike.domain.catalog_tables import Row
from turnpike.domain.pricing import DAYS, MOST_PER_CALL
from turnpike.domain.searches import OPTIONS

_FORMS = ("plain", "path", "fireworks", "bedrock", "vertex")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a provider says of the prompts that its API gets; None where it is not known."""

    training: bool | None = None
    retention_days: int | None = None
    source: str | None = None

    @property
    def collects_data(self) -> bool:
        """Whether prompts may be trained on, or kept longer than abuse is looked for; unknown means yes."""
        return self.training is not False or self.retention_days is None or self.retention_days > 30

    @property
    def zdr(self) -> bool:
        return self.training is False and self.retention_days == 0


@dataclass(frozen=True, slots=True)
class ProviderSource:
    """Where a provider's endpoints come from; the fields are explained at the top of `sources.toml`."""

    slug: str
    wire: str
    models_dev: tuple[str, ...]
    genai_prices: str | None = None
    ids: str = "plain"
    author: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    wires: tuple[tuple[re.Pattern[str], str], ...] = ()
    parameters: frozenset[str] = frozenset()
    takes: tuple[tuple[re.Pattern[str], str], ...] = ()
    searches: tuple[tuple[re.Pattern[str], Decimal], ...] = ()
    refuses: frozenset[str] = frozenset()
    variants: tuple[tuple[str, str], ...] = ()
    hours_on: tuple[str, ...] = ()
    policy: Policy = Policy()
    policy_except: tuple[re.Pattern[str], ...] = ()

    def wire_of(self, upstream_model: str) -> str | None:
        """The wire format of a model that speaks another than its provider's other models."""
        return next((wire for pattern, wire in self.wires if pattern.fullmatch(upstream_model)), None)

    def taken_by(self, upstream_model: str) -> frozenset[str]:
        """Parameters that this one of its models takes besides."""
        return frozenset(parameter for pattern, parameter in self.takes if pattern.fullmatch(upstream_model))

    def price_of_search(self, upstream_model: str) -> Decimal | None:
        """In USD, of a model that searches, by the provider's own page: where the price lists do not know it."""
        if OPTIONS not in self.parameters | self.taken_by(upstream_model):
            return None
        return next((price for pattern, price in self.searches if pattern.fullmatch(upstream_model)), None)

    def policy_of(self, upstream_model: str) -> Policy:
        excepted = any(pattern.fullmatch(upstream_model) for pattern in self.policy_except)
        return Policy() if excepted else self.policy


@dataclass(frozen=True, slots=True)
class Names:
    authors: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)
    routers: frozenset[str] = frozenset()
    tokenizers: tuple[tuple[re.Pattern[str], str], ...] = ()

    def tokenizer_of(self, slug: str) -> str:
        return next((name for pattern, name in self.tokenizers if pattern.search(slug)), "Other")

    def title_of(self, author: str) -> str:
        return self.titles.get(author) or author.replace("-", " ").title()


@dataclass(frozen=True, slots=True)
class Settings:
    providers: Mapping[str, Row]
    """By slug, as a catalog file declares them."""
    sources: tuple[ProviderSource, ...]
    names: Names


def parse_settings(providers: Row, sources: Row, names: Row) -> Settings:
    """From `providers.toml` (or any catalog file), `sources.toml` and `names.toml`. Raises CatalogFileError."""
    declared = dict(providers.table("providers").tables())
    rows = dict(sources.table("sources").tables())
    for slug, row in rows.items():
        if slug not in declared:
            raise row.error(None, f"is the source of {slug}, which is no provider")
    found = tuple(_source(slug, row, declared[slug]) for slug, row in rows.items())
    return Settings(declared, found, _names(names))


def _source(slug: str, row: Row, provider: Row) -> ProviderSource:
    source = ProviderSource(
        slug=slug,
        wire=provider.text("wire"),
        models_dev=row.texts("models_dev"),
        genai_prices=row.text_or_none("genai_prices"),
        ids=row.text("ids", "plain"),
        author=row.text_or_none("author"),
        names=_plain_texts(row.table("names")),
        wires=_patterns(row, "wires", re.compile),
        parameters=frozenset(row.texts("parameters")),
        takes=_patterns(row, "takes", re.compile),
        searches=_searches(row),
        refuses=frozenset(row.texts("refuses")),
        variants=row.pairs("variants"),
        hours_on=row.texts("hours_on"),
        policy=_policy(row.table("policy")),
        policy_except=tuple(_compiled(row, "policy_except", text, re.compile) for text in row.texts("policy_except")),
    )
    if source.ids not in _FORMS:
        raise row.error("ids", f"is none of {', '.join(_FORMS)}")
    if unknown := [day for day in source.hours_on if day not in DAYS]:
        raise row.error("hours_on", f"holds {unknown[0]!r}, which is none of {', '.join(DAYS)}")
    row.refuse_unknown()
    return source


def _searches(row: Row) -> tuple[tuple[re.Pattern[str], Decimal], ...]:
    found = []
    for pattern, text in _patterns(row, "searches", re.compile):
        try:
            price = Decimal(text)
        except InvalidOperation:
            price = Decimal(0)
        if not price.is_finite() or not 0 < price <= MOST_PER_CALL:
            raise row.error("searches", f"holds {text!r}, which is no price of a search")
        found.append((pattern, price))
    return tuple(found)


def _policy(row: Row) -> Policy:
    policy = Policy(row.flag_or_none("training"), row.whole_or_none("retention_days"), row.text_or_none("source"))
    if row.values and policy.source is None:
        raise row.error("source", "is missing: what is said of prompts needs a page that says it")
    row.refuse_unknown()
    return policy


def _names(file: Row) -> Names:
    patterns = file.table("tokenizers")
    names = Names(
        authors=_plain_texts(file.table("authors")),
        titles=_plain_texts(file.table("titles")),
        same=_plain_texts(file.table("same")),
        routers=frozenset(file.table("routers").texts("slugs")),
        tokenizers=_patterns(patterns, "patterns", re.compile),
    )
    file.refuse_unknown()
    return names


def _plain_texts(row: Row) -> Mapping[str, str]:
    """A table of texts, which may be empty."""
    found = {}
    for key, value in row.values.items():
        if not isinstance(value, str):
            raise row.error(key, "is not a text")
        found[key] = value
    return found


_Compile = Callable[[str], re.Pattern[str]]


def _patterns(row: Row, key: str, compile_: _Compile) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_compiled(row, key, pattern, compile_), name) for pattern, name in row.pairs(key))


def _compiled(row: Row, key: str, pattern: str, compile_: _Compile) -> re.Pattern[str]:
    try:
        return compile_(pattern)
    except re.error as error:
        raise row.error(key, f"holds {pattern!r}, which is no pattern: {error}") from error
