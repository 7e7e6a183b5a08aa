"""From a chat body to the canonical request."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.chat.schema import ChatBody
from turnpike.api.inference.plugins import parse_betas, parse_caching, parse_plugins
from turnpike.api.inference.preferences import parse_models, parse_preferences, parse_session_id
from turnpike.api.validation import parse
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest

_PARAMETERS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "top_a",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "stop",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "response_format",
    "structured_outputs",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "verbosity",
    "prediction",
    "modalities",
    "audio",
    "image_config",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "cache_control",
    "web_search_options",
)


def parse_chat_request(content: Mapping[str, Any], headers: Headers) -> ChatRequest:
    """Raises InvalidRequest naming the field."""
    body = parse(ChatBody, content)
    plugins = parse_plugins(body.plugins, transforms=body.transforms)
    return ChatRequest(
        models=parse_models(body.model, body.models),
        messages=content["messages"],
        parameters=_parameters(body, content),
        stream=bool(body.stream),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        provider=parse_preferences(body.provider),
        user=body.user,
        session_id=parse_session_id(body.session_id, headers),
        auto_router=plugins.auto_router,
        context_compression=plugins.context_compression,
        response_healing=plugins.response_healing,
        plugins=plugins.on_prompt,
        caching=parse_caching(headers),
        betas=parse_betas(headers, "x-anthropic-beta"),
    )


def _parameters(body: ChatBody, content: Mapping[str, Any]) -> dict[str, Any]:
    # Null is "absent" (reference 1.6), and an empty list of tools is refused by several providers.
    parameters = {name: content[name] for name in _PARAMETERS if content.get(name) is not None}
    if parameters.get("tools") == []:
        del parameters["tools"]
    reasoning = _reasoning(body)
    if reasoning:
        parameters["reasoning"] = reasoning
    return parameters


def _reasoning(body: ChatBody) -> dict[str, Any]:
    """One shape for the three ways to ask for reasoning."""
    given = body.reasoning
    reasoning = given.model_dump(exclude_none=True) if given else {}
    short = body.reasoning_effort
    if short is not None and reasoning.setdefault("effort", short) != short:
        raise InvalidRequest("it disagrees with reasoning.effort; send one of them", field="reasoning_effort")
    if "effort" in reasoning and "max_tokens" in reasoning:
        raise InvalidRequest("send either effort or max_tokens", field="reasoning")
    if body.include_reasoning is not None and given is None:
        reasoning.setdefault("exclude", not body.include_reasoning)
    return reasoning
