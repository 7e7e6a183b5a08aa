"""How Azure's chat completions differ from what is usual: rows of the compatible wire's data."""

from turnpike.domain.catalog import Endpoint
from turnpike.providers.openai_compatible.quirks import Quirks

_FOREIGN = frozenset({"cache_control", "image_config", "min_p", "prediction", "repetition_penalty", "top_a", "top_k"})
"""Parameters of other providers; Azure answers 400 "Unrecognized request argument supplied"."""

# https://learn.microsoft.com/azure/foundry/openai/latest#create-chat-completion
OPENAI_MODELS = Quirks(
    # Reasoning models answer 400 to `max_tokens`, and the others take both:
    # https://learn.microsoft.com/azure/foundry/openai/how-to/reasoning
    max_tokens="max_completion_tokens",
    # Usage in streams since 2024-09-01-preview: https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
    usage_in_stream=True,
    developer_role=True,
    refusals=True,
    unlisted=frozenset({"prompt_cache_key"}),
    # Searching the web is a tool of the Responses API alone.
    refused=(_FOREIGN - {"prediction"}) | {"web_search_options"},
    # As OpenAI's own: `minimal` ended with gpt-5, and chat completions take `max` on no model.
    efforts={"minimal": "low", "max": "xhigh"},
)

# DeepSeek, Grok, MAI and others "sold directly by Azure", which speak what is usual:
# https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle#model-support
OTHER_MODELS = Quirks(
    refused=frozenset({"cache_control", "image_config", "prediction", "web_search_options"}),
    # The least that all of them understand.
    efforts={"minimal": "low", "xhigh": "high", "max": "high"},
)


def quirks_of(endpoint: Endpoint) -> Quirks:
    """By the model's author, since deployments may have any name."""
    return OPENAI_MODELS if endpoint.model_id.startswith("openai/") else OTHER_MODELS
