"""A request's parameters in the words of the Responses API; those that it does not have are left out:
`stop`, `seed`, penalties, `logit_bias`, `prediction`, and whatever samples while a model reasons.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.domain.tool_choice import ALLOWED, is_narrow, narrowed
from turnpike.providers.openai_responses.families import Family, takes_custom_tools
from turnpike.providers.openai_responses.searching import build_choice, build_tools, most_calls, searches
from turnpike.providers.openai_responses.servers import OPENAI, Server
from turnpike.providers.parameters import forced_function, listed_parameters, tool_functions
from turnpike.providers.reasoning import effort_of

_UNLISTED = frozenset({"prompt_cache_key", "prompt_cache_options", "include"})
_AS_THEY_ARE = ("parallel_tool_calls", "prompt_cache_key", "service_tier")
_SAMPLING = ("temperature", "top_p", "top_logprobs")
_OF_TOOLS = ("tool_choice", "parallel_tool_calls")

_LEAST_TOKENS = 16
"""A lower limit is a 400: https://developers.openai.com/api/reference/resources/responses/methods/create."""
_LONGEST_IDENTIFIER = 64
_VERBOSITIES = {"xhigh": "high", "max": "high"}


def build_parameters(
    request: ChatRequest, endpoint: Endpoint, family: Family, server: Server = OPENAI, *, marked: bool
) -> dict[str, Any]:
    """`marked`: whether the prompt may have marks for caching. Raises InvalidRequest."""
    taken = listed_parameters(request, endpoint, unlisted=_UNLISTED, narrows_tools=not server.narrow_choices)
    taken = {name: value for name, value in taken.items() if name not in server.refused}
    others = build_tools(request, endpoint, server)
    if others:
        # They need no functions beside them.
        given = request.parameters if server.narrow_choices else narrowed(request.parameters)
        taken.update((name, given[name]) for name in _OF_TOOLS if name in given)
    reasoning = _reasoning(taken.get("reasoning") or {}, request.max_tokens, family)
    if searches(others) and reasoning.get("effort") == "minimal":
        # https://developers.openai.com/api/docs/guides/tools-web-search#limitations
        reasoning["effort"] = "low"
    samples = family.samples or not family.efforts or reasoning.get("effort", family.default) == "none"
    passed = (*_AS_THEY_ARE, *_SAMPLING) if samples else _AS_THEY_ARE
    built = {name: taken[name] for name in passed if taken.get(name) is not None}
    if reasoning:
        built["reasoning"] = reasoning
    include = _include(taken, family, samples=samples)
    if include:
        built["include"] = include
    text = _text(taken)
    if text:
        built["text"] = text
    if request.max_tokens is not None:
        built["max_output_tokens"] = max(request.max_tokens, _LEAST_TOKENS)
    if request.user:
        built["safety_identifier"] = _identifier(request.user)
    if taken.get("prompt_cache_options") and marked:
        built["prompt_cache_options"] = taken["prompt_cache_options"]
    most = most_calls(request, others)
    if others and most is not None:
        built["max_tool_calls"] = most
    custom = request.custom_tools if takes_custom_tools(endpoint) else {}
    return {**built, **_tools(taken, others, custom)}


def _reasoning(given: Mapping[str, Any], max_tokens: int | None, family: Family) -> dict[str, Any]:
    """Summaries come unless they are excluded, as OpenRouter has them."""
    if not family.efforts:
        return {}
    built: dict[str, Any] = {}
    effort = effort_of(given, max_tokens)
    if effort is not None:
        built["effort"] = family.nearest(effort)
    reasons = built.get("effort", family.default) != "none"
    if reasons and family.summaries and not given.get("exclude"):
        built["summary"] = given.get("summary") or "auto"
    context = given.get("context")
    if context and (family.all_turns or context != "all_turns"):
        built["context"] = context
    if given.get("mode") and family.modes:
        built["mode"] = given["mode"]
    return built


def _include(taken: Mapping[str, Any], family: Family, *, samples: bool) -> list[str]:
    """Without `store`, reasoning lives on in its encrypted form alone; models that have none answer 400.

    https://developers.openai.com/api/docs/guides/reasoning#encrypted-reasoning-items
    """
    include = ["reasoning.encrypted_content"] if family.efforts or family.encrypts else []
    if samples and (taken.get("logprobs") or taken.get("top_logprobs")):
        include.append("message.output_text.logprobs")
    return [*include, *(taken.get("include") or ())]


def _text(taken: Mapping[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    given = taken.get("response_format") or {}
    kind = given.get("type")
    if kind in ("text", "json_object"):
        built["format"] = {"type": kind}
    elif kind == "json_schema":
        schema = given["json_schema"]
        built["format"] = {
            "type": kind,
            "name": schema["name"],
            "schema": schema.get("schema") or {"type": "object"},
            "strict": bool(schema.get("strict")),
            **({"description": schema["description"]} if schema.get("description") else {}),
        }
    verbosity = taken.get("verbosity")
    if verbosity:
        built["verbosity"] = _VERBOSITIES.get(verbosity, verbosity)
    return built


def _tools(
    taken: Mapping[str, Any], others: list[dict[str, Any]], custom: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """`custom` are the functions that are declared as what takes a text, by name; `others` are no functions."""
    functions = [
        _custom(each["name"], custom[each["name"]]) if each["name"] in custom else _function(each)
        for each in tool_functions(taken)
    ]
    if not functions and not others:
        return {}
    built: dict[str, Any] = {"tools": [*functions, *others]}
    choice = taken.get("tool_choice")
    forced = forced_function(choice)
    if is_narrow(choice):
        allowed = choice[ALLOWED]
        named = [(each, forced_function(each)) for each in allowed["tools"]]
        tools = [build_choice(each) if name is None else _forced(name, custom) for each, name in named]
        built["tool_choice"] = {"type": ALLOWED, "mode": allowed["mode"], "tools": tools}
    elif choice is not None:
        built["tool_choice"] = build_choice(choice) if forced is None else _forced(forced, custom)
    return built


def _forced(name: str, custom: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"type": "custom" if name in custom else "function", "name": name}


def _custom(name: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    members = {member: declared[member] for member in ("description", "format") if declared.get(member) is not None}
    return {"type": "custom", "name": name, **members}


def _function(given: Mapping[str, Any]) -> dict[str, Any]:
    """Always with `strict`: without it this API makes every parameter required, which chat completions do not.

    https://developers.openai.com/api/docs/guides/function-calling#strict-mode
    """
    return {
        "type": "function",
        "name": given["name"],
        **({"description": given["description"]} if given.get("description") else {}),
        "parameters": given.get("parameters") or {"type": "object", "properties": {}},
        "strict": bool(given.get("strict")),
    }


def _identifier(user: str) -> str:
    """A longer one is refused."""
    return user if len(user) <= _LONGEST_IDENTIFIER else sha256(user.encode()).hexdigest()
