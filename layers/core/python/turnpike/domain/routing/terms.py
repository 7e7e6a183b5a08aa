"""What a request asks of endpoints, worked out once for all of them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from turnpike.domain.catalog import Catalog, Endpoint, Model, Provider
from turnpike.domain.chat import ProviderPreferences, WebSearch
from turnpike.domain.routing.request import RoutedRequest
from turnpike.domain.searches import OPTIONS, domain_and_path, plain_domain

_TIERS = frozenset({"flex", "priority", "ultrafast"})
_TIERS_ASKED: Mapping[str, tuple[str, ...]] = {
    "flex": ("flex",),
    "priority": ("priority",),
    "fast": ("priority",),
    "ultrafast": ("ultrafast", "priority"),
}
"""The tiers that a `service_tier` opens, the preferred one first: https://openrouter.ai/docs/guides/features/service-tiers"""
_RESERVED = frozenset(
    {"model", "models", "modelid", "stream", "streamoptions", "servicetier", "speed", "n", "background", "store"}
    | {"maxtokens", "maxcompletiontokens", "maxoutputtokens", "generationconfig", "inferenceconfig"}
    | {"messages", "input", "contents", "system", "systeminstruction", "prompt", "tools"}
    | {"texts", "inputs", "images", "requests", "documents", "query", "queries", "sources", "topn", "numberofresults"}
    | {"inputtext", "dimensions", "outputdimension", "outputdimensionality", "encodingformat", "embeddingtypes"}
)
"""Names in lower case without underscores, in the spelling of any wire format."""
_NO_DOMAINS = WebSearch()
_HINTS = frozenset(
    {"cache_control", "prompt_cache_key", "prompt_cache_options", "service_tier", "modalities"}
    | {"max_tool_calls", "include"}
)
"""They change the price or the speed of an answer and nothing of what it says, or are looked at by themselves."""


class Names:
    """A client's list of providers and endpoints. A provider's slug means all of its endpoints, a tag the one that has
    it, and a tag's beginning up to a slash those that begin with it.
    """

    __slots__ = ("names", "providers", "tags")

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self.providers = {name: rank for rank, name in enumerate(self.names) if "/" not in name}
        """Places in `names`, by slug."""
        self.tags = [(name, rank) for rank, name in enumerate(self.names) if "/" in name]

    def __bool__(self) -> bool:
        return bool(self.names)

    def __contains__(self, endpoint: Endpoint) -> bool:
        return endpoint.provider in self.providers or (bool(self.tags) and self.has_tag(endpoint))

    def has_tag(self, endpoint: Endpoint) -> bool:
        """Whether it is named by more than its provider."""
        tag = endpoint.tag
        return any(_means(name, tag) for name, _ in self.tags)

    def rank(self, endpoint: Endpoint) -> int:
        """The place of the first name that means it; their number where none does."""
        best = self.providers.get(endpoint.provider, len(self.names))
        if self.tags:
            tag = endpoint.tag
            best = min([best, *(rank for name, rank in self.tags if _means(name, tag))])
        return best


class Terms(NamedTuple):
    """A request, with its names of providers in the catalog's own spelling."""

    request: RoutedRequest
    prompt_tokens: int
    order: Names
    only: Names
    ignore: Names
    inputs: frozenset[str]
    """Kinds of content besides text that the messages hold: image, file, audio, video."""
    outputs: frozenset[str]
    """Kinds of content that the answer is to hold."""
    tiers: tuple[str, ...]
    """Service tiers that are asked for, the preferred one first."""

    @property
    def pins_default_tier(self) -> bool:
        return self.request.parameters.get("service_tier") == "default"


def terms_of(request: RoutedRequest, catalog: Catalog, prompt_tokens: int) -> Terms:
    preferences = request.provider
    slugs: Mapping[str, str] = {}
    if preferences.order or preferences.only or preferences.ignore:
        slugs = {provider.name.lower(): provider.slug for provider in catalog.providers}
    return Terms(
        request,
        prompt_tokens,
        order=_spelled(preferences.order, slugs),
        only=_spelled(preferences.only, slugs),
        ignore=_spelled(preferences.ignore, slugs),
        inputs=request.input_kinds,
        outputs=request.output_kinds,
        tiers=_TIERS_ASKED.get(request.parameters.get("service_tier") or "", ()),
    )


def tier_of(endpoint: Endpoint) -> str | None:
    """The service tier that the endpoint stands for, by the end of its tag; None for ordinary ones."""
    _, _, end = endpoint.tag.rpartition("/")
    return end if end in _TIERS else None


def options_for(preferences: ProviderPreferences, provider: Provider) -> Mapping[str, Any]:
    """What the client wants in the body that this provider is sent, by its slug or else by its name.

    To be added to what the adapter built, never to take its place; what decides on the price of an answer, or on
    the way it is read, is left out.
    """
    options = preferences.options.get(provider.slug) or preferences.options.get(provider.name.lower()) or {}
    return {name: value for name, value in options.items() if name.lower().replace("_", "") not in _RESERVED}


def demanded_parameters(request: RoutedRequest) -> frozenset[str]:
    """Parameters that an endpoint must take, where the client requires that none is dropped."""
    parameters = request.parameters
    demanded = set(parameters) - _HINTS
    demanded -= {name for name in ("structured_outputs", "logprobs") if not parameters.get(name)}
    format_ = parameters.get("response_format") or {}
    if format_.get("type") == "text":
        demanded.discard("response_format")
    elif format_.get("type") == "json_schema":
        demanded.add("structured_outputs")
    if "reasoning" in demanded and not _reasons(parameters["reasoning"]):
        demanded.discard("reasoning")
    if "tools" not in parameters:
        demanded -= {"tool_choice", "parallel_tool_calls"}
    if request.max_tokens is not None:
        demanded.add("max_tokens")
    return frozenset(demanded)


def preferred_parameters(request: RoutedRequest) -> list[str]:
    """Parameters for whose sake endpoints are left out that would drop them, as long as others take them.

    https://openrouter.ai/docs/guides/routing/provider-selection#default-parameter-preferences
    """
    parameters = request.parameters
    preferred = [name for name in ("tools", "verbosity") if name in parameters]
    kind = (parameters.get("response_format") or {}).get("type", "text")
    if kind == "json_schema" or parameters.get("structured_outputs"):
        preferred.append("structured_outputs")
    if kind != "text":
        preferred.append("response_format")
    return preferred


def takes(endpoint: Endpoint, name: str) -> bool:
    """One that lists no parameters is sent all of them."""
    return not endpoint.supported_parameters or name in endpoint.supported_parameters


def reads_files(model: Model, endpoint: Endpoint) -> bool:
    """Whether a model reads files as they are, at this endpoint."""
    return "file" in (endpoint.input_modalities or model.input_modalities)


def searches_itself(endpoint: Endpoint) -> bool:
    """Whether it is known that its provider searches the web by itself."""
    return OPTIONS in endpoint.supported_parameters


def search_fits(request: RoutedRequest, endpoint: Endpoint) -> bool:
    """Whether the provider's own search goes with the rest of a request. Where it is a tool it does, but for domains
    that it has no words for, and for domains both to keep to and to leave out; elsewhere it keeps to no domains, and
    goes with no functions.
    """
    web = request.plugins.web or _NO_DOMAINS
    if endpoint.dialect is not None:
        words = plain_domain if endpoint.dialect == "responses" else domain_and_path
        if not all(map(words, (*web.include_domains, *web.exclude_domains))):
            return False
        return not (web.include_domains and web.exclude_domains)
    if web.include_domains or web.exclude_domains:
        return False
    return "tools" not in request.parameters or not takes(endpoint, "tools")


def _spelled(names: Iterable[str], slugs: Mapping[str, str]) -> Names:
    """Providers' slugs in place of their names; what follows a slash stays."""
    parts = (name.partition("/") for name in names)
    return Names(slugs.get(provider, provider) + slash + rest for provider, slash, rest in parts)


def _means(name: str, tag: str) -> bool:
    # The tier that was called `fast` is `priority` now, and both are in use.
    return tag == name or tag.startswith(f"{name}/") or (name.endswith("/fast") and tag == f"{name[:-5]}/priority")


def _reasons(reasoning: Mapping[str, Any]) -> bool:
    """Whether it asks for reasoning at all, rather than to hide it or to do without."""
    if reasoning.get("enabled") is False or reasoning.get("effort") == "none":
        return False
    return any(name != "exclude" for name in reasoning)
