"""What a preset may say, checked by the schema of the requests that it will be a part of."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import Field
from starlette.datastructures import Headers

from turnpike.api.chat.parse import parse_chat_request
from turnpike.api.inference.preferences import PRESET
from turnpike.api.inference.routing_schema import Checked
from turnpike.api.validation import parse
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.presets import MOST_BYTES

SHARED = ("model", "models", "provider", "plugins", "transforms")
"""Members that mean the same in the bodies of all skins."""

PARAMETERS = frozenset(
    {
        *("temperature", "top_p", "top_k", "min_p", "top_a", "seed", "stop", "logit_bias", "logprobs", "top_logprobs"),
        *("frequency_penalty", "presence_penalty", "repetition_penalty", "response_format", "structured_outputs"),
        *("tools", "tool_choice", "parallel_tool_calls", "reasoning", "verbosity", "modalities", "audio"),
        *("image_config", "service_tier", "cache_control", "prompt_cache_options", "web_search_options"),
    }
)
"""Of a canonical request; what belongs to one conversation alone is not among them."""

_CACHING = frozenset({"cache_enabled", "cache_ttl_seconds"})
_OTHER_WORDS = frozenset({"max_tokens", "max_completion_tokens", "reasoning_effort", "include_reasoning"})
_KNOWN = frozenset(SHARED) | PARAMETERS | _CACHING | _OTHER_WORDS

ANY_MODEL = "any/model"
"""In the place of a model where a request has to name one and none is asked."""
ANY_MESSAGE: Mapping[str, Any] = {"role": "user", "content": "."}

_ONLY_CHECKED = Headers()


class _Caching(Checked):
    cache_enabled: bool | None = None
    cache_ttl_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None


def parse_config(given: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null. Raises InvalidRequest naming the field, also for one that no preset has: a misspelt
    parameter must not pass for one that is set.
    """
    for name in given:
        if name not in _KNOWN:
            raise InvalidRequest(
                f"is nothing that a preset can set; it sets {', '.join(sorted(_KNOWN))}", field=str(name)[:64]
            )
    config = {name: value for name, value in given.items() if value is not None}
    check_config(config)
    return config


def check_config(config: Mapping[str, Any]) -> None:
    """Raises InvalidRequest naming the field."""
    template_of(config)
    parse(_Caching, config)
    # Among `models` no request has one.
    if PRESET in config.get("model", ""):
        raise InvalidRequest("a preset cannot refer to a preset; name a model", field="model")


def check_size(config: Mapping[str, Any], system_prompt: str | None) -> None:
    """Raises InvalidRequest."""
    try:
        size = len(orjson.dumps([config, system_prompt]))
    except TypeError:
        raise InvalidRequest("it holds a number that is too large") from None
    if size > MOST_BYTES:
        raise InvalidRequest(f"a preset may have {MOST_BYTES // 1000} KB in all; send less")


def template_of(config: Mapping[str, Any]) -> ChatRequest:
    """The config as a canonical request, whose messages mean nothing, and whose models do not where it names none.

    Raises InvalidRequest naming the field.
    """
    return parse_chat_request({"model": ANY_MODEL, **config, "messages": [ANY_MESSAGE]}, _ONLY_CHECKED)
