"""From a chat body to the canonical request."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.chat.schema import ChatBody, OtherTool
from turnpike.api.inference.request import build_request
from turnpike.api.validation import parse
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.searches import TOOL

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
    prompt = content.get("prompt")
    if prompt and content.get("messages") is None:
        # The older form (reference 2.1).
        content = {**content, "messages": _messages_of(prompt)}
    body = parse(ChatBody, content)
    request = build_request(
        body,
        headers,
        messages=content["messages"],
        parameters=_parameters(body, content),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        transforms=body.transforms,
    )
    for place, tool in enumerate(body.tools or ()):
        if isinstance(tool, OtherTool):
            request = _with_other(request, content["tools"][place], f"tools.{place}")
    return request


def _with_other(request: ChatRequest, tool: Mapping[str, Any], path: str) -> ChatRequest:
    """Raises InvalidRequest for a tool that is neither a function nor a search of the web."""
    kind = str(tool["type"])
    # In chat completions OpenAI's words mean the same.
    if kind != TOOL and not kind.startswith("web_search"):
        raise InvalidRequest(
            f"{kind[:64]} is a tool that this deployment does not have; send tools of type function, and run them "
            "yourself",
            field=f"{path}.type",
        )
    # Not before it is needed: most requests bring functions alone.
    from turnpike.api.inference.search_tool import with_search

    return with_search(request, tool, path)


def _messages_of(prompt: Any) -> list[dict[str, Any]]:
    if not isinstance(prompt, str):
        raise InvalidRequest("send a text, or messages", field="prompt")
    return [{"role": "user", "content": prompt}]


def _parameters(body: ChatBody, content: Mapping[str, Any]) -> dict[str, Any]:
    # Null is "absent" (reference 1.6), and an empty list of tools is refused by several providers.
    parameters = {name: content[name] for name in _PARAMETERS if content.get(name) is not None}
    if "tools" in parameters:
        functions = [tool for tool in parameters.pop("tools") if tool["type"] == "function"]
        if functions:
            parameters["tools"] = functions
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
