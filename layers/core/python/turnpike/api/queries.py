"""Query parameters, read by type; errors name the parameter and never quote its value."""

import re
from collections.abc import Sequence
from decimal import Decimal

from starlette.datastructures import QueryParams

from turnpike.domain.errors import InvalidRequest

_LONGEST_NUMBER = 12
_DECIMAL = re.compile(r"\d{1,9}(\.\d{1,12})?([eE][+-]?\d)?", re.ASCII)


def whole(query: QueryParams, name: str, default: int, *, least: int = 0, most: int = 10**9) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise InvalidRequest("must be a whole number", field=name)
    value = int(text)
    if not least <= value <= most:
        raise InvalidRequest(f"must be from {least} to {most}", field=name)
    return value


def flag(query: QueryParams, name: str) -> bool:
    """False when absent."""
    text = query.get(name, "false").lower()
    if text not in ("true", "false", "1", "0", ""):
        raise InvalidRequest("must be true or false", field=name)
    return text in ("true", "1")


def names(query: QueryParams, name: str) -> list[str]:
    """A list with commas, as `text,image`; empty when absent."""
    return [part.strip() for part in query.get(name, "").split(",") if part.strip()]


def choice(query: QueryParams, name: str, known: Sequence[str]) -> str | None:
    """One of the known values; None when absent."""
    text = query.get(name, "")
    if not text:
        return None
    if text not in known:
        raise InvalidRequest(f"must be one of {', '.join(known)}", field=name)
    return text


def choices(query: QueryParams, name: str, known: Sequence[str]) -> list[str]:
    """A list with commas, of the known values; empty when absent."""
    found = names(query, name)
    if not set(found) <= set(known):
        raise InvalidRequest(f"must be a list, with commas, of {', '.join(known)}", field=name)
    return found


def decimal(query: QueryParams, name: str) -> Decimal:
    """Of a parameter that is there."""
    if not _DECIMAL.fullmatch(query[name]):
        raise InvalidRequest("must be a number", field=name)
    return Decimal(query[name])
