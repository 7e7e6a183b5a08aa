"""Tools that take a text instead of JSON, which OpenAI calls custom. To all others such a tool is a function with one
argument: https://developers.openai.com/api/docs/guides/function-calling#custom-tools
"""

import json
from typing import Any

_INPUT = "input"
OPENING, CLOSING = f'{{"{_INPUT}":"', '"}'
"""What stands around the text in the arguments of a call, for those who tell it piece by piece."""


def parameters_of_text(description: str) -> dict[str, Any]:
    """The JSON schema of the function; `description` says what the text is to be."""
    return {
        "type": "object",
        "properties": {_INPUT: {"type": "string", "description": description}},
        "required": [_INPUT],
        "additionalProperties": False,
    }


def arguments_of(text: str) -> str:
    return OPENING + escaped(text) + CLOSING


def escaped(piece: str) -> str:
    """A piece of the text, as it stands within the arguments."""
    return json.dumps(piece, ensure_ascii=False)[1:-1]


def text_of(arguments: str) -> str:
    """What a model wrote that knows the tool as a function. It may have left the JSON out, or some of it."""
    try:
        content = json.loads(arguments)
    except ValueError:
        return arguments
    text = content.get(_INPUT) if isinstance(content, dict) else content
    return text if isinstance(text, str) else arguments
