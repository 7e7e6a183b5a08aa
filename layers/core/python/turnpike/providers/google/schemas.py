"""JSON Schema as Gemini reads it: what it does not know is left out or said in words that it knows.

`parametersJsonSchema` and `responseJsonSchema` take a part of JSON Schema
(https://ai.google.dev/api/generate-content#FIELDS.response_json_schema). References stay references, so that
recursive schemas need no unrolling here.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_DEEPEST = 64
"""A schema that is nested deeper is cut off there."""

_KEPT = frozenset(
    {"$anchor", "$id", "$ref", "description", "format", "maxItems", "maximum", "minItems", "minimum"}
    | {"propertyOrdering", "required", "title", "type"}
)
_OF_ONE = ("items", "additionalProperties")
_OF_MANY = ("anyOf", "oneOf", "prefixItems")
_BY_NAME = ("properties", "$defs")


def build_schema(schema: Schema) -> dict[str, Any]:
    return _clean(schema, 0)


def _clean(schema: Schema, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        return {}
    merged = _merged(schema)
    built = {name: value for name, value in merged.items() if name in _KEPT}
    for name in _OF_ONE:
        if name in merged:
            built[name] = _any(merged[name], depth)
    for name in _OF_MANY:
        if isinstance(merged.get(name), list):
            built[name] = [_any(each, depth) for each in merged[name]]
    for name in _BY_NAME:
        if isinstance(merged.get(name), dict):
            built[name] = {key: _any(each, depth) for key, each in merged[name].items()}
    _add_values(built, merged)
    _add_bounds(built, merged)
    if merged.get("nullable") is True:
        built["type"] = _with_null(built.get("type"))
    return _alone(built) if "$ref" in built else built


def _any(schema: Any, depth: int) -> Any:
    """True and False are schemas too."""
    if isinstance(schema, list):
        # Items by place, as drafts before 2020-12 wrote them.
        return _clean({"anyOf": schema}, depth + 1)
    return _clean(schema, depth + 1) if isinstance(schema, dict) else schema


def _merged(schema: Schema) -> dict[str, Any]:
    """With the members of `allOf` as its own, and `definitions` under today's name."""
    merged = dict(schema)
    for each in _list(merged.pop("allOf", None)):
        for name, value in _dict(each).items():
            known = merged.get(name)
            if isinstance(known, dict) and isinstance(value, dict):
                merged[name] = {**value, **known}
            elif isinstance(known, list) and name == "required":
                merged[name] = [*known, *(key for key in _list(value) if key not in known)]
            else:
                merged.setdefault(name, value)
    if "definitions" in merged:
        merged["$defs"] = {**_dict(merged.pop("definitions")), **_dict(merged.get("$defs"))}
    reference = merged.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/definitions/"):
        merged["$ref"] = "#/$defs/" + reference.removeprefix("#/definitions/")
    return merged


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _add_values(built: dict[str, Any], schema: Schema) -> None:
    """`const` is not known, and `enum` takes strings and numbers."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list):
        return
    kept = [value for value in values if isinstance(value, str | int | float) and not isinstance(value, bool)]
    if kept:
        built["enum"] = kept
        if None in values and "type" in built:
            built["type"] = _with_null(built["type"])
    elif values and "type" not in built:
        built["type"] = "null" if values == [None] else "boolean"


def _add_bounds(built: dict[str, Any], schema: Schema) -> None:
    """Bounds that exclude their own value are not known; whole numbers can say the same without."""
    if schema.get("type") != "integer":
        return
    for name, bound, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        value = schema.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            built.setdefault(bound, value + step)


def _with_null(kind: Any) -> Any:
    kinds = kind if isinstance(kind, list) else [kind] if kind else []
    return [*kinds, "null"] if kinds and "null" not in kinds else kind


def _alone(built: dict[str, Any]) -> dict[str, Any]:
    """Nothing may stand beside a reference that does not begin with "$"; a description is worth a detour."""
    reference = {name: value for name, value in built.items() if name.startswith("$")}
    if "description" not in built:
        return reference
    defined = {"$defs": reference.pop("$defs")} if "$defs" in reference else {}
    return {"description": built["description"], "anyOf": [reference], **defined}
