"""The fields of models and endpoints in catalog files, read into the form of the compiled catalog."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from turnpike.domain.catalog_tables import Row
from turnpike.domain.pricing import CONDITIONS, DAYS, MOST_PER_CALL, MOST_PER_TOKEN, PARTS, PER_CALL, present_price

_Table = dict[str, object]

MODEL_KEYS: Mapping[str, str] = {
    "name": "name",
    "description": "description",
    "created": "created",
    "context_length": "context_length",
    "input_modalities": "input_modalities",
    "output_modalities": "output_modalities",
    "supported_parameters": "parameters",
}
"""What a new model cannot do without, and what the compiled catalog calls it."""


def model_changes(row: Row) -> _Table:
    """What the table says of a model. Raises CatalogFileError."""
    return {MODEL_KEYS.get(key, key): read(row, key) for key, read in _MODEL.items() if key in row}


def endpoint_changes(row: Row) -> _Table:
    """What the table says of an endpoint. Raises CatalogFileError."""
    return {MODEL_KEYS.get(key, key): read(row, key) for key, read in _ENDPOINT.items() if key in row}


def _pricing(owner: Row, key: str) -> object:
    """Both base prices, so that none is zero by mistake; in the form that they are printed in."""
    row = owner.table(key)
    priced: _Table = {}
    for part in PARTS:
        if part in row or part in ("prompt", "completion"):
            priced[part] = _price(row, part)
    steps, images = _steps(row), row.table("output_images")
    row.refuse_unknown()
    if steps:
        priced["overrides"] = steps
    if images.values:
        priced["output_images"] = {name: _price(images, name, MOST_PER_CALL) for name in images.values}
    return priced


def _steps(row: Row) -> list[_Table]:
    steps = []
    for step in row.rows("overrides"):
        conditions: _Table = {name: _condition(step, name) for name in CONDITIONS if name in step}
        parts = _parts(step)
        step.refuse_unknown()
        if not conditions or not parts:
            raise step.error(None, "needs a condition and a price")
        steps.append({**conditions, **parts})
    return steps


def _condition(row: Row, name: str) -> object:
    if name != "utc_days":
        return row.whole_or_none(name)
    days = row.texts(name)
    if not days or not set(days) <= set(DAYS):
        raise row.error(name, f"is not a list of some of {', '.join(DAYS)}")
    return list(days)


def _parts(row: Row) -> _Table:
    return {part: _price(row, part) for part in PARTS if part in row}


def _price(row: Row, part: str, most: Decimal | None = None) -> str:
    text = row.text(part)
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise row.error(part, f"is {text!r}, which is no decimal") from None
    most = most or (MOST_PER_CALL if part in PER_CALL else MOST_PER_TOKEN)
    if not price.is_finite() or not 0 <= price <= most:
        raise row.error(part, f"is not between 0 and {most} USD; prices are those of one token")
    return present_price(price)


def _tiers(owner: Row, key: str) -> object:
    return {tier: _tier(prices) for tier, prices in owner.table(key).tables()}


def _tier(row: Row) -> _Table:
    """With `overrides`, even if there are none in it, what changes the endpoint's prices does not change these."""
    priced = _parts(row)
    if "overrides" in row:
        priced["overrides"] = _steps(row)
    row.refuse_unknown()
    return priced


def _timeouts(owner: Row, key: str) -> object:
    row = owner.table(key)
    found: _Table = {}
    for name in ("connect_s", "first_token_s", "gap_s", "whole_s"):
        value = row.get(name)
        if value is not None:
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 3600:
                raise row.error(name, "is not a number of seconds")
            found[name] = value
    row.refuse_unknown()
    return found


def _texts(row: Row, key: str) -> object:
    texts = row.texts(key)
    if not texts:
        raise row.error(key, "is empty")
    return list(texts)


def _parameters(row: Row, key: str) -> object:
    return sorted(set(row.texts(key)))


def _positive(row: Row, key: str) -> object:
    return row.whole_or_none(key, least=1)


_MODEL: Mapping[str, Callable[[Row, str], object]] = {
    "name": Row.text,
    "description": Row.text,
    "created": _positive,
    "context_length": _positive,
    "input_modalities": _texts,
    "output_modalities": _texts,
    "tokenizer": Row.text,
    "supported_parameters": _parameters,
    "knowledge_cutoff": Row.text,
    "distillable": Row.flag_or_none,
}
_ENDPOINT: Mapping[str, Callable[[Row, str], object]] = {
    "provider": Row.text,
    "upstream_model": Row.text,
    "wire": Row.text,
    "context_length": _positive,
    "max_completion_tokens": _positive,
    "supported_parameters": _parameters,
    "quantization": Row.text,
    "variant": Row.text,
    "region": Row.text,
    "input_modalities": _texts,
    "collects_data": Row.flag_or_none,
    "zdr": Row.flag_or_none,
    "pricing": _pricing,
    "tiers": _tiers,
    "timeouts": _timeouts,
}
