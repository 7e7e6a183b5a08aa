"""JSON schemas as far as constrained output takes them.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations; what it does not
take ends in an error, so it becomes a part of the description, as in Anthropic's own libraries.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from turnpike.domain.errors import InvalidRequest

_DEEPEST = 128
_NOT_TAKEN = frozenset(
    {
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "uniqueItems",
    }
)
_OF_SCHEMAS = ("properties", "$defs", "definitions")
_LISTS_OF_SCHEMAS = ("anyOf", "allOf", "oneOf")


def constrained(schema: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Every object closed, since open ones are refused, and limits put into words.

    Raises InvalidRequest for one that is nested too deeply for anyone.
    """
    if depth > _DEEPEST:
        raise InvalidRequest("a JSON schema is nested too deeply")
    built: dict[str, Any] = {}
    limits: list[str] = []
    for name, value in schema.items():
        if name in _NOT_TAKEN or (name == "minItems" and value not in (0, 1)):
            limits.append(f"{name}: {orjson.dumps(value).decode()}")
        elif name in _OF_SCHEMAS and isinstance(value, dict):
            built[name] = {key: _nested(each, depth) for key, each in value.items()}
        elif name in _LISTS_OF_SCHEMAS and isinstance(value, list):
            built[name] = [_nested(each, depth) for each in value]
        elif name == "items":
            built[name] = _nested(value, depth)
        else:
            built[name] = value
    if limits:
        described = schema.get("description")
        built["description"] = f"{described} ({', '.join(limits)})" if described else ", ".join(limits)
    if schema.get("type") == "object" or "properties" in schema:
        built.setdefault("additionalProperties", False)
    return built


def object_schema(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """A tool's input is an object, and its schema has to say so."""
    built = {"type": "object", **(schema or {})}
    if not schema:
        built["properties"] = {}
    return built


def _nested(schema: Any, depth: int) -> Any:
    return constrained(schema, depth + 1) if isinstance(schema, dict) else schema
