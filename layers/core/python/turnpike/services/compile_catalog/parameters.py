"""Which request parameters an endpoint takes, by OpenRouter's names.

What models.dev says of the model (`temperature`, `tool_call`, `structured_output`, `reasoning`) decides on groups of
parameters, and the wire format and the provider on what stands in each of them. A flag that models.dev does not give
counts as given for sampling, which nearly every model takes, and as not given for the others.
"""

from collections.abc import Mapping

from turnpike.services.compile_catalog.models_dev import SourceModel
from turnpike.services.compile_catalog.settings import ProviderSource

_TOOLS = frozenset({"tools", "tool_choice"})
_REASONING = frozenset({"reasoning", "include_reasoning"})
_NEED_TOOLS = frozenset({"parallel_tool_calls"})
_NEED_REASONING = frozenset({"verbosity"})
_ALWAYS = frozenset({"max_tokens"})

_COMMON = frozenset({"temperature", "top_p", "stop", "frequency_penalty", "presence_penalty", "seed"})
_SAMPLING: Mapping[str, frozenset[str]] = {
    # No seed, and no penalties: https://platform.claude.com/docs/en/api/messages
    "anthropic": frozenset({"temperature", "top_p", "top_k", "stop"}),
    "bedrock_anthropic": frozenset({"temperature", "top_p", "top_k", "stop"}),
    "vertex_anthropic": frozenset({"temperature", "top_p", "top_k", "stop"}),
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html
    "bedrock": frozenset({"temperature", "top_p", "stop"}),
    # https://ai.google.dev/api/generate-content#generationconfig
    "google": _COMMON | {"top_k"},
    # No stop sequences and no penalties: https://platform.openai.com/docs/api-reference/responses/create
    "openai_responses": frozenset({"temperature", "top_p"}),
    "azure_responses": frozenset({"temperature", "top_p"}),
}
_STAY_WITHOUT_SAMPLING: Mapping[str, frozenset[str]] = {
    # Models that reason refuse what shapes sampling, and stop sequences with it at OpenAI:
    # https://platform.openai.com/docs/guides/reasoning
    "openai_compatible": frozenset({"seed"}),
    "azure": frozenset({"seed"}),
    "anthropic": frozenset({"stop"}),
    "bedrock_anthropic": frozenset({"stop"}),
    "vertex_anthropic": frozenset({"stop"}),
    "google": frozenset({"stop", "seed"}),
}
_HAVE_JSON_MODE = frozenset(
    {"openai_compatible", "openai_responses", "azure", "azure_responses", "google", "mistral", "cohere"}
)
"""Those that can be told to answer in JSON of no given schema."""
_PARALLEL = frozenset({"anthropic", "bedrock_anthropic", "vertex_anthropic", "openai_responses", "azure_responses"})


def supported_parameters(model: SourceModel, source: ProviderSource, wire: str) -> frozenset[str]:
    taken = set(_ALWAYS)
    samples = model.temperature is not False
    taken |= _SAMPLING.get(wire, _COMMON) if samples else _STAY_WITHOUT_SAMPLING.get(wire, frozenset())
    if model.tools:
        taken |= _TOOLS
        if wire in _PARALLEL:
            taken |= _NEED_TOOLS
    if wire in _HAVE_JSON_MODE and (model.structured is not False or model.tools):
        taken.add("response_format")
    if model.structured:
        taken.add("structured_outputs")
    if model.reasoning:
        taken |= _REASONING
    taken |= _extra(model, source, wire, samples=samples) | source.taken_by(model.id)
    if "structured_outputs" in taken:
        taken.add("response_format")
    return frozenset(taken - source.refuses)


def _extra(model: SourceModel, source: ProviderSource, wire: str, *, samples: bool) -> frozenset[str]:
    """The provider's own, as far as the model has use for them."""
    extra = source.parameters
    if not model.tools:
        extra -= _NEED_TOOLS
    if not model.reasoning:
        extra -= _NEED_REASONING
    if not samples:
        extra &= _NEED_TOOLS | _NEED_REASONING | {"web_search_options"}
    if wire in ("openai_responses", "azure_responses"):
        extra -= {"logit_bias", "logprobs", "top_logprobs"}
    return extra
