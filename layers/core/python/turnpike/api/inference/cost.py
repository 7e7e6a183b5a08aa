"""What a generation cost, as every skin's usage says it."""

from typing import Any, Protocol

from turnpike.domain.chat import Usage
from turnpike.domain.cost import Cost
from turnpike.domain.money import NanoUsd, present_usd


class Billed(Protocol):
    """What was used and what it costs: of a call, or of several together."""

    @property
    def usage(self) -> Usage: ...
    @property
    def cost(self) -> NanoUsd: ...
    @property
    def upstream_cost(self) -> Cost: ...
    @property
    def is_byok(self) -> bool: ...
    @property
    def search_cost(self) -> NanoUsd: ...
    @property
    def file_cost(self) -> NanoUsd: ...
    @property
    def web_searches(self) -> int: ...


def present_cost(call: Billed) -> dict[str, Any]:
    upstream, tools = call.upstream_cost, NanoUsd(call.search_cost + call.file_cost)
    return {
        "cost": present_usd(call.cost),
        "is_byok": call.is_byok,
        "cost_details": {
            "upstream_inference_cost": present_usd(upstream.total),
            "upstream_inference_prompt_cost": present_usd(upstream.prompt),
            "upstream_inference_completions_cost": present_usd(upstream.completion),
            **({"server_tool_cost": present_usd(tools)} if tools else {}),
        },
    }


def present_tool_use(call: Billed) -> dict[str, Any]:
    """Under the name of OpenRouter's schema, and under that of its documentation; nothing where nobody searched."""
    if not call.web_searches:
        return {}
    searches = {"web_search_requests": call.web_searches}
    return {"server_tool_use": searches, "server_tool_use_details": searches}
