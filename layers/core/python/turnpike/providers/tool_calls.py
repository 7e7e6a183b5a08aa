"""Tool calls in OpenAI's shape, whole and as a stream's fragments."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

import orjson


def new_call_id() -> str:
    """For calls to which the provider gives none."""
    return f"call_{token_hex(12)}"


def call_of(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """A whole call; `arguments` is JSON, `{}` where the provider sent nothing."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}


def first_fragment(index: int, call_id: str, name: str, arguments: str = "") -> dict[str, Any]:
    """Where a streamed call begins: the only fragment with its id, type and name."""
    described = {"name": name, "arguments": arguments}
    return {"index": index, "id": call_id, "type": "function", "function": described}


def next_fragment(index: int, arguments: str) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments}}


def parse_arguments(call: Mapping[str, Any]) -> Any:
    """An earlier call's arguments as a value; models may have written what is no JSON, which is kept as text."""
    arguments = call["function"]["arguments"]
    if not arguments.strip():
        return {}
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {"arguments": arguments}
