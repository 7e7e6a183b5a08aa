"""Plausible values for a JSON schema: the demo provider's tool arguments and structured answers."""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_MAX_DEPTH = 8
"""Recursive schemas end here: deeper optional members are left out, deeper arrays are empty."""

_MOST = 1_000
"""Items and characters that a schema can demand of this provider."""

# By the property's name, since a schema's type says little; matched as part of the lower-case name.
_STRINGS_BY_NAME = {
    "city": "Paris",
    "location": "Paris",
    "country": "France",
    "unit": "celsius",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "url": "https://example.com/",
    "date": "2026-01-01",
    "time": "12:00",
    "currency": "USD",
    "language": "en",
}
_STRINGS_BY_FORMAT = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T12:00:00Z",
    "time": "12:00:00Z",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def example_of(schema: Schema, *, text: str = "example") -> Any:
    """A JSON value that fits the schema; strings whose name tells nothing become `text`."""
    return _value(schema, "", text, schema, 0)


def _value(schema: Schema, name: str, text: str, root: Schema, depth: int) -> Any:
    schema = _resolve(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    match _type_of(schema):
        case "object":
            return _object(schema, text, root, depth)
        case "array":
            return _array(schema, name, text, root, depth)
        case "string":
            return _string(schema, name, text)
        case "integer":
            return int(_number(schema))
        case "number":
            return _number(schema)
        case "boolean":
            return True
        case _:
            return None


def _object(schema: Schema, text: str, root: Schema, depth: int) -> dict[str, Any]:
    required = schema.get("required", ())
    return {
        key: _value(member, key, text, root, depth + 1)
        for key, member in schema.get("properties", {}).items()
        if depth < _MAX_DEPTH or (key in required and depth < 2 * _MAX_DEPTH)
    }


def _array(schema: Schema, name: str, text: str, root: Schema, depth: int) -> list[Any]:
    if depth >= _MAX_DEPTH:
        return []
    length: int = min(schema.get("minItems", 1), _MOST)
    item = _value(schema.get("items", {"type": "string"}), name, text, root, depth + 1)
    return [item] * min(length, schema.get("maxItems", length))


def _string(schema: Schema, name: str, text: str) -> str:
    value = _STRINGS_BY_FORMAT.get(schema.get("format", ""))
    if value is None:
        lower = name.lower()
        value = next((known for part, known in _STRINGS_BY_NAME.items() if part in lower), text)
    return value.ljust(min(schema.get("minLength", 0), _MOST), ".")[: schema.get("maxLength")]


def _number(schema: Schema) -> int | float:
    step: int | float = schema.get("multipleOf", 1)
    if "minimum" in schema:
        low: int | float = schema["minimum"]
        return low
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"]
        return low + step
    high: int | float = schema.get("maximum", step)
    return min(step, high)


def _type_of(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    if isinstance(kind, Sequence):
        return next((str(each) for each in kind if each != "null"), "null")
    return "object" if "properties" in schema else "string"


def _resolve(schema: Any, root: Schema) -> Schema:
    """Follow `$ref` into the same document, and take the first branch of a choice."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, Mapping):
            return {}
        if reference := schema.get("$ref"):
            schema = _follow(reference, root)
        elif choice := schema.get("anyOf") or schema.get("oneOf"):
            schema = next((each for each in choice if each.get("type") != "null"), choice[0])
        elif parts := schema.get("allOf"):
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            schema = {key: value for part in (rest, *parts) for key, value in _resolve(part, root).items()}
        else:
            break
    return schema if isinstance(schema, Mapping) else {}


def _follow(reference: str, root: Schema) -> Any:
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step, {}) if isinstance(found, Mapping) else {}
    return found
