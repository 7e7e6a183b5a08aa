"""Which endpoints of a model may serve a request: hard filters, then parameters that are preferred."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from turnpike.domain.catalog import Endpoint, Model
from turnpike.domain.routing.request import RoutedRequest
from turnpike.domain.routing.route import Exclusion
from turnpike.domain.routing.terms import (
    Terms,
    demanded_parameters,
    preferred_parameters,
    reads_files,
    search_fits,
    searches_itself,
    takes,
    tier_of,
)
from turnpike.domain.searches import OPTIONS
from turnpike.domain.slugs import Slug

ALLOWED = "allowed_providers"
PARAMETERS = "require_parameters"
TRAINING = "data_policy:training"
ZDR = "data_policy:zdr"
DISTILLABLE = "distillable"
QUANTIZATION = "quantization"
PRICE = "max_price"
CONTEXT = "context_length"
INPUTS = "input_modalities"
OUTPUTS = "output_modalities"
OPERATION = "operation"
SEARCH = "web_search"
NATIVE = "native_tools"
SUFFIX = "suffix"
TIER = "service_tier"
NOT_FREE = "free_models"
BYOK = "byok_required"

Policy = Callable[[Endpoint], str | None]
"""What else keeps an endpoint from serving, such as `geo` or `data_region` of an account; None where nothing does."""
Condition = tuple[str, Callable[[Endpoint], bool]]
"""(what `excluded_by` calls it, whether an endpoint passes)."""

_PER_MILLION = Decimal(1_000_000)
_PRICED_PER_MILLION = frozenset({"prompt", "completion", "audio"})
_QUANTIZATION_GROUPS = {"fp4": ("fp4", "mxfp4", "nvfp4"), "fp8": ("fp8", "mxfp8")}
_SMALL_CONTEXT = 8_192
"""Up to this many tokens, a prompt that is too long is shortened unless the client objects (reference 4.8)."""


class Target(NamedTuple):
    """A model to try, and how its slug asks for it."""

    model: Model
    slug: Slug
    free_only: bool = False


class Sifted:
    """A model's endpoints, parted."""

    __slots__ = ("excluded", "kept")

    def __init__(self) -> None:
        self.kept: list[Endpoint] = []
        self.excluded: list[Exclusion] = []


class Filters:
    """The conditions that a request makes, for any of its models."""

    def __init__(self, terms: Terms, policy: Policy | None) -> None:
        self._terms = terms
        self._policy = policy
        self._conditions = list(_conditions(terms))
        self._preferred = preferred_parameters(terms.request)

    def sift(self, target: Target) -> Sifted:
        """Endpoints of service tiers that nobody asked for do not count at all."""
        sifted = Sifted()
        conditions = self._conditions_of(target)
        for endpoint in target.model.endpoints:
            tier = tier_of(endpoint)
            if tier is not None and not self._admits(tier, endpoint, target.slug):
                continue
            reason = self._policy(endpoint) if self._policy else None
            if reason is None:
                reason = _first_unmet(conditions, endpoint)
            if reason is None:
                sifted.kept.append(endpoint)
            else:
                sifted.excluded.append(Exclusion(endpoint, reason))
        parsing = self._terms.request.plugins.file_parsing
        if parsing.replaces_files and parsing.engine is None:
            # Who reads a file itself sees its pictures and tables, too.
            _prefer(sifted, INPUTS, lambda endpoint: reads_files(target.model, endpoint))
        self._narrow(sifted)
        return sifted

    def serves(self, target: Target, *, fully: bool) -> bool:
        """Whether any of its endpoints passes; `fully`, with all parameters that are preferred."""
        conditions = self._conditions_of(target)
        return any(
            tier_of(endpoint) is None
            and _first_unmet(conditions, endpoint) is None
            and not (self._policy and self._policy(endpoint))
            and (not fully or all(takes(endpoint, name) for name in self._preferred))
            for endpoint in target.model.endpoints
        )

    def _conditions_of(self, target: Target) -> Sequence[Condition]:
        model, terms = target.model, self._terms
        added: list[Condition] = []
        if model.input_modalities and not terms.inputs <= set(model.input_modalities):
            added.append((INPUTS, _never))
        if model.output_modalities and not terms.outputs <= set(model.output_modalities):
            added.append((OUTPUTS, _never))
        if terms.request.provider.enforce_distillable_text and not model.distillable:
            added.append((DISTILLABLE, _never))
        if _searches_natively(terms.request, target.slug):
            added.append((SEARCH, lambda endpoint: takes(endpoint, OPTIONS) and search_fits(terms.request, endpoint)))
        if target.free_only:
            added.append((NOT_FREE, lambda endpoint: endpoint.pricing.is_free))
        return [*self._conditions, *added] if added else self._conditions

    def _admits(self, tier: str, endpoint: Endpoint, slug: Slug) -> bool:
        terms = self._terms
        if tier in terms.tiers:
            return True
        # A provider's slug alone never means its tiers; its tag with the tier does.
        if terms.order.has_tag(endpoint) or terms.only.has_tag(endpoint):
            return True
        return tier in slug.tiers and not terms.order and not terms.pins_default_tier

    def _narrow(self, sifted: Sifted) -> None:
        if self._terms.tiers == ("flex",):
            # Flex is asked for to pay less; an endpoint that costs more is no fallback for it.
            _prefer(sifted, TIER, lambda endpoint: tier_of(endpoint) == "flex")
        for name in self._preferred:
            _prefer(sifted, name, lambda endpoint, name=name: takes(endpoint, name))  # type: ignore[misc]
        wanted = _least_tokens(self._terms)
        if any(endpoint.context_length < wanted for endpoint in sifted.kept):
            # Those that would have to shorten the prompt, and the least of it: only half of what fits may be lost.
            _prefer(sifted, CONTEXT, lambda endpoint: endpoint.context_length >= wanted)
            _prefer(sifted, CONTEXT, lambda endpoint: endpoint.context_length * 2 >= wanted)
            longest = max(endpoint.context_length for endpoint in sifted.kept)
            if longest * 2 < wanted:
                _prefer(sifted, CONTEXT, lambda endpoint: endpoint.context_length == longest)


def shortens_prompts(request: RoutedRequest, endpoint: Endpoint) -> bool:
    """Whether a prompt that is too long for the endpoint is shortened rather than refused."""
    if request.context_compression is None:
        return endpoint.context_length <= _SMALL_CONTEXT
    return request.context_compression


def unmet_parameters(request: RoutedRequest, endpoint: Endpoint) -> list[str]:
    """What the client requires and the endpoint would drop."""
    demanded = demanded_parameters(request) if request.provider.require_parameters else ()
    unmet = {name for name in demanded if not takes(endpoint, name)}
    return sorted(unmet | (request.demands - endpoint.supported_parameters) | set(request.unmet(endpoint)))


def _first_unmet(conditions: Iterable[Condition], endpoint: Endpoint) -> str | None:
    for reason, passes in conditions:
        if not passes(endpoint):
            return reason
    return None


def _conditions(terms: Terms) -> Iterable[Condition]:
    """Only those that the request makes."""
    request, preferences = terms.request, terms.request.provider
    if terms.only:
        yield ALLOWED, lambda e: e in terms.only
    if terms.ignore:
        yield ALLOWED, lambda e: e not in terms.ignore
    if terms.order and not preferences.allow_fallbacks:
        yield ALLOWED, lambda e: e in terms.order
    if preferences.data_collection == "deny":
        yield TRAINING, lambda e: not e.collects_data
    if preferences.zdr:
        yield ZDR, lambda e: e.zdr
    if preferences.quantizations:
        wanted = {each for name in preferences.quantizations for each in _QUANTIZATION_GROUPS.get(name, (name,))}
        yield QUANTIZATION, lambda e: e.quantization in wanted
    if preferences.max_price:
        limits = [(part, _per_unit(part, limit)) for part, limit in preferences.max_price.items()]
        yield PRICE, lambda e: not any(_price(e, part) > limit for part, limit in limits)
    if preferences.require_parameters:
        demanded = demanded_parameters(request)
        yield PARAMETERS, lambda e: not e.supported_parameters or demanded <= e.supported_parameters
    if request.demands:
        # Not of those that list nothing either: what is sent and dropped makes another answer.
        yield PARAMETERS, lambda e: request.demands <= e.supported_parameters
    if SUFFIX in request.parameters:
        # Where it is not listed it would be dropped, and the text would go on from the prompt as if nothing followed.
        yield SUFFIX, lambda e: SUFFIX in e.supported_parameters
    if request.dialect is not None:
        tools = request.native_tools
        yield NATIVE, lambda e: e.dialect == request.dialect and all(tool.is_known_to(e.tool_wire) for tool in tools)
        if any(tool.searches for tool in request.native_tools):
            # Where nobody says that it does, there is no price for it either.
            yield SEARCH, searches_itself
    yield from _length_conditions(terms)


def _length_conditions(terms: Terms) -> Iterable[Condition]:
    request, wanted = terms.request, _least_tokens(terms)
    yield CONTEXT, lambda e: wanted <= e.context_length or shortens_prompts(request, e)
    if request.max_tokens is not None and not request.takes_less:
        most = request.max_tokens
        yield CONTEXT, lambda e: most <= (e.max_completion_tokens or e.context_length)


def _searches_natively(request: RoutedRequest, slug: Slug) -> bool:
    """Whether nothing but the provider's own search will do."""
    web = request.plugins.web
    if web is None:
        return slug.online
    return web.engine == "native" and (slug.online or not web.by_slug)


def _least_tokens(terms: Terms) -> int:
    """The estimate of the prompt errs on the high side; only a clear excess excludes."""
    return terms.prompt_tokens // 2


def _per_unit(part: str, limit: str) -> Decimal:
    return Decimal(limit) / _PER_MILLION if part in _PRICED_PER_MILLION else Decimal(limit)


def _price(endpoint: Endpoint, part: str) -> Decimal:
    """Zero for a part that costs nothing of its own. An image is one of the prompt or of the answer: the dearer."""
    pricing = endpoint.pricing
    if part == "image":
        drawn = [price for _, price in pricing.output_images]
        return max([pricing.image or Decimal(0), pricing.output_image or Decimal(0), *drawn])
    price: Decimal | None = getattr(pricing, part, None)
    return Decimal(0) if price is None else price


def _prefer(sifted: Sifted, reason: str, prefers: Callable[[Endpoint], bool]) -> None:
    """Leave out the others, unless none would be left."""
    kept = [endpoint for endpoint in sifted.kept if prefers(endpoint)]
    if not kept or len(kept) == len(sifted.kept):
        return
    sifted.excluded += [Exclusion(endpoint, reason) for endpoint in sifted.kept if not prefers(endpoint)]
    sifted.kept = kept


def _never(_: Endpoint) -> bool:
    return False
