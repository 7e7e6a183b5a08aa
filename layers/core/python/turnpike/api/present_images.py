"""Models that draw, and how each of their endpoints does, as `GET /images/models` lists them (reference 7.11)."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from turnpike.domain.catalog import Catalog, Endpoint, Model, Provider
from turnpike.domain.image_capabilities import capabilities_of, united
from turnpike.domain.image_traits import traits_of
from turnpike.domain.pricing import Pricing


def draws(model: Model) -> bool:
    return "image" in model.output_modalities


def present_image_model(model: Model) -> dict[str, Any]:
    traits = [traits_of(endpoint) for endpoint in model.endpoints]
    return {
        "id": model.id,
        "name": model.name,
        "created": model.created,
        "description": model.description,
        "architecture": {
            "input_modalities": list(model.input_modalities),
            "output_modalities": list(model.output_modalities),
        },
        "supported_parameters": united(capabilities_of(each) for each in traits),
        "supports_streaming": any(each.streams for each in traits),
        "endpoints": f"/api/v1/images/models/{model.id}/endpoints",
    }


def present_image_endpoints(model: Model, catalog: Catalog) -> dict[str, Any]:
    rows = [_present_endpoint(endpoint, catalog.get_provider(endpoint.provider)) for endpoint in model.endpoints]
    return {"id": model.id, "endpoints": rows}


def _present_endpoint(endpoint: Endpoint, provider: Provider) -> dict[str, Any]:
    traits = traits_of(endpoint)
    return {
        "provider_name": provider.name,
        "provider_slug": provider.slug,
        "provider_tag": endpoint.tag,
        "supported_parameters": capabilities_of(traits),
        "supports_streaming": traits.streams,
        # There is no list: what of `provider.options` decides neither price nor form is passed on.
        "allowed_passthrough_parameters": [],
        "pricing": list(_present_prices(endpoint.pricing)),
    }


def _present_prices(pricing: Pricing) -> Iterator[dict[str, Any]]:
    """What nobody is charged for is left out. Without a price of their own, images cost what text does."""
    read = pricing.prompt if pricing.image_token is None else pricing.image_token
    drawn = pricing.completion if pricing.image_output is None else pricing.image_output
    lines: list[tuple[str, str, Decimal | None]] = [
        ("output_image", "image", pricing.output_image),
        ("output_image", "token", drawn),
        ("input_text", "token", pricing.prompt),
        ("input_image", "token", read),
        ("input_image", "image", pricing.image),
        ("output_image", "request", pricing.request),
    ]
    for billable, unit, price in lines:
        if price:
            yield {"billable": billable, "unit": unit, "cost_usd": float(price)}
    for variant, price in pricing.output_images:
        yield {"billable": "output_image", "unit": "image", "cost_usd": float(price), "variant": variant}
