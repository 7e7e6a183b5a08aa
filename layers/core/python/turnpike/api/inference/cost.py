"""What a generation cost, as every skin's usage says it."""

from typing import Any, Protocol

from turnpike.domain.chat import Usage
from turnpike.domain.money import NanoUsd, present_usd
from turnpike.domain.pricing import Cost


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


def present_cost(call: Billed) -> dict[str, Any]:
    upstream = call.upstream_cost
    return {
        "cost": present_usd(call.cost),
        "is_byok": call.is_byok,
        "cost_details": {
            "upstream_inference_cost": present_usd(upstream.total),
            "upstream_inference_prompt_cost": present_usd(upstream.prompt),
            "upstream_inference_completions_cost": present_usd(upstream.completion),
        },
    }
