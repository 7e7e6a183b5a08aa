"""Which canonical model a provider's own id means. Rules, of which each must leave exactly one model; never a guess.

Names are compared as runs of letters and digits, so that `Claude-Haiku-4-5`, `claude-haiku-4.5` and
`claude_haiku4.5` are the same, and `gpt-4.1` is not `gpt-41`. The rules, from the surest on:

1. a name that `sources.toml` gives to this very id;
2. the same name and the same author, whatever the spelling of either (`names.toml`);
3. a name for the same weights in `names.toml`;
4. both without what names the endpoint (`-fp8`, `-turbo`);
5. both without a date, `-latest`, `-preview`, `-001`, or with and without `-instruct` and `-it`, where no other model
   of the author differs in just that.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from turnpike.services.compile_catalog.settings import Names, ProviderSource

_TOKENS = re.compile(r"[a-z]+|\d+")
# Fireworks writes 4p5 for 4.5.
_POINT = re.compile(r"(?<=\d)p(?=\d)")
_FIREWORKS = re.compile(r"accounts/[^/]+/(models|routers)/(.+)")
# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
_BEDROCK = re.compile(r"(?:(global|us|eu|apac|au|jp|ca|in|us-gov)\.)?([a-z0-9]+)\.(.+)")
_BEDROCK_REVISION = re.compile(r"(-v?\d+)?:\d+$|-v\d+$")
_VERTEX = re.compile(r"(.+?)(?:@(default|latest|\d{8}))?")
_DATE = re.compile(r"[-@.](20\d{2}-?[01]\d-?[0-3]\d|[01]\d-20\d{2})$")
_QUANTIZATIONS = ("fp4", "nvfp4", "mxfp4", "fp6", "fp8", "mxfp8", "int4", "int8", "bf16", "fp16", "awq")
_BEDROCK_CHOICE = ("global", "us", None)
"""Profiles by how many places they can be called from; where a model has one, its plain id may not be callable."""


@dataclass(frozen=True, slots=True)
class Joined:
    slug: str
    rank: int
    """The number of the rule, the surest being the lowest."""
    quantization: str = "unknown"
    variant: str | None = None
    """What sets the endpoint apart from the provider's plain one of the same model: `turbo`, `fast`."""
    region: str | None = None

    @property
    def is_loose(self) -> bool:
        """Whether the name had to lose a date, `-latest` or `-preview`, which may have made it another model's."""
        return self.rank % 10 in (5, 6)


@dataclass(frozen=True, slots=True)
class Unmatched:
    reason: str


@dataclass(frozen=True, slots=True)
class _Reading:
    """A provider's id, taken apart. An unknown author is None; each of the names may be the model's."""

    author: str | None
    names: tuple[str, ...]
    region: str | None = None


class Joiner:
    """All canonical slugs by their name; built once for a catalog."""

    def __init__(self, slugs: Iterable[str], names: Names) -> None:
        self._names = names
        self._slugs: dict[tuple[str | None, str], list[str]] = {}
        self._by_author: dict[str, list[tuple[str, str]]] = {}
        for slug in sorted(slugs):
            # `:free` and its like are OpenRouter's own endpoints, which nobody else has.
            if ":" in slug:
                continue
            author, _, name = slug.partition("/")
            key = spelling(name)
            self._slugs.setdefault((author, key), []).append(slug)
            self._slugs.setdefault((None, key), []).append(slug)
            self._by_author.setdefault(author, []).append((key, slug))
        self._same: dict[tuple[str | None, str], str] = {}
        for alias, slug in names.same.items():
            author, _, name = alias.partition("/")
            self._same[author, spelling(name)] = slug
            # What weights are called does not depend on who is asked, so an id without an author finds them too.
            self._same.setdefault((None, spelling(name)), slug)

    def join(self, id_: str, source: ProviderSource) -> Joined | Unmatched:
        """Raises nothing: what cannot be joined is told in plain words."""
        if id_ in source.names:
            return self._by_table(id_, source)
        reading = self._read(id_, source)
        if isinstance(reading, Unmatched):
            return reading
        ambiguous: Unmatched | None = None
        for rank, name, quantization, variant in _forms(reading.names, source.variants):
            found = self._find(reading.author, name)
            rule, slugs = next(((rule, slugs) for rule, slugs in found if slugs), (0, []))
            if len(slugs) == 1:
                return Joined(slugs[0], rank + rule, quantization, variant, reading.region)
            if slugs:
                ambiguous = ambiguous or Unmatched(f"could be any of {', '.join(slugs[:4])}")
        return ambiguous or Unmatched("no canonical model has this name")

    def _by_table(self, id_: str, source: ProviderSource) -> Joined | Unmatched:
        slug = source.names[id_]
        if not slug:
            return Unmatched("its name moves from model to model")
        if [slug] != self._slugs.get((slug.partition("/")[0], spelling(slug.partition("/")[2]))):
            return Unmatched(f"sources.toml means {slug}, which is no canonical model")
        return Joined(slug, 1)

    def _read(self, id_: str, source: ProviderSource) -> _Reading | Unmatched:
        name, author = id_, source.author
        if source.ids == "fireworks":
            match = _FIREWORKS.fullmatch(id_)
            if match is None or match[1] == "routers":
                return Unmatched("it is a router of the provider's own" if match else "its id has another form")
            name, author = _POINT.sub(".", match[2]), None
        elif source.ids == "bedrock":
            match = _BEDROCK.fullmatch(id_)
            if match is None:
                return Unmatched("its id has another form")
            if match[1] not in _BEDROCK_CHOICE:
                return Unmatched(f"it can be called from {match[1]} alone")
            return _Reading(self._author(match[2]), _without_revision(match[3]), match[1])
        elif source.ids == "vertex":
            name, author = _vertex(id_, author)
        if "/" in name:
            organisation, _, name = name.rpartition("/")
            author = self._author(organisation)
        return _Reading(author, (name.lower(),))

    def _author(self, organisation: str) -> str | None:
        plain = "".join(_TOKENS.findall(organisation.lower()))
        return self._names.authors.get(plain, organisation.lower()) or None

    def _find(self, author: str | None, name: str) -> Iterator[tuple[int, list[str]]]:
        """(rule, slugs that it leaves), from the surest on."""
        yield from self._exactly(author, name)
        yield from self._without(author, name)

    def _exactly(self, author: str | None, name: str) -> Iterator[tuple[int, list[str]]]:
        for who, what in self._spellings(author, name):
            key = spelling(what)
            if slugs := self._slugs.get((who, key)):
                yield 2, slugs
            elif same := self._same.get((who, key)):
                yield 3, [same] if self._is_canonical(same) else []

    def _is_canonical(self, slug: str) -> bool:
        author, _, name = slug.partition("/")
        return slug in self._slugs.get((author, spelling(name)), ())

    def _spellings(self, author: str | None, name: str) -> Iterator[tuple[str | None, str]]:
        """The name as it is, with its author's name before it, and without."""
        yield author, name
        parts = name.replace("_", "-").split("-")
        for length in (1, 2):
            who = self._names.authors.get("".join(_TOKENS.findall("".join(parts[:length]))), None)
            who = who or ("-".join(parts[:length]) if "-".join(parts[:length]) in self._by_author else None)
            if who and len(parts) > length and author in (None, who):
                yield who, "-".join(parts[length:])
        if author:
            yield author, f"{author}-{name}"

    def _without(self, author: str | None, name: str) -> Iterator[tuple[int, list[str]]]:
        """Names that differ in what may be left out, each with the models that it could also mean."""
        for rule, other, rivals in _loosened(name):
            for _, slugs in self._exactly(author, other):
                if len(slugs) != 1:
                    yield rule, slugs
                    continue
                also = self._rivals(slugs[0], rivals)
                yield rule, [slugs[0], *also]

    def _rivals(self, slug: str, suffix: re.Pattern[str]) -> list[str]:
        """Models of the same author whose name is this one's and such a suffix."""
        author, _, name = slug.partition("/")
        stem = f"{spelling(_stem(name))}-"
        return [
            other
            for key, other in self._by_author.get(author, ())
            if other != slug and key.startswith(stem) and suffix.fullmatch(key[len(stem) :])
        ]


def spelling(name: str) -> str:
    """What is left when case and separators are not looked at."""
    return "-".join(_TOKENS.findall(name.lower()))


_THINKING = re.compile("thinking|reasoning")
_ANY_DATE = re.compile(r"(20\d{2}-?)?[01]\d-?[0-3]\d|\d{4}|[01]\d-20\d{2}|\d{2}-\d{2}")
_NONE = re.compile("(?!)")


def _stem(name: str) -> str:
    return name.removesuffix("-instruct").removesuffix("-it")


def _loosened(name: str) -> Iterator[tuple[int, str, re.Pattern[str]]]:
    """(rule, another name, suffixes whose bearer would be meant just as well)."""
    dated = _DATE.sub("", name)
    # A preview of some date is another model than the one that came of it.
    bare = name.removesuffix("-preview")
    if dated != name and not dated.endswith("-preview"):
        yield 5, dated, _ANY_DATE
    for suffix in ("-latest", "@latest"):
        if name.endswith(suffix):
            yield 5, name.removesuffix(suffix), _ANY_DATE
    if bare != name:
        yield 6, bare, _ANY_DATE
    if not name.endswith("-preview"):
        yield 6, f"{name}-preview", _NONE
    if name.endswith("-001"):
        yield 6, name.removesuffix("-001"), _NONE
    else:
        yield 6, f"{name}-001", _NONE
    for suffix in ("-instruct", "-it"):
        other = name.removesuffix(suffix) if name.endswith(suffix) else f"{name}{suffix}"
        yield 7, other, _THINKING


def _forms(names: Sequence[str], variants: Sequence[tuple[str, str]]) -> Iterator[tuple[int, str, str, str | None]]:
    """(penalty, name, quantization, variant): the whole name, then what stands before the name of the endpoint."""
    for name in names:
        yield 0, name, "unknown", None
    name = names[-1]
    for suffix, quantization in sorted(variants, key=lambda item: -len(item[0])):
        if name.endswith(suffix):
            variant = None if quantization != "unknown" else suffix.strip("-")
            yield 10, name.removesuffix(suffix), quantization, variant
            return
    for quantization in _QUANTIZATIONS:
        if name.endswith(f"-{quantization}"):
            told = quantization if quantization != "awq" else "int4"
            yield 10, name.removesuffix(f"-{quantization}"), told, None
            return


def _without_revision(name: str) -> tuple[str, ...]:
    """`nova-lite-v1:0` is called `nova-lite-v1` elsewhere, and `gpt-oss-120b-1:0` `gpt-oss-120b`."""
    plain = name.partition(":")[0]
    return tuple(dict.fromkeys((plain, _BEDROCK_REVISION.sub("", name))))


def _vertex(id_: str, author: str | None) -> tuple[str, str | None]:
    """Google's own models stand without a name before them, as Anthropic's do."""
    match = _VERTEX.fullmatch(id_)
    name, date = (match[1], match[2]) if match else (id_, None)
    name = name.removesuffix("-maas")
    if date and date.isdigit():
        name = f"{name}-{date}"
    return name, "anthropic" if name.startswith("claude-") else author


def preference(id_: str, joined: Joined, released: str | None) -> tuple[object, ...]:
    """The smallest is the id to call, of those that lead to the same endpoint: surest, widest, newest, shortest."""
    region = _BEDROCK_CHOICE.index(joined.region) if joined.region in _BEDROCK_CHOICE else len(_BEDROCK_CHOICE)
    newest = tuple(-int(part) for part in (released or "0").split("-"))
    return region, joined.rank, newest, len(id_), id_
