"""Response healing: an answer that was to be JSON, and is almost.

Source: https://openrouter.ai/docs/guides/features/plugins/response-healing
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from turnpike.domain.chat import Choice, Completion
from turnpike.domain.json_repair import Repaired, Unreadable, goes_on, repair
from turnpike.domain.json_schemas import conforms

PLUGIN = "response-healing"
_FORMATS = frozenset({"json_object", "json_schema"})
_LONGEST = 2_000_000
_MOST_CANDIDATES = 64
_LONGEST_INTEGER = 300
_START = re.compile(r"[{\[]")


def heals(parameters: Mapping[str, Any]) -> bool:
    """Whether a request with these parameters asks for JSON, so that there is something to heal."""
    wanted = parameters.get("response_format")
    return isinstance(wanted, Mapping) and wanted.get("type") in _FORMATS


def heal_completion(completion: Completion, parameters: Mapping[str, Any]) -> tuple[Completion, int]:
    """The completion with its contents healed, and how many were. The completion itself when none was.

    An answer that its limit cut short stays as it is: closed, it would look whole.
    """
    response_format = parameters["response_format"]
    choices = [_heal_choice(choice, response_format) for choice in completion.choices]
    healed = sum(new is not old for new, old in zip(choices, completion.choices, strict=True))
    return (replace(completion, choices=choices) if healed else completion), healed


def heal_text(text: str, response_format: Mapping[str, Any]) -> str | None:
    """JSON of the kind that was asked for, found in `text` and mended; None when there is none for sure.

    Text that is valid JSON is returned as it is, whatever it says.
    """
    if len(text) > _LONGEST:
        return None
    if is_json(text):
        return text
    best: tuple[tuple[bool, int], str] | None = None
    position = 0
    for _ in range(_MOST_CANDIDATES):
        start = _START.search(text, position)
        if start is None:
            break
        found = _read_whole(text, start.start()) or repair(text, start.start())
        if isinstance(found, Unreadable):
            if found.began:
                # This was the answer. A piece of it that can be read is not what was asked for.
                return None
            position = start.end()
            continue
        position = found.end
        rank = _rank(found.text, response_format)
        if rank is not None and (best is None or rank > best[0]):
            best = (rank, found.text)
    return best[1] if best else None


def is_json(text: str) -> bool:
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read_whole(text: str, start: int) -> Repaired | None:
    """The object or array that begins at `start`, when nothing is wrong with it."""
    try:
        _, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return None if goes_on(text, end) else Repaired(text[start:end], end)


def _heal_choice(choice: Choice, response_format: Mapping[str, Any]) -> Choice:
    content = choice.message.get("content")
    if choice.finish_reason == "length" or not isinstance(content, str):
        return choice
    healed = heal_text(content, response_format)
    return (
        choice
        if healed is None or healed == content
        else replace(choice, message={**choice.message, "content": healed})
    )


def _rank(text: str, response_format: Mapping[str, Any]) -> tuple[bool, int] | None:
    """What conforms comes first, then what is longer; None for what is of another kind altogether."""
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    if response_format.get("type") == "json_object":
        return (True, len(text)) if isinstance(value, dict) else None
    schema = response_format.get("json_schema", {}).get("schema") or {}
    return (conforms(value, schema), len(text)) if conforms(value, {"type": schema.get("type")}) else None


def _parse_int(digits: str) -> float:
    # Python refuses to read integers of thousands of digits, which are valid JSON.
    return int(digits) if len(digits) < _LONGEST_INTEGER else float(digits)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# Reads as clients will: without the constants that only Python's reader takes.
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_parse_int)
