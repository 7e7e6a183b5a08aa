"""Whether a value conforms to a JSON Schema, as far as that tells one answer from another.

Knows the keywords that structured outputs may use; one that it does not know, or that is not as it should be,
holds for everything. Source: https://json-schema.org/draft/2020-12/json-schema-validation
"""

from collections.abc import Mapping
from typing import Any

_MOST_STEPS = 20_000
_DEEPEST = 100
"""Schemas come from clients, and some that refer to themselves would take for ever."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_COMBINATIONS = {"anyOf": any, "oneOf": any, "allOf": all}


def conforms(value: Any, schema: Any) -> bool:
    """`value` is as `json.loads` makes it."""
    return _Check(schema).holds(value, schema)


class _Check:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps_left = _MOST_STEPS

        self._depth = 0

    def holds(self, value: Any, schema: Any) -> bool:
        if not isinstance(schema, dict) or self._steps_left == 0 or self._depth == _DEEPEST:
            return schema is not False
        self._steps_left -= 1
        self._depth += 1
        held = self._holds(value, schema)
        self._depth -= 1
        return held

    def _holds(self, value: Any, schema: Mapping[str, Any]) -> bool:
        return (
            _is_of_type(value, schema.get("type"))
            and ("const" not in schema or value == schema["const"])
            and value in _list(schema, "enum", [value])
            and ("$ref" not in schema or self.holds(value, self._referred(schema["$ref"])))
            and self._holds_together(value, schema)
            and self._holds_inside(value, schema)
        )

    def _holds_together(self, value: Any, schema: Mapping[str, Any]) -> bool:
        for name, combine in _COMBINATIONS.items():
            parts = _list(schema, name, [])
            if parts and not combine(self.holds(value, part) for part in parts):
                return False
        return True

    def _holds_inside(self, value: Any, schema: Mapping[str, Any]) -> bool:
        if isinstance(value, list):
            return all(self.holds(element, schema.get("items", True)) for element in value)
        if not isinstance(value, dict):
            return True
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        others = schema.get("additionalProperties", True)
        return all(name in value for name in _list(schema, "required", [])) and all(
            self.holds(member, known.get(name, others)) for name, member in value.items()
        )

    def _referred(self, reference: Any) -> Any:
        """What `#/$defs/name` points at; True, which holds for everything, where it points at nothing."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return True
        found = self._root
        for step in reference.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                return True
            found = found[name]
        return found


def _list(schema: Mapping[str, Any], name: str, default: list[Any]) -> list[Any]:
    found = schema.get(name)
    return found if isinstance(found, list) else default


def _is_of_type(value: Any, wanted: Any) -> bool:
    names = wanted if isinstance(wanted, list) else [wanted]
    return any(_is_of(value, name) for name in names)


def _is_of(value: Any, name: Any) -> bool:
    if not isinstance(name, str) or name not in _TYPES:
        return True
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])
