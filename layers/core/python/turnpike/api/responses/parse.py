"""From a body of OpenAI's Responses to the canonical request."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.inference.request import build_request
from turnpike.api.inference.search_tool import with_search
from turnpike.api.responses.conversation import build_messages
from turnpike.api.responses.native import native_choice, native_parameters, native_tools, needs_dialect
from turnpike.api.responses.result import LOGPROBS
from turnpike.api.responses.schema import AllowedChoice, NativeChoice, ResponsesBody, SchemaFormat, Text, ToolChoice
from turnpike.api.responses.tools import Declared, build_function, declared_tools, function_name
from turnpike.api.validation import parse
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import NativeTool
from turnpike.domain.searches import TOOL
from turnpike.domain.tool_choice import ALLOWED

_AS_THEY_ARE = (
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "parallel_tool_calls",
    "modalities",
    "image_config",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "cache_control",
)


def parse_responses_request(content: Mapping[str, Any], headers: Headers) -> ChatRequest:
    """Raises InvalidRequest naming the field."""
    body = parse(ResponsesBody, content)
    _refuse_state(body)
    tools, others = declared_tools(content), native_tools(content)
    request = build_request(
        body,
        headers,
        messages=build_messages(body.instructions, content["input"]),
        parameters=_parameters(body, content, tools, others),
        max_tokens=body.max_output_tokens,
        user=body.safety_identifier,
        transforms=["middle-out"] if body.truncation == "auto" else None,
    )
    for place, tool in enumerate(content.get("tools") or ()):
        if tool["type"] == TOOL:
            request = with_search(request, tool, f"tools.{place}")
    custom = {name: declared.tool for name, declared in tools.items() if declared.kind == "custom"}
    request = replace(request, custom_tools=custom) if custom else request
    if others or needs_dialect(content["input"]):
        request = replace(request, native_tools=others, dialect="responses")
    return request


def _refuse_state(body: ResponsesBody) -> None:
    if body.store:
        raise InvalidRequest("nothing is stored here; send false", field="store")
    for name in ("previous_response_id", "conversation", "prompt"):
        if getattr(body, name) is not None:
            raise InvalidRequest("nothing is stored here; send the whole conversation as input", field=name)
    if body.background:
        raise InvalidRequest("nothing runs in the background here; send false", field="background")


def _parameters(
    body: ResponsesBody, content: Mapping[str, Any], tools: Mapping[str, Declared], others: Sequence[NativeTool]
) -> dict[str, Any]:
    parameters = {name: content[name] for name in _AS_THEY_ARE if content.get(name) is not None}
    if others:
        parameters.update(native_parameters(content))
    if tools:
        functions = [build_function(name, declared) for name, declared in tools.items()]
        parameters["tools"] = [{"type": "function", "function": function} for function in functions]
    if body.tool_choice:
        parameters["tool_choice"] = _tool_choice(body.tool_choice, content["tool_choice"], others)
    if body.top_logprobs or LOGPROBS in (body.include or ()):
        parameters["logprobs"] = True
        if body.top_logprobs:
            parameters["top_logprobs"] = body.top_logprobs
    if body.text:
        parameters.update(_text(body.text))
    if body.reasoning:
        reasoning = body.reasoning.model_dump(exclude_none=True)
        if "effort" in reasoning and "max_tokens" in reasoning:
            raise InvalidRequest("send either effort or max_tokens", field="reasoning")
        if reasoning:
            parameters["reasoning"] = reasoning
    return parameters


def _tool_choice(
    choice: str | ToolChoice | AllowedChoice | NativeChoice, content: Any, others: Sequence[NativeTool]
) -> Any:
    """In the words of chat completions, but for what they have none for."""
    if isinstance(choice, str):
        return choice
    if isinstance(choice, ToolChoice):
        return {"type": "function", "function": {"name": function_name(choice.name, choice.namespace)}}
    if isinstance(choice, NativeChoice):
        return native_choice(content, others)
    tools = [_tool_choice(each, told, others) for each, told in zip(choice.tools, content["tools"], strict=True)]
    return {"type": ALLOWED, ALLOWED: {"mode": choice.mode, "tools": tools}}


def _text(text: Text) -> dict[str, Any]:
    built: dict[str, Any] = {"verbosity": text.verbosity} if text.verbosity else {}
    if isinstance(text.format, SchemaFormat):
        schema = text.format.model_dump(by_alias=True, exclude_none=True, exclude={"type"})
        built["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif text.format and text.format.type == "json_object":
        built["response_format"] = {"type": "json_object"}
    return built
