"""JSON schemas of tools and answers, as far as Bedrock's models take them."""

from collections.abc import Mapping
from typing import Any

import orjson

from turnpike.domain.errors import InvalidRequest

Schema = dict[str, Any]

_DEEPEST = 128
_MOST_INLINED = 5_000
"""Objects within one schema, which a few lines of definitions can make any number of."""

_TOP_OF_PLAIN = ("type", "properties", "required")
_REFUSED = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    }
)
"""Constraints that structured output refuses: https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html"""
_OF_SCHEMAS = ("properties", "$defs", "definitions")
_LISTS_OF_SCHEMAS = ("anyOf", "allOf", "oneOf")


def closed_schema(given: Mapping[str, Any], depth: int = 0) -> Schema:
    """Every object closed, as demanded, and what is refused told in words. Raises InvalidRequest at a great depth."""
    _check(depth)
    built: Schema = {}
    told: list[str] = []
    for name, value in given.items():
        if name in _REFUSED or (name == "minItems" and value not in (0, 1)):
            told.append(f"{name}: {present_schema(value)}")
        elif name in _OF_SCHEMAS and isinstance(value, dict):
            built[name] = {key: _closed(each, depth) for key, each in value.items()}
        elif name in _LISTS_OF_SCHEMAS and isinstance(value, list):
            built[name] = [_closed(each, depth) for each in value]
        else:
            built[name] = _closed(value, depth) if name == "items" else value
    if told:
        built["description"] = " ".join(filter(None, (given.get("description"), f"({', '.join(told)})")))
    if built.get("type") == "object" or "properties" in built:
        built["additionalProperties"] = False
    return built


def object_schema(given: Mapping[str, Any]) -> Schema:
    """What a tool takes is an object, and its schema has to say so."""
    return {**given, "type": "object", "properties": given.get("properties") or {}}


def plain_schema(given: Mapping[str, Any]) -> Schema:
    """With nothing but Nova's three members at the top; definitions go to where they are used.

    Raises InvalidRequest for one that becomes too large.
    """
    definitions = {
        name: each
        for member in ("definitions", "$defs")
        if isinstance(given.get(member), dict)
        for name, each in given[member].items()
    }
    top = {name: value for name, value in object_schema(given).items() if name in _TOP_OF_PLAIN}
    inlined: Schema = _Inliner(definitions).inline(top, ())
    return inlined


def present_schema(value: Any) -> str:
    """As JSON. Raises InvalidRequest for what cannot be written as such."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        raise InvalidRequest("a JSON schema is nested too deeply") from None


class _Inliner:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._left = _MOST_INLINED

    def inline(self, value: Any, within: tuple[str, ...], depth: int = 0) -> Any:
        """`within` names the definitions that this is a part of."""
        self._left -= 1
        if self._left < 0:
            raise InvalidRequest("the JSON schema of a tool is too large", field="tools")
        _check(depth)
        if isinstance(value, list):
            return [self.inline(each, within, depth + 1) for each in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str):
            name = reference.rpartition("/")[2]
            # A definition within itself has no end, and any object has to do.
            target = self._definitions.get(name) if name not in within else {"type": "object"}
            rest = {key: each for key, each in value.items() if key != "$ref"}
            return self.inline({**(target if isinstance(target, dict) else {}), **rest}, (*within, name), depth + 1)
        return {key: self.inline(each, within, depth + 1) for key, each in value.items()}


def _closed(value: Any, depth: int) -> Any:
    return closed_schema(value, depth + 1) if isinstance(value, dict) else value


def _check(depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidRequest("a JSON schema is nested too deeply")
