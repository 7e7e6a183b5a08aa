"""Which models a list shows, and in which order, by the query parameters of GET /models.

Values that OpenRouter does not know are refused, and parameters that it does not know passed over
(https://openrouter.ai/docs/api-reference/models/get-models). Benchmarks, use cases, popularity and the like come with
no open data: a model of which something is not known matches no filter that asks for it, and keeps its place behind
those of which it is known when a list is sorted by it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from starlette.datastructures import QueryParams

from turnpike.api import queries
from turnpike.api.present_catalog import moving_aliases, top_endpoint
from turnpike.domain.catalog import Catalog, Model
from turnpike.domain.health import HealthReport

_PER_MILLION = 1_000_000
_DAY_S = 86_400

_INPUTS = ("text", "image", "file", "audio", "video")
_OUTPUTS = ("text", "image", "embeddings", "audio", "video", "rerank", "decisions", "speech", "transcription")
_CATEGORIES = (
    "programming",
    "roleplay",
    "marketing",
    "marketing/seo",
    "technology",
    "science",
    "translation",
    "legal",
    "finance",
    "health",
    "trivia",
    "academia",
)
_PARAMETERS = (
    *("temperature", "top_p", "top_k", "min_p", "top_a", "frequency_penalty", "presence_penalty"),
    *("repetition_penalty", "max_tokens", "max_completion_tokens", "logit_bias", "logprobs", "top_logprobs"),
    *("prediction", "seed", "response_format", "structured_outputs", "stop", "tools", "tool_choice"),
    *("parallel_tool_calls", "include_reasoning", "reasoning", "reasoning_effort", "web_search_options", "verbosity"),
)
_SAME_PARAMETER = {"max_completion_tokens": "max_tokens", "reasoning_effort": "reasoning"}
"""Taken by either name wherever one of them is taken, though the catalog may list the other."""

_MOVING = ("min_age_days", "max_age_days")
_MOVING_ORDERS = ("throughput-high-to-low", "latency-low-to-high")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a selection goes by."""

    catalog: Catalog
    report: HealthReport
    now_s: float


_Test = Callable[[Model], bool]
_Filter = Callable[[QueryParams, str, Facts], _Test]
_Measure = Callable[[Model, Facts], Decimal | float | None]


def select_models(query: QueryParams, facts: Facts, *, only: Collection[str] | None = None) -> Sequence[Model]:
    """The models, and behind them the aliases `~author/family-latest` as the models that they are now.

    `only` names the parameters that count; by default all that are known. Raises InvalidRequest.
    """
    tests = [
        build(query, name, facts)
        for name, build in _FILTERS.items()
        if query.get(name) and (only is None or name in only)
    ]
    if not query.get("output_modalities"):
        tests.append(lambda model: "text" in model.output_modalities)
    listed = (*facts.catalog.models, *moving_aliases(facts.catalog))
    found = [model for model in listed if all(test(model) for test in tests)]
    return _sort(found, query, facts) if only is None or "sort" in only else found


def is_moving(query: QueryParams) -> bool:
    """Whether the selection may be another one though the catalog is the same."""
    return query.get("sort") in _MOVING_ORDERS or any(query.get(name) for name in _MOVING)


def is_measured(query: QueryParams) -> bool:
    """Whether the selection goes by what endpoints have been doing lately."""
    return query.get("sort") in _MOVING_ORDERS


def _sort(models: Sequence[Model], query: QueryParams, facts: Facts) -> Sequence[Model]:
    """The lowest first; what has no figure stays last, in the order in which it came."""
    order = queries.choice(query, "sort", tuple(_ORDERS))
    measure = _ORDERS[order] if order else None
    if measure is None:
        return models
    figures = [(measure(model, facts), model) for model in models]
    known = sorted(((figure, model) for figure, model in figures if figure is not None), key=lambda pair: pair[0])
    return [*(model for _, model in known), *(model for figure, model in figures if figure is None)]


def _throughput(model: Model, facts: Facts) -> float | None:
    reports = (facts.report.of(endpoint, facts.now_s).throughput_last_30m for endpoint in model.endpoints)
    return min((-found.p50 for found in reports if found), default=None)


def _latency(model: Model, facts: Facts) -> float | None:
    reports = (facts.report.of(endpoint, facts.now_s).latency_last_30m for endpoint in model.endpoints)
    return min((found.p50 for found in reports if found), default=None)


_ORDERS: Mapping[str, _Measure | None] = {
    "most-popular": None,
    "newest": lambda model, facts: -model.created,
    "top-weekly": None,
    "pricing-low-to-high": lambda model, facts: top_endpoint(model).pricing.combined,
    "pricing-high-to-low": lambda model, facts: -top_endpoint(model).pricing.combined,
    "context-high-to-low": lambda model, facts: -model.context_length,
    "throughput-high-to-low": _throughput,
    "latency-low-to-high": _latency,
    "intelligence-high-to-low": None,
    "coding-high-to-low": None,
    "agentic-high-to-low": None,
    "design-arena-elo-high-to-low": None,
}
"""None where no model has a figure."""


def _search(query: QueryParams, name: str, facts: Facts) -> _Test:
    words = query[name].casefold().split()
    return lambda model: all(word in f"{model.id} {model.name}".casefold() for word in words)


def _supported_parameters(query: QueryParams, name: str, facts: Facts) -> _Test:
    wanted = [{each, _SAME_PARAMETER.get(each, each)} for each in queries.choices(query, name, _PARAMETERS)]
    return lambda model: not any(names.isdisjoint(model.supported_parameters) for names in wanted)


def _input_modalities(query: QueryParams, name: str, facts: Facts) -> _Test:
    wanted = set(queries.choices(query, name, _INPUTS))
    return lambda model: wanted <= set(model.input_modalities)


def _output_modalities(query: QueryParams, name: str, facts: Facts) -> _Test:
    wanted = set(queries.choices(query, name, (*_OUTPUTS, "all")))
    return lambda model: "all" in wanted or not wanted.isdisjoint(model.output_modalities)


def _context(query: QueryParams, name: str, facts: Facts) -> _Test:
    least = queries.whole(query, name, 0)
    return lambda model: model.context_length >= least


def _arch(query: QueryParams, name: str, facts: Facts) -> _Test:
    """By the tokenizer, which names the family: `Llama` is each of `Llama2`, `Llama3` and `Llama4`."""
    families = tuple(family.casefold() for family in queries.names(query, name))
    return lambda model: model.tokenizer.casefold().startswith(families)


def _authors(query: QueryParams, name: str, facts: Facts) -> _Test:
    wanted = set(queries.names(query, name))
    return lambda model: model.id.removeprefix("~").partition("/")[0] in wanted


def _providers(query: QueryParams, name: str, facts: Facts) -> _Test:
    wanted = {provider.casefold() for provider in queries.names(query, name)}
    slugs = {each.slug for each in facts.catalog.providers if each.slug in wanted or each.name.casefold() in wanted}
    return lambda model: any(endpoint.provider in slugs for endpoint in model.endpoints)


def _min_price(query: QueryParams, name: str, facts: Facts) -> _Test:
    least = queries.decimal(query, name) / _PER_MILLION
    return lambda model: top_endpoint(model).pricing.prompt >= least


def _max_price(query: QueryParams, name: str, facts: Facts) -> _Test:
    most = queries.decimal(query, name) / _PER_MILLION
    return lambda model: top_endpoint(model).pricing.prompt <= most


def _min_output_price(query: QueryParams, name: str, facts: Facts) -> _Test:
    least = queries.decimal(query, name) / _PER_MILLION
    return lambda model: top_endpoint(model).pricing.completion >= least


def _max_output_price(query: QueryParams, name: str, facts: Facts) -> _Test:
    most = queries.decimal(query, name) / _PER_MILLION
    return lambda model: top_endpoint(model).pricing.completion <= most


def _min_age(query: QueryParams, name: str, facts: Facts) -> _Test:
    latest = facts.now_s - queries.whole(query, name, 0) * _DAY_S
    return lambda model: model.created <= latest


def _max_age(query: QueryParams, name: str, facts: Facts) -> _Test:
    earliest = facts.now_s - queries.whole(query, name, 0) * _DAY_S
    return lambda model: model.created >= earliest


def _zdr(query: QueryParams, name: str, facts: Facts) -> _Test:
    wanted = queries.flag(query, name)
    return lambda model: not wanted or any(endpoint.zdr for endpoint in model.endpoints)


def _region(query: QueryParams, name: str, facts: Facts) -> _Test:
    """Regions may be a cloud's own, as `eu-west-1` or `europe-west4`."""
    wanted = queries.choice(query, name, ("eu", "us")) or ""
    return lambda model: any((endpoint.region or "").startswith(wanted) for endpoint in model.endpoints)


def _category(query: QueryParams, name: str, facts: Facts) -> _Test:
    queries.choice(query, name, _CATEGORIES)
    return _nobody_knows


def _distillable(query: QueryParams, name: str, facts: Facts) -> _Test:
    wanted = queries.choice(query, name, ("true", "false")) == "true"
    return lambda model: bool(model.distillable) == wanted


def _figure(query: QueryParams, name: str, facts: Facts) -> _Test:
    queries.decimal(query, name)
    return _nobody_knows


def _nobody_knows(model: Model) -> bool:
    return False


_FILTERS: Mapping[str, _Filter] = {
    "arch": _arch,
    "category": _category,
    "context": _context,
    "distillable": _distillable,
    "input_modalities": _input_modalities,
    "max_age_days": _max_age,
    "max_output_price": _max_output_price,
    "max_price": _max_price,
    "min_age_days": _min_age,
    "min_output_price": _min_output_price,
    "min_price": _min_price,
    "model_authors": _authors,
    "output_modalities": _output_modalities,
    "providers": _providers,
    "q": _search,
    "region": _region,
    "supported_parameters": _supported_parameters,
    "zdr": _zdr,
    **{
        f"{bound}_{figure}": _figure
        for bound in ("min", "max")
        for figure in ("intelligence_index", "coding_index", "agentic_index", "tool_success_rate")
    },
}
