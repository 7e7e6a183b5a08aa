"""Models, endpoints and providers, as OpenRouter's clients read them."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from turnpike.domain.catalog import Catalog, Endpoint, Model, Provider
from turnpike.domain.errors import ModelNotFound
from turnpike.domain.health import EndpointReport, Percentiles
from turnpike.domain.pricing import CONDITIONS, PARTS, PriceOverride, Pricing, present_price


def present_model(model: Model) -> dict[str, Any]:
    top = top_endpoint(model)
    return {
        "id": model.id,
        "canonical_slug": model.id,
        "name": model.name,
        "created": model.created,
        "description": model.description,
        "context_length": model.context_length,
        "architecture": _present_architecture(model),
        "pricing": present_pricing(top.pricing),
        "top_provider": {
            "context_length": top.context_length,
            "max_completion_tokens": top.max_completion_tokens,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": list(model.supported_parameters),
        "supported_voices": None,
        "default_parameters": None,
        "hugging_face_id": None,
        "knowledge_cutoff": model.knowledge_cutoff,
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{model.id}/endpoints"},
    }


def present_owned(model: Model) -> dict[str, Any]:
    """As OpenAI's clients read it."""
    author = model.id.removeprefix("~").partition("/")[0]
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": author}


def is_moving_alias(slug: str) -> bool:
    """Whether it is a family's `~author/family-latest`, which stands for another model some day."""
    return slug.startswith("~")


def moving_aliases(catalog: Catalog) -> list[Model]:
    """What each of them stands for now, by its own slug and name; only where somebody serves it."""
    found = []
    for alias in filter(is_moving_alias, catalog.aliases):
        try:
            model = catalog.get_model(alias)
        except ModelNotFound:
            continue
        found.append(replace(model, id=alias, name=_name_of_alias(alias, model)))
    return found


def present_alias(alias: str, model: Model) -> dict[str, Any]:
    """A model as a moving alias of it shows it."""
    return {
        **present_model(model),
        "id": alias,
        "name": _name_of_alias(alias, model),
        "links": {"details": f"/api/v1/models/{alias}/endpoints"},
        "alias_target": {"slug": model.id, "name": model.name},
    }


def present_model_endpoints(model: Model, endpoints: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "created": model.created,
        "description": model.description,
        "architecture": _present_architecture(model),
        "endpoints": list(endpoints),
    }


def present_provider(provider: Provider) -> dict[str, Any]:
    return {
        "slug": provider.slug,
        "name": provider.name,
        "privacy_policy_url": provider.privacy_policy_url,
        "terms_of_service_url": provider.terms_of_service_url,
        "status_page_url": provider.status_page_url,
        "headquarters": provider.headquarters,
        "datacenters": None,
    }


def present_pricing(pricing: Pricing) -> dict[str, Any]:
    prices = {part: getattr(pricing, part) for part in PARTS}
    presented: dict[str, Any] = {part: present_price(price) for part, price in prices.items() if price is not None}
    if pricing.overrides:
        presented["overrides"] = [
            {
                **_present_conditions(step),
                **{part: present_price(price) for part, price in step.parts},
            }
            for step in pricing.overrides
        ]
    return presented


def _present_conditions(step: PriceOverride) -> dict[str, Any]:
    conditions = {name: getattr(step, name) for name in CONDITIONS}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in conditions.items()
        if value is not None
    }


def top_endpoint(model: Model) -> Endpoint:
    """The one whose figures stand for the model: the cheapest of the ordinary ones, where most requests go."""
    ordinary = [endpoint for endpoint in model.endpoints if endpoint.service_tier is None]
    return min(ordinary or model.endpoints, key=lambda endpoint: endpoint.pricing.combined)


def _present_architecture(model: Model) -> dict[str, Any]:
    return {
        "modality": f"{'+'.join(model.input_modalities)}->{'+'.join(model.output_modalities)}",
        "input_modalities": list(model.input_modalities),
        "output_modalities": list(model.output_modalities),
        "tokenizer": model.tokenizer,
        "instruct_type": None,
    }


def present_endpoint(model: Model, endpoint: Endpoint, provider: Provider) -> dict[str, Any]:
    """All but what it has been doing lately."""
    parameters = sorted(endpoint.supported_parameters)
    takes_tool_choice = "tool_choice" in endpoint.supported_parameters
    return {
        "name": f"{provider.name} | {model.id}",
        "model_id": model.id,
        "model_name": model.name,
        "provider_name": provider.name,
        "tag": endpoint.tag,
        "quantization": endpoint.quantization,
        "context_length": endpoint.context_length,
        "max_completion_tokens": endpoint.max_completion_tokens,
        "max_prompt_tokens": None,
        "pricing": present_pricing(endpoint.pricing),
        "supported_parameters": parameters,
        "supports_tool_choice": dict.fromkeys(("auto", "none", "required", "function"), takes_tool_choice),
        # A price for reading and none for writing: the provider caches by itself, and at its own cost.
        "supports_implicit_caching": endpoint.pricing.input_cache_read is not None
        and endpoint.pricing.input_cache_write is None,
        "supports_diarization": False,
        "native_tools": {},
        "service_tier": endpoint.service_tier,
        "status": 0,
    }


def present_report(report: EndpointReport, *, to_anybody: bool) -> dict[str, Any]:
    """What an endpoint has been doing lately; how fast it was is only for those who have a key."""
    return {
        "latency_last_30m": None if to_anybody else _present_percentiles(report.latency_last_30m),
        "throughput_last_30m": None if to_anybody else _present_percentiles(report.throughput_last_30m),
        "uptime_last_5m": report.uptime_last_5m,
        "uptime_last_30m": report.uptime_last_30m,
        "uptime_last_1d": report.uptime_last_1d,
    }


def _present_percentiles(found: Percentiles | None) -> dict[str, float] | None:
    return {"p50": found.p50, "p75": found.p75, "p90": found.p90, "p99": found.p99} if found else None


def _name_of_alias(alias: str, model: Model) -> str:
    """`Anthropic: Claude Opus Latest`, with the words spelled as in the model's own name."""
    author, separator, rest = model.name.rpartition(": ")
    spelled = {word.casefold(): word for word in re.split(r"[\s-]+", rest)}
    words = (spelled.get(word, word.capitalize()) for word in alias.partition("/")[2].split("-"))
    return f"{author}{separator}{' '.join(words)}"
