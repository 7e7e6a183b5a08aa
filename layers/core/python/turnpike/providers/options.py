"""`provider.options`: what a client wants in the body that one provider is sent, beside what the wire format put there.

https://openrouter.ai/docs/guides/routing/provider-selection
"""

from collections.abc import Mapping
from typing import Any

_OURS = frozenset(
    {
        # What is asked.
        *("contents", "input", "instructions", "messages", "model", "models", "prompt", "system", "systemInstruction"),
        *("message", "system_instruction", "previous_response_id", "conversation", "anthropic_version"),
        # In which form it is answered.
        *("background", "stream", "stream_options", "store"),
        # How much of it, which is what the client's credit was held for.
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens"),
        *("best_of", "candidateCount", "candidate_count", "n", "num_generations"),
        *("partial_images", "quality", "resolution", "size"),
        # At which price: these have one that no catalog knows of for this endpoint.
        *("plugins", "search_parameters", "serviceTier", "service_tier", "speed", "tools"),
        *("mcp_servers", "web_search_options", "performanceConfig"),
    }
)
"""Left as they are, at any depth: the request decides them, and routing and billing rely on that."""


def with_options(body: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the options in it; objects are merged, and everything else is replaced. Changes neither."""
    merged = dict(body)
    for name, value in options.items():
        if name in _OURS:
            continue
        if isinstance(value, Mapping):
            within = merged.get(name)
            value = with_options(within if isinstance(within, Mapping) else {}, value)
        merged[name] = value
    return merged
