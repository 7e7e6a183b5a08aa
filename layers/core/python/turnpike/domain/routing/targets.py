"""From the slugs that a client asks for to the models that are tried."""

from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple

from turnpike.domain.auto_router import Task, choose_models, classify, free_models
from turnpike.domain.availability import Availability
from turnpike.domain.catalog import Catalog, Model
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import ModelNotFound, NoEndpoints, RequestError
from turnpike.domain.health import endpoint_key
from turnpike.domain.routing.conditions import Filters, Target
from turnpike.domain.routing.route import Strategy
from turnpike.domain.routing.terms import Terms
from turnpike.domain.slugs import AUTO, FREE, Slug, parse_slug

_MOST_FREE_MODELS = 5


class Targets:
    """The models to try, in order."""

    __slots__ = ("strategy", "targets", "task", "unknown")

    def __init__(self) -> None:
        self.strategy: Strategy = "direct"
        self.targets: list[Target] = []
        self.unknown: list[str] = []
        self.task: Task | None = None


class Finder(NamedTuple):
    """Finds a request's models. `sticky` is the key of the endpoint that answered the conversation before."""

    catalog: Catalog
    terms: Terms
    filters: Filters
    random: Random
    sticky: str | None

    def find(self) -> Targets:
        """Raises ModelNotFound or NoEndpoints where none of the slugs leads to a model."""
        found = Targets()
        problems: list[RequestError] = []
        for text in self.terms.request.models:
            try:
                self._add(text, found)
            except (ModelNotFound, NoEndpoints) as error:
                # As any other error does, this one moves on to the next of the models.
                problems.append(error)
                found.unknown.append(text)
        if not found.targets:
            raise problems[0]
        if found.strategy not in ("auto", "free") and len(self.terms.request.models) > 1:
            found.strategy = "fallback"
        return found

    def _add(self, text: str, found: Targets) -> None:
        slug = parse_slug(text)
        strategy: Strategy = "free"
        if slug.model == AUTO:
            strategy = "auto"
            if not isinstance(self.terms.request, ChatRequest):
                raise chats_alone(self.terms.outputs)
            found.task = classify(self.terms.request, self.terms.inputs, self.terms.prompt_tokens)
            models = self._auto_models(slug, self.terms.request, found.task)
        elif slug.model == FREE:
            models = self._free_models(slug)
        else:
            models = [get_model(self.catalog, text, slug)]
            strategy = _strategy(slug, models[0])
        if not found.targets:
            found.strategy = strategy
        known = {target.model.id for target in found.targets}
        found.targets += [
            Target(model, slug, free_only=strategy == "free") for model in models if model.id not in known
        ]

    def _auto_models(self, slug: Slug, request: ChatRequest, task: Task) -> list[Model]:
        for fully in (True, False):
            models = choose_models(
                self.catalog,
                request,
                task,
                serves=lambda model, fully=fully: self.filters.serves(Target(model, slug), fully=fully),  # type: ignore[misc]
                answered=self._answered,
            )
            if models:
                return models
        raise _nothing_matches(AUTO)

    def _free_models(self, slug: Slug) -> list[Model]:
        models = [
            model
            for model in free_models(self.catalog)
            if self.filters.serves(Target(model, slug, free_only=True), fully=True)
        ]
        if not models:
            raise _nothing_matches(FREE)
        self.random.shuffle(models)
        models.sort(key=lambda model: model.id != self._answered)
        return models[:_MOST_FREE_MODELS]

    @property
    def _answered(self) -> str | None:
        """The model that the sticky endpoint serves."""
        if self.sticky is None:
            return None
        return next(_models_of(self.catalog, self.sticky), None)


def get_model(catalog: Catalog, text: str, slug: Slug) -> Model:
    """`slug` is what `text` says. Raises ModelNotFound, and NoEndpoints for a variant that the model has not."""
    try:
        return catalog.get_model(slug.model)
    except ModelNotFound:
        if slug.model == slug.base:
            raise ModelNotFound(text) from None
    try:
        base = catalog.get_model(slug.base)
    except ModelNotFound:
        raise ModelNotFound(text) from None
    raise _no_variant(slug, base)


def chats_alone(outputs: Iterable[str]) -> NoEndpoints:
    """What `openrouter/auto` says to whoever wants something else than a chat."""
    kinds = ",".join(sorted(outputs))
    advice = f"name a model; GET /models?output_modalities={kinds} lists them"
    availability = Availability("constraint_filtered", [AUTO], constraint=("model", advice))
    return NoEndpoints(f"{AUTO} chooses among models for chats alone: {advice}", availability)


def _models_of(catalog: Catalog, key: str) -> Iterator[str]:
    for model in catalog.models:
        if any(endpoint_key(endpoint) == key for endpoint in model.endpoints):
            yield model.id


def _strategy(slug: Slug, model: Model) -> Strategy:
    if slug.model.startswith("~"):
        return "latest"
    return "direct" if model.id == slug.model else "alias"


def _no_variant(slug: Slug, base: Model) -> NoEndpoints:
    """A variant of the catalog that the model has not is never answered by the model itself: it may cost money."""
    ended = slug.model == f"{slug.base}:free"
    what = "has no free variant (any more)" if ended else "has no such variant"
    advice = "leave the variant out"
    if slug.model.endswith(":thinking"):
        advice += ", and ask for reasoning with the parameter `reasoning`"
    availability = Availability(
        "free_variant_ended" if ended else "no_endpoints",
        [slug.model],
        fallback_models=[base.id],
        constraint=("model", advice),
    )
    return NoEndpoints(f"No endpoints found for {slug.model}: {base.id} {what}; {advice}", availability)


def _nothing_matches(router: str) -> NoEndpoints:
    availability = Availability(
        "constraint_filtered",
        [router],
        constraint=("plugins" if router == AUTO else "model", "loosen what the request demands, or name a model"),
    )
    # OpenRouter's own sentence.
    return NoEndpoints("No models match your request and model restrictions", availability)
