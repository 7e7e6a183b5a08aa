"""Canonical models: what models.dev's `openrouter` provider lists, under OpenRouter's own names."""

from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from turnpike.services.compile_catalog.models_dev import SourceModel
from turnpike.services.compile_catalog.settings import Names

_MODALITY_WORDS = {"text": "text", "image": "images", "file": "files", "audio": "sound", "video": "video"}
_VARIANTS = {
    "free": "free",
    "thinking": "thinking",
    "extended": "extended",
}


@dataclass(frozen=True, slots=True)
class CanonicalModel:
    slug: str
    source: SourceModel
    name: str
    description: str
    created: int
    tokenizer: str

    def present(self) -> dict[str, object]:
        """Without what follows from its endpoints."""
        presented: dict[str, object] = {
            "name": self.name,
            "description": self.description,
            "created": self.created,
            "context_length": self.source.context,
            "input_modalities": list(self.source.inputs),
            "output_modalities": list(self.source.outputs),
            "tokenizer": self.tokenizer,
        }
        if self.source.knowledge:
            presented["knowledge_cutoff"] = _whole_date(self.source.knowledge)
        return presented


def is_alias(slug: str) -> bool:
    """`~author/family-latest`: a name that moves, and no model."""
    return slug.startswith("~")


def canonical_models(listed: Mapping[str, SourceModel], names: Names) -> Mapping[str, CanonicalModel]:
    """By slug, in order; neither aliases nor routers."""
    return {
        slug: _model(slug, listed[slug], names)
        for slug in sorted(listed)
        if slug.count("/") == 1 and not is_alias(slug) and slug not in names.routers
    }


def _model(slug: str, source: SourceModel, names: Names) -> CanonicalModel:
    author = slug.partition("/")[0]
    title = names.title_of(author)
    name = source.name.removesuffix(" (latest)").removeprefix(f"{title}: ").strip()
    variant = _VARIANTS.get(slug.partition(":")[2])
    if variant and f"({variant})" not in name.lower():
        name = f"{name} ({variant})"
    return CanonicalModel(
        slug=slug,
        source=source,
        name=f"{title}: {name}",
        description=_description(source, title),
        created=_epoch(source.released),
        tokenizer=names.tokenizer_of(slug),
    )


def _description(source: SourceModel, title: str) -> str:
    """Neither source describes models, so this says in words what they say in figures."""
    kind = f"{'open-weight ' if source.open_weights else ''}{'reasoning model' if source.reasoning else 'model'}"
    does = [
        f"reads {_listed([_MODALITY_WORDS[item] for item in source.inputs])}",
        f"writes {_listed([_MODALITY_WORDS[item] for item in source.outputs])}",
        *(["calls tools"] if source.tools else []),
    ]
    return f"{_article(kind)} {kind} by {title}. It {', '.join(does)}, and has a context of {source.context:,} tokens."


def _article(words: str) -> str:
    return "An" if words[0] in "aeiou" else "A"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _whole_date(text: str) -> str:
    return text if len(text) == 10 else f"{text}-01"


def _epoch(text: str | None) -> int:
    """Of midnight UTC; 0 for a date that is not known or does not exist."""
    try:
        return timegm(date.fromisoformat(_whole_date(text or "")).timetuple())
    except ValueError:
        return 0


def newest_of_family(alias: SourceModel, models: Mapping[str, CanonicalModel]) -> str | None:
    """The model that an alias means: the newest of its author and family that costs and takes as much as the alias."""
    author = alias.id.removeprefix("~").partition("/")[0]
    alike = [
        model
        for model in models.values()
        if model.slug.startswith(f"{author}/")
        and ":" not in model.slug
        and alias.family is not None
        and model.source.family == alias.family
        and _measure(model.source) == _measure(alias)
    ]
    newest = max((model.created for model in alike), default=0)
    found = [model.slug for model in alike if model.created == newest]
    return found[0] if len(found) == 1 else None


def _measure(source: SourceModel) -> object:
    parts = source.prices.parts if source.prices else {}
    return source.context, parts.get("prompt"), parts.get("completion")
