"""What a generation cost, as every skin's usage says it."""

from typing import Any

from turnpike.api.inference.skin import Call
from turnpike.domain.money import present_usd
from turnpike.services.generation_call import GenerationCall


def present_cost(call: "Call | GenerationCall") -> dict[str, Any]:
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
