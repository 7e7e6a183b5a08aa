"""Which models are asked, and which of their endpoints: the same members in every skin's body (reference 2.4)."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from starlette.datastructures import Headers

from turnpike.api.inference.routing_schema import LONGEST_SESSION_ID, MaxPrice, Percentiles, Provider, Sort
from turnpike.domain.chat import ProviderPreferences
from turnpike.domain.errors import InvalidRequest

PRESET = "@preset/"
"""Stands before a preset's slug in the place of a model, or behind one."""


def parse_models(model: str | None, models: Sequence[str] | None) -> tuple[str, ...]:
    """Raises InvalidRequest where there is none, or a preset among several."""
    for name in models or ():
        if PRESET in name:
            raise InvalidRequest(
                f"{name[:256]} is no model; a request names one preset, in `model` or in `preset`", field="models"
            )
    named = ([model] if model else []) + list(models or ())
    if not named:
        raise InvalidRequest("name the model to ask; GET /models lists them", field="model")
    # The first of `models` may repeat `model`; asking it twice would only repeat its failure.
    return tuple(dict.fromkeys(named))


def parse_session_id(given: str | None, headers: Headers) -> str | None:
    """The body's goes before the header's. Raises InvalidRequest for one that is too long."""
    session_id = given or headers.get("x-session-id")
    if session_id and len(session_id) > LONGEST_SESSION_ID:
        raise InvalidRequest(f"it may have at most {LONGEST_SESSION_ID} characters", field="x-session-id")
    return session_id


def parse_preferences(given: Provider | None) -> ProviderPreferences:
    """Raises InvalidRequest for a price that is none."""
    if given is None:
        return ProviderPreferences()
    sort = given.sort if isinstance(given.sort, Sort) else Sort(by=given.sort)
    return ProviderPreferences(
        order=_names(given.order),
        only=_names(given.only),
        ignore=_names(given.ignore),
        allow_fallbacks=given.allow_fallbacks is not False,
        require_parameters=bool(given.require_parameters),
        data_collection=given.data_collection or "allow",
        zdr=bool(given.zdr),
        enforce_distillable_text=bool(given.enforce_distillable_text),
        quantizations=tuple(given.quantizations or ()),
        sort=sort.by,
        partition=sort.partition or "model",
        preferred_min_throughput=_percentiles(given.preferred_min_throughput),
        preferred_max_latency=_percentiles(given.preferred_max_latency),
        max_price=_max_price(given.max_price) if given.max_price else {},
        options={name.lower(): options for name, options in (given.options or {}).items()},
    )


def _names(names: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in names or ()))


def _percentiles(given: float | Percentiles | None) -> dict[str, float]:
    """A number alone is the median's."""
    if given is None:
        return {}
    return given.model_dump(exclude_none=True) if isinstance(given, Percentiles) else {"p50": given}


def _max_price(given: MaxPrice) -> dict[str, str]:
    prices = {part: str(price) for part, price in given.model_dump(exclude_none=True).items()}
    for part, price in prices.items():
        try:
            valid = Decimal(price) >= 0
        except InvalidOperation:
            valid = False
        if not valid:
            raise InvalidRequest("give a price in USD per million tokens", field=f"provider.max_price.{part}")
    return prices
