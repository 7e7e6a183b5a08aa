"""From a body of Anthropic's Messages to the canonical request."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.inference.request import build_request
from turnpike.api.inference.search_tool import with_search
from turnpike.api.messages.conversation import build_messages
from turnpike.api.messages.errors import ThreadRefused
from turnpike.api.messages.schema import MessagesBody, Thinking, ToolChoice
from turnpike.api.messages.tools import function_tools, native_tools
from turnpike.api.validation import parse
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.searches import TOOL

_AS_THEY_ARE = ("temperature", "top_p", "top_k", "cache_control")
_TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_SERVICE_TIERS = {"standard_only": "default", "standard": "default"}
"""https://platform.claude.com/docs/en/api/service-tiers; "default" is OpenAI's word, and OpenRouter's."""


def parse_messages_request(content: Mapping[str, Any], headers: Headers) -> ChatRequest:
    """Raises InvalidRequest naming the field."""
    body = parse(MessagesBody, content)
    if body.thread:
        raise ThreadRefused()
    if body.max_tokens is None:
        raise InvalidRequest("Field required; it limits the answer", field="max_tokens")
    return parse_prompt(body, content, headers)


def parse_prompt(body: MessagesBody, content: Mapping[str, Any], headers: Headers) -> ChatRequest:
    """The same where nothing is to be answered, as when tokens are counted. Raises InvalidRequest."""
    if body.fallbacks and body.models:
        raise InvalidRequest("send either fallbacks or models", field="fallbacks")
    request = build_request(
        body,
        headers,
        messages=build_messages(content.get("system"), content["messages"]),
        parameters=_parameters(body, content),
        max_tokens=body.max_tokens,
        models=[each.model for each in body.fallbacks or ()],
        user=body.metadata.user_id if body.metadata else None,
        beta_headers=("anthropic-beta", "x-anthropic-beta"),
    )
    for place, tool in enumerate(content.get("tools") or ()):
        if tool.get("type") == TOOL:
            request = with_search(request, tool, f"tools.{place}")
    own = native_tools(body, content.get("tools") or ())
    # Clients have to send a limit, and send a high one whatever they expect.
    return replace(request, takes_less=True, native_tools=own, dialect="messages" if own else None)


def _parameters(body: MessagesBody, content: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {name: content[name] for name in _AS_THEY_ARE if content.get(name) is not None}
    if body.stop_sequences:
        parameters["stop"] = body.stop_sequences
    if body.service_tier:
        parameters["service_tier"] = _SERVICE_TIERS.get(body.service_tier, body.service_tier)
    functions = function_tools(content.get("tools") or ())
    if functions:
        parameters["tools"] = functions
    if body.tool_choice:
        parameters.update(_tool_choice(body.tool_choice))
    form = (body.output_config.format if body.output_config else None) or body.output_format
    if form:
        schema = {"name": "answer", "strict": True, "schema": form.schema_}
        parameters["response_format"] = {"type": "json_schema", "json_schema": schema}
    parameters.update(_reasoning(body.thinking, body.output_config.effort if body.output_config else None))
    return parameters


def _tool_choice(given: ToolChoice) -> dict[str, Any]:
    if given.type != "tool":
        parameters: dict[str, Any] = {"tool_choice": _TOOL_CHOICES[given.type]}
    elif given.name:
        parameters = {"tool_choice": {"type": "function", "function": {"name": given.name}}}
    else:
        raise InvalidRequest("name the tool to use", field="tool_choice.name")
    if given.disable_parallel_tool_use:
        parameters["parallel_tool_calls"] = False
    return parameters


def _reasoning(thinking: Thinking | None, effort: str | None) -> dict[str, Any]:
    """An effort is one of thinking where the model is to decide how much to think; with a budget, or where nothing is
    said of thinking, it is one of the answer, for which chat completions have `verbosity`.
    """
    if thinking is None:
        return {"verbosity": effort} if effort else {}
    hides = {"exclude": True} if thinking.display == "omitted" else {}
    if thinking.type == "enabled":
        if thinking.budget_tokens is None:
            raise InvalidRequest("Field required; or send thinking.type adaptive", field="thinking.budget_tokens")
        reasoning: dict[str, Any] = {"max_tokens": thinking.budget_tokens, **hides}
    elif thinking.type == "adaptive":
        return {"reasoning": {"effort": effort, **hides} if effort else {"enabled": True, **hides}}
    else:
        # `between_tools` turns thinking off as far as a model allows it that cannot be without.
        reasoning = {"enabled": False}
    return {"reasoning": reasoning, **({"verbosity": effort} if effort else {})}
