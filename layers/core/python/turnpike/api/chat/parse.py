"""From a chat body to the canonical request."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.chat.plugins import parse_caching, parse_plugins
from turnpike.api.chat.routing_schema import MaxPrice, Percentiles, Provider, Sort
from turnpike.api.chat.schema import LONGEST_SESSION_ID, ChatBody
from turnpike.api.validation import parse
from turnpike.domain.chat import ChatRequest, ProviderPreferences
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
    plugins = parse_plugins(body)
    session_id = body.session_id or headers.get("x-session-id")
    if session_id and len(session_id) > LONGEST_SESSION_ID:
        raise InvalidRequest(f"it may have at most {LONGEST_SESSION_ID} characters", field="x-session-id")
    return ChatRequest(
        models=_models(body),
        messages=content["messages"],
        parameters=_parameters(body, content),
        stream=bool(body.stream),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        provider=_preferences(body.provider) if body.provider else ProviderPreferences(),
        user=body.user,
        session_id=session_id,
        auto_router=plugins.auto_router,
        context_compression=plugins.context_compression,
        response_healing=plugins.response_healing,
        caching=parse_caching(headers),
    )


def _models(body: ChatBody) -> tuple[str, ...]:
    models = ([body.model] if body.model else []) + (body.models or [])
    if not models:
        raise InvalidRequest("name the model to ask; GET /models lists them", field="model")
    # The first of `models` may repeat `model`; asking it twice would only repeat its failure.
    return tuple(dict.fromkeys(models))


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


def _preferences(given: Provider) -> ProviderPreferences:
    sort = given.sort if isinstance(given.sort, Sort) else Sort(by=given.sort)
    return ProviderPreferences(
        order=_names(given.order),
        only=_names(given.only),
        ignore=_names(given.ignore),
        allow_fallbacks=given.allow_fallbacks is not False,
        require_parameters=bool(given.require_parameters),
        data_collection=given.data_collection or "allow",
        zdr=bool(given.zdr),
        enforce_distillable_text=bool(given.enforce_distillable_text),
        quantizations=tuple(given.quantizations or ()),
        sort=sort.by,
        partition=sort.partition or "model",
        preferred_min_throughput=_percentiles(given.preferred_min_throughput),
        preferred_max_latency=_percentiles(given.preferred_max_latency),
        max_price=_max_price(given.max_price) if given.max_price else {},
        options={name.lower(): options for name, options in (given.options or {}).items()},
    )


def _names(names: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in names or ()))


def _percentiles(given: float | Percentiles | None) -> dict[str, float]:
    """A number alone is the median's."""
    if given is None:
        return {}
    return given.model_dump(exclude_none=True) if isinstance(given, Percentiles) else {"p50": given}


def _max_price(given: MaxPrice) -> dict[str, str]:
    prices = {part: str(price) for part, price in given.model_dump(exclude_none=True).items()}
    for part, price in prices.items():
        try:
            valid = Decimal(price) >= 0
        except InvalidOperation:
            valid = False
        if not valid:
            raise InvalidRequest("give a price in USD per million tokens", field=f"provider.max_price.{part}")
    return prices
