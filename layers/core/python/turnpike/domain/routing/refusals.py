"""Why nothing can serve a request: what excluded each endpoint, and what the client can change."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from turnpike.domain.availability import Availability, ExcludedCandidate
from turnpike.domain.catalog import Endpoint, Model
from turnpike.domain.chat import TEXT_ALONE, ChatRequest
from turnpike.domain.errors import ContextExceeded, NoEndpoints
from turnpike.domain.routing import conditions as reasons
from turnpike.domain.routing.conditions import Target, unmet_parameters
from turnpike.domain.routing.route import Exclusion
from turnpike.domain.routing.terms import Terms, searches_itself

_MOST_CANDIDATES = 50
_MOST_NAMES = 10
_LONGEST_NAME = 64
"""Of a provider's name that the client made up and that is shown back to it."""
_REGIONAL = frozenset({"geo", "data_region"})
_PRIVATE = frozenset({reasons.TRAINING, reasons.ZDR})


class _Refusal(NamedTuple):
    terms: Terms
    models: Sequence[Model]
    exclusions: Sequence[Exclusion]

    def because_of(self, reason: str) -> list[Endpoint]:
        return [exclusion.endpoint for exclusion in self.exclusions if exclusion.reason == reason]

    def providers(self, reason: str | None = None) -> str:
        """Of the endpoints that are excluded, for this reason or for any."""
        found = (each.endpoint.provider for each in self.exclusions if reason in (None, each.reason))
        return _listed(dict.fromkeys(found))


def no_endpoints(terms: Terms, targets: Sequence[Target], exclusions: Sequence[Exclusion]) -> NoEndpoints:
    """The error for models of which every endpoint is excluded; says what to change first."""
    refusal = _Refusal(terms, [target.model for target in targets], exclusions)
    requested = terms.request.models
    models = ", ".join(requested)
    if not exclusions:
        advice = "nobody serves it at the moment; ask for another model"
        availability = Availability("no_endpoints", requested, constraint=("model", advice))
        return NoEndpoints(f"No endpoints found for {models}: {advice}", availability)
    counted = Counter(exclusion.reason for exclusion in exclusions)
    # The condition that most endpoints fail is the one to look at first.
    reason = min(counted, key=lambda each: (-counted[each], each))
    field, advice, sentence = _ADVICE.get(reason, _other)(refusal)
    message = f"No endpoints found for {models} that satisfy this request: {advice}"
    if sentence:
        message = f"{sentence}. {advice[0].upper()}{advice[1:]}"
    availability = Availability(
        _code(set(counted)),
        requested,
        affected_providers=sorted({exclusion.endpoint.provider for exclusion in exclusions}),
        excluded_by=sorted(counted),
        constraint=(field, advice),
        candidates=[_candidate(refusal, exclusion) for exclusion in exclusions[:_MOST_CANDIDATES]],
    )
    if counted.keys() == {reasons.CONTEXT} and field != "max_tokens":
        return _context_exceeded(refusal, availability)
    error = NoEndpoints(message, availability)
    if reason == reasons.SUFFIX:
        # The request is one that hardly any model takes, whoever serves it.
        error.status, error.error_type = 400, "invalid_request"
    return error


def _context_exceeded(refusal: _Refusal, availability: Availability) -> ContextExceeded:
    """OpenRouter's status and words, though its list of codes has a 404 for it: agents that find them shorten the
    conversation, and go on (https://github.com/Aider-AI/aider/issues/3721 quotes them).
    """
    terms, request = refusal.terms, refusal.terms.request
    context = max(endpoint.context_length for endpoint in refusal.because_of(reasons.CONTEXT))
    if isinstance(request, ChatRequest):
        output = 0 if request.takes_less else request.max_tokens or 0
        counts = f"{terms.prompt_tokens} of the prompt, {output} in the output"
        advice = "Please reduce the length of either one, or use the plugin context-compression to shorten the prompt."
    else:
        output, counts = 0, "of the longest input"
        advice = "Please shorten it."
    tokens = terms.prompt_tokens + output
    message = (
        f"This endpoint's maximum context length is {context} tokens. However, you requested about {tokens} tokens "
        f"({counts}). {advice}"
    )
    return ContextExceeded(message, availability, tokens=tokens, context=context)


def _code(counted: set[str]) -> str:
    if counted <= _REGIONAL:
        return "region_restricted"
    return "privacy_restricted" if counted <= _PRIVATE else "constraint_filtered"


def _candidate(refusal: _Refusal, exclusion: Exclusion) -> ExcludedCandidate:
    one = _Refusal(refusal.terms, refusal.models, [exclusion])
    field, advice, _ = _ADVICE.get(exclusion.reason, _other)(one)
    endpoint = exclusion.endpoint
    return ExcludedCandidate(endpoint.model_id, endpoint.tag, exclusion.reason, field, advice)


_Advice = tuple[str, str, str | None]
"""(the request's field, what to change about it, the sentence before it where clients look for one)."""


def _allowed(refusal: _Refusal) -> _Advice:
    terms, endpoints = refusal.terms, refusal.because_of(reasons.ALLOWED)
    served = f"Providers serving {_listed([model.id for model in refusal.models])}: {refusal.providers()}"
    named = refusal.providers(reasons.ALLOWED)
    message = f"No allowed providers are available for the selected model. {served}"
    if terms.only and not any(endpoint in terms.only for endpoint in endpoints):
        # OpenRouter's own sentence, up to its end.
        permitted = _listed(terms.only.names)
        message += f", but your request's provider.only preference permits only: {permitted}"
        return "provider.only", f"add one of {named}", message
    if terms.ignore and any(endpoint in terms.ignore for endpoint in endpoints):
        return "provider.ignore", f"ignore fewer of {named}", message
    return "provider.allow_fallbacks", f"allow fallbacks, or add one of {named} to provider.order", message


def _parameters(refusal: _Refusal) -> _Advice:
    request = refusal.terms.request
    unmet = [unmet_parameters(request, endpoint) for endpoint in refusal.because_of(reasons.PARAMETERS)]
    fewest = min(unmet, key=len)
    message = None
    if "tools" in fewest:
        # OpenRouter's own sentence.
        tool = request.parameters["tools"][0]["function"]["name"]
        message = f'No endpoints found that support tool use. Try disabling "{tool}"'
    if not request.provider.require_parameters:
        return fewest[0], f"leave out {_listed(fewest)}, or ask a model that supports it", message
    return "provider.require_parameters", f"leave out {_listed(fewest)}, or do without require_parameters", message


def _training(refusal: _Refusal) -> _Advice:
    message = "No endpoints found matching your data policy (Paid model training)"
    return "provider.data_collection", f'"allow" admits {refusal.providers(reasons.TRAINING)}', message


def _zdr(refusal: _Refusal) -> _Advice:
    message = "No endpoints found matching your data policy (Zero data retention)"
    return "provider.zdr", f"without it, {refusal.providers(reasons.ZDR)} may serve the request", message


def _distillable(refusal: _Refusal) -> _Advice:
    # No open data says it, so it is the operator who does (docs/routing.md).
    unsaid = f"nobody has said that {_listed([model.id for model in refusal.models])} may be distilled"
    advice = f"do without it, or ask a model of GET /models?distillable=true; {unsaid}"
    return "provider.enforce_distillable_text", advice, None


def _quantization(refusal: _Refusal) -> _Advice:
    found = dict.fromkeys(endpoint.quantization for endpoint in refusal.because_of(reasons.QUANTIZATION))
    return "provider.quantizations", f"there is {_listed(found)}", None


def _max_price(refusal: _Refusal) -> _Advice:
    cheapest = min(refusal.because_of(reasons.PRICE), key=lambda endpoint: endpoint.pricing.combined).pricing
    costs = f"${_per_million(cheapest.prompt)} and ${_per_million(cheapest.completion)} per million tokens"
    request = f", and ${cheapest.request.normalize():f} per request" if cheapest.request else ""
    return (
        "provider.max_price",
        f"raise it; the cheapest endpoint takes {costs} of prompt and completion{request}",
        None,
    )


def _context(refusal: _Refusal) -> _Advice:
    endpoints, asked = refusal.because_of(reasons.CONTEXT), refusal.terms.request.max_tokens
    longest = max(endpoint.max_completion_tokens or endpoint.context_length for endpoint in endpoints)
    if asked is not None and asked > longest:
        return "max_tokens", f"ask for at most {longest} tokens, not {asked}", None
    context = max(endpoint.context_length for endpoint in endpoints)
    if not isinstance(refusal.terms.request, ChatRequest):
        return "input", f"shorten the longest input; the context takes {context} tokens", None
    return "messages", f"shorten the prompt; the context takes {context} tokens", None


def _inputs(refusal: _Refusal) -> _Advice:
    taken = {kind for model in refusal.models for kind in model.input_modalities}
    unmet = sorted(refusal.terms.inputs - taken) or sorted(refusal.terms.inputs)
    message = f"No endpoints found that support {' and '.join(unmet)} input"
    return (
        refusal.terms.request.media_field,
        f"leave out parts of that kind, or ask a model whose input_modalities have {_listed(unmet)}",
        message,
    )


def _outputs(refusal: _Refusal) -> _Advice:
    given = dict.fromkeys(kind for model in refusal.models for kind in model.output_modalities)
    message = (
        f"No endpoints found that support the requested output modalities: {_listed(sorted(refusal.terms.outputs))}"
    )
    if refusal.terms.request.parameters.get("modalities") in (None, list(TEXT_ALONE)):
        kinds = ",".join(sorted(refusal.terms.outputs))
        return "model", f"the model gives {_listed(given)}; GET /models?output_modalities={kinds} lists others", message
    return "modalities", f"the model gives {_listed(given)}", message


def _operation(refusal: _Refusal) -> _Advice:
    kinds = ",".join(sorted(refusal.terms.outputs))
    advice = f"{refusal.providers(reasons.OPERATION)} cannot be asked for {kinds} here; ask for another model"
    return "model", f"{advice} of GET /models?output_modalities={kinds}", None


def _native(refusal: _Refusal) -> _Advice:
    request = refusal.terms.request
    api = {"messages": "Anthropic's Messages", "responses": "OpenAI's Responses"}[request.dialect or "messages"]
    kinds = dict.fromkeys(str(tool.declared.get("type")) for tool in request.native_tools)
    told = f"the tool {_listed(kinds)} is" if len(kinds) == 1 else f"the tools {_listed(kinds)} are"
    what = told if kinds else "items of its own tools are"
    advice = f"{what} part of {api} API, which {refusal.providers(reasons.NATIVE)} cannot be asked in"
    return "tools", f"{advice}; ask for a model that can, or send function tools and run them yourself", None


def _search(refusal: _Refusal) -> _Advice:
    if refusal.terms.request.dialect is not None:
        names = refusal.providers(reasons.SEARCH)
        return "tools", f"{names} search the web with no such tool; ask for another model, or leave it out", None
    web, names = refusal.terms.request.plugins.web, refusal.providers(reasons.SEARCH)
    engine = "an operator who sets EXA_API_KEY lets every model search (docs/plugins.md)"
    if all(map(searches_itself, refusal.because_of(reasons.SEARCH))):
        if web and (web.include_domains or web.exclude_domains):
            return "plugins", f"a search by {names} cannot be kept to these domains; leave them out; {engine}", None
        return "tools", f"a search by {names} does not go with function tools; leave either out; {engine}", None
    if web is None or web.by_slug:
        field, dropped = "model", "leave out :online"
    elif web.as_tool:
        field, dropped = "tools", "leave out the tool that searches, send the plugin web in its place"
    else:
        field, dropped = "plugins", "leave out the plugin web"
    advice = f"{dropped}, or ask a model whose provider searches the web itself"
    if isinstance(refusal.terms.request, ChatRequest):
        # Whether there is one that the request did not want is not known here.
        advice += f"; where no engine is named, {engine}"
    return field, advice, None


def _suffix(_: _Refusal) -> _Advice:
    advice = "put what follows into the prompt, and say what is missing"
    return "suffix", f"ask a model whose supported_parameters have suffix, such as Codestral, or {advice}", None


def _not_free(_: _Refusal) -> _Advice:
    return "model", "name a model; those that cost nothing cannot serve this request", None


def _regional(refusal: _Refusal) -> _Advice:
    return "model", f"{refusal.providers()} may not serve requests from here; ask for another model", None


def _byok_required(refusal: _Refusal) -> _Advice:
    providers = refusal.providers(reasons.BYOK)
    message = f"Your own provider keys are to serve {_listed([model.id for model in refusal.models])} alone"
    return (
        "provider",
        f"none of your keys for {providers} may be used for this request; GET /byok lists them, and their "
        "allowed_models, allowed_api_key_hashes and allowed_user_ids",
        message,
    )


def _other(_: _Refusal) -> _Advice:
    return "provider", "loosen what the request demands", None


_ADVICE: Mapping[str, Callable[[_Refusal], _Advice]] = {
    reasons.ALLOWED: _allowed,
    reasons.PARAMETERS: _parameters,
    reasons.TRAINING: _training,
    reasons.ZDR: _zdr,
    reasons.DISTILLABLE: _distillable,
    reasons.QUANTIZATION: _quantization,
    reasons.PRICE: _max_price,
    reasons.CONTEXT: _context,
    reasons.INPUTS: _inputs,
    reasons.OUTPUTS: _outputs,
    reasons.OPERATION: _operation,
    reasons.SEARCH: _search,
    reasons.NATIVE: _native,
    reasons.SUFFIX: _suffix,
    reasons.NOT_FREE: _not_free,
    reasons.BYOK: _byok_required,
    "geo": _regional,
    "data_region": _regional,
}


def _per_million(price: Decimal) -> str:
    return f"{(price * 1_000_000).normalize():f}"


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    shown = [name[:_LONGEST_NAME] for name in list(names)[:_MOST_NAMES]]
    return ", ".join(shown) + (", …" if len(names) > _MOST_NAMES else "")
