"""The grammar of model slugs: `author/name[:variant[:variant…]]`.

Catalog variants name a model of their own, and are never dropped: `x:free` is not `x`. Routing variants are taken by
every model and say how its endpoints are chosen. They may stand in any order
(https://openrouter.ai/docs/guides/routing/model-variants).
"""

from collections.abc import Mapping
from typing import NamedTuple

from turnpike.domain.chat import SortBy

AUTO = "openrouter/auto"
FREE = "openrouter/free"
CATALOG_VARIANTS = frozenset({"free", "extended", "thinking", "batch"})
_SORTS: Mapping[str, SortBy] = {"nitro": "throughput", "floor": "price", "exacto": "exacto"}
_TIERS: Mapping[str, str] = {"nitro": "priority", "floor": "flex"}
_ONLINE = "online"


class Slug(NamedTuple):
    """`model` is what the catalog lists, `base` the same without its catalog variant."""

    model: str
    base: str
    variants: tuple[str, ...] = ()
    """Those of routing, in the client's order."""

    @property
    def sort(self) -> SortBy | None:
        """The last of several decides."""
        return next((_SORTS[variant] for variant in reversed(self.variants) if variant in _SORTS), None)

    @property
    def tiers(self) -> frozenset[str]:
        """Service tiers that may compete with the others, and win where they are better by the variant's measure."""
        return frozenset(_TIERS[variant] for variant in self.variants if variant in _TIERS)

    @property
    def online(self) -> bool:
        """Whether the answer is to draw on a search of the web."""
        return _ONLINE in self.variants


def without_search(text: str) -> str:
    """The same slug, of an answer that is to draw on no search."""
    name, *suffixes = text.split(":")
    return ":".join([name, *(suffix for suffix in suffixes if suffix.lower() != _ONLINE)])


def parse_slug(text: str) -> Slug:
    """What it names; a suffix that is no variant stays a part of the name, which no model then has."""
    name, *suffixes = text.split(":")
    if not suffixes:
        return Slug(text, text)
    model = base = name
    routing: list[str] = []
    for suffix in suffixes:
        variant = suffix.lower()
        if variant in _SORTS or variant == _ONLINE:
            routing.append(variant)
        elif variant in CATALOG_VARIANTS:
            model += f":{variant}"
        else:
            model += f":{suffix}"
            base += f":{suffix}"
    return Slug(model, base, tuple(routing))
