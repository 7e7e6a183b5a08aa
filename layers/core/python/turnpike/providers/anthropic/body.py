"""A request's body, for Anthropic itself and for the platforms that serve Claude with the same messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.domain.searches import OPTIONS, searches_with
from turnpike.domain.tool_choice import narrowed
from turnpike.providers.anthropic.content import Block, cache_mark
from turnpike.providers.anthropic.messages import THOUGHTS, build_turns
from turnpike.providers.anthropic.parameters import (
    UNLISTED,
    build_format,
    build_others,
    build_sampling,
    build_tools,
    is_forced,
)
from turnpike.providers.anthropic.search import search_tool
from turnpike.providers.anthropic.thinking import build_thinking
from turnpike.providers.anthropic.traits import traits_of
from turnpike.providers.caching import MOST_MARKS, cache_ttl
from turnpike.providers.parameters import listed_parameters

DEFAULT_MAX_TOKENS = 8192
"""The API demands a limit. This one is within what every model since Claude 3.5 can write:
https://platform.claude.com/docs/en/about-claude/models/overview
"""


@dataclass(frozen=True, slots=True)
class Platform:
    """Where a body goes to. The defaults are Anthropic's own API."""

    members: Mapping[str, Any] = field(default_factory=dict)
    """What else every body has, as `anthropic_version`."""

    names_model: bool = True
    """Whether `model` and `stream` are said in the body, and not by the address."""

    system_turns: bool = True
    """Whether instructions may stand between the messages, where the model takes that."""

    marks_by_itself: bool = True
    """Whether `cache_control` may be said of the whole request; otherwise its last block is marked."""


ANTHROPIC = Platform()


def build_body(request: ChatRequest, endpoint: Endpoint, platform: Platform = ANTHROPIC) -> dict[str, Any]:
    """Raises InvalidRequest for what the model cannot be asked at all."""
    traits = traits_of(endpoint)
    taken = _taken(request, endpoint)
    system, turns = build_turns(request.messages, system_turns=traits.system_turns and platform.system_turns)
    thinking = build_thinking(
        taken,
        traits,
        turns,
        max_tokens=request.max_tokens or endpoint.max_completion_tokens or DEFAULT_MAX_TOKENS,
        forced=is_forced(taken),
    )
    output_format, instruction = build_format(taken, traits)
    if instruction is not None:
        system = [*system, instruction]
    output = {"effort": thinking.effort, "format": output_format}
    body = {
        **platform.members,
        **({"model": endpoint.upstream_model} if platform.names_model else {}),
        "max_tokens": thinking.max_tokens,
        **({"system": system} if system else {}),
        "messages": turns,
        **build_tools(taken, _own_tools(request, endpoint), turns, traits),
        **build_sampling(taken, traits, thinking=thinking.on),
        **build_others(taken, request.user),
        **({"thinking": thinking.config} if thinking.config else {}),
        **({"output_config": {k: v for k, v in output.items() if v}} if any(output.values()) else {}),
        **({"stream": True} if request.stream and platform.names_model else {}),
    }
    _mark(body, cache_ttl(taken), whole=platform.marks_by_itself)
    return body


def _taken(request: ChatRequest, endpoint: Endpoint) -> dict[str, Any]:
    taken = listed_parameters(request, endpoint, unlisted=UNLISTED)
    if request.native_tools:
        # They are tools to choose from, though no parameter holds them.
        given = narrowed(request.parameters)
        taken |= {name: given[name] for name in _OF_TOOLS if name in given}
    return taken


_OF_TOOLS = ("tool_choice", "parallel_tool_calls")


def _own_tools(request: ChatRequest, endpoint: Endpoint) -> list[Mapping[str, Any]]:
    """Anthropic's. A search that is declared as its API has it goes before one that is asked for in other words."""
    own = [tool for tool in request.native_tools if tool.dialect == "messages"]
    declared = [tool.declared for tool in own]
    if searches_with(request, endpoint) and not any(tool.searches for tool in own):
        declared.append(search_tool(request.parameters[OPTIONS]))
    return declared


def betas_of(body: Mapping[str, Any], asked: Sequence[str] = ()) -> list[str]:
    """The previews that a body makes use of, and those of the client's that change how it is answered, for the header
    `anthropic-beta` or the member `anthropic_beta`.
    """
    thinking = body.get("thinking") or {}
    used = [beta for member, beta in _BETAS_OF_THINKING.items() if member in thinking]
    kinds = [tool.get("type") for tool in body.get("tools") or ()]
    used += [beta for kind, beta in _BETAS_OF_TOOLS.items() if kind in kinds]
    return [*used, *(beta for beta in asked if beta in _PASSED_ON)]


_BETAS_OF_THINKING = {"block_binding": "thinking-binding-controls-2026-08-01"}
"""https://platform.claude.com/docs/en/build-with-claude/preserved-thinking/prefix-checks. Nothing else that is asked
for here, but tools of its own, needs a header any more."""

_BETAS_OF_TOOLS = {
    "computer_20251124": "computer-use-2025-11-24",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20241022": "computer-use-2024-10-22",
}
"""https://platform.claude.com/docs/en/agents-and-tools/tool-use/computer-use-tool; the other tools that are passed on
need none: https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-reference.
"""

_PASSED_ON = frozenset({"fine-grained-tool-streaming-2025-05-14", "interleaved-thinking-2025-05-14"})
"""Others end in a 400 where they are not known, ask for members that are not sent, or for another price.
https://platform.claude.com/docs/en/build-with-claude/extended-thinking#interleaved-thinking and
https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming, which the other platforms
take too.
"""


def _mark(body: dict[str, Any], ttl: str | None, *, whole: bool) -> None:
    """Mark the end of the prompt where that is asked for: `whole` says whether the request itself can be marked.

    Of all marks four stay at most: the last before the messages, which conversations share, and the last ones,
    which cover the most. That of the whole request is one of them.
    """
    fixed = _markable([body.get("tools") or (), body.get("system") or ()])
    spoken = _markable([turn["content"] for turn in body["messages"]])
    if ttl is not None and whole:
        body["cache_control"] = cache_mark(ttl)
    elif ttl is not None and spoken:
        spoken[-1].setdefault("cache_control", cache_mark(ttl))
    marked = [block for block in [*fixed, *spoken] if "cache_control" in block]
    shared = next((block for block in reversed(fixed) if "cache_control" in block), None)
    excess = len(marked) - MOST_MARKS + ("cache_control" in body)
    for block in [block for block in marked if block is not shared][: max(excess, 0)]:
        del block["cache_control"]


def _markable(sections: Sequence[Sequence[Block]]) -> list[Block]:
    """Thoughts take no mark."""
    return [block for section in sections for block in section if block.get("type") not in THOUGHTS]
