"""A wrapper that models sometimes write around parallel calls, as if there were a function `parallel`.

It is no function of the client's, and the client could not run it; the calls in it are the model's intention.
OpenAI's own tools for models have the same form: https://github.com/vercel/ai/issues/19067.
"""

from collections.abc import Collection, Iterable
from typing import Any

import orjson

Call = tuple[str, str, str]
"""(id, name, arguments)."""

_WRAPPERS = frozenset({"parallel", "multi_tool_use.parallel", "multi_tool_use_parallel"})
_PREFIX = "functions."


def is_wrapper(name: str, declared: Collection[str]) -> bool:
    """`declared` are the functions that the request named, as far as the answer repeats them."""
    return name in _WRAPPERS and name not in declared


def unwrapped(call: Call, declared: Collection[str]) -> list[Call]:
    """The calls within; the call itself where it is not what it seemed."""
    call_id, _, arguments = call
    try:
        uses = orjson.loads(arguments or "{}")["tool_uses"]
        calls = list(_calls(call_id, uses))
    except (LookupError, TypeError, ValueError):
        return [call]
    known = all(name in declared for _, name, _ in calls) if declared else True
    return calls if calls and known else [call]


def _calls(call_id: str, uses: Iterable[Any]) -> Iterable[Call]:
    """Raises ValueError, LookupError or TypeError for what is no use of a function."""
    for index, use in enumerate(uses):
        name, parameters = use["recipient_name"], use["parameters"]
        inner = name.removeprefix(_PREFIX) if isinstance(name, str) else ""
        if not inner or not isinstance(parameters, dict):
            raise ValueError("no use of a function")
        yield f"{call_id}_{index}", inner, orjson.dumps(parameters).decode()
