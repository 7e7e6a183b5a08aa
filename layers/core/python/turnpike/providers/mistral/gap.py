"""What Mistral is asked to fill into the middle of a text; it answers as it answers a chat.

https://docs.mistral.ai/api/endpoint/fim
"""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest

_TAKEN = frozenset({"max_tokens", "random_seed", "stop", "temperature", "top_p"})
"""Of a chat's parameters."""


def build_gap(request: ChatRequest, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`parameters` as for a chat. Raises InvalidRequest where there is more than one text before the gap."""
    first, *others = request.messages
    if others or first["role"] != "user" or not isinstance(first["content"], str):
        raise InvalidRequest(
            "a model that fills in the middle takes no instructions; name no preset with a system prompt",
            field="suffix",
        )
    taken = {name: value for name, value in parameters.items() if name in _TAKEN}
    return {"prompt": first["content"], "suffix": request.parameters["suffix"], **taken}
