"""What the models on Bedrock take and refuse, each family a row of data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from turnpike.domain.catalog import Endpoint

CLAUDE = "anthropic-claude-v1"
PLAIN = "unknown"
"""The formats of reasoning details: signed or redacted by Claude, and any other model's plain text."""

_LEVELS = {"minimal": "low", "xhigh": "high", "max": "high"}
_CLAUDE_LEVELS = {"minimal": "low"}
_CACHED = frozenset({"tools", "system", "messages"})


@dataclass(frozen=True, slots=True)
class Family:
    """The default is what an unknown model is trusted with."""

    thinking: Literal["none", "budget", "adaptive", "effort", "object", "nova"] = "none"
    """How reasoning is asked for: Anthropic's two ways, a word, a word in an object, or Nova's own object."""
    off: Literal["", "disabled", "between_tools", "never"] = ""
    """The type of thinking that is none, for a model that thinks unasked."""
    efforts: Mapping[str, str] = field(default_factory=dict)
    """OpenRouter's efforts that have another name here."""
    summarized: bool = False
    """Whether the reasoning's text has to be asked for: without, there is only its signature."""
    reasoning_format: str | None = None
    """The format of the reasoning that the model gives and takes back.

    None for models that refuse any: "User messages cannot contain reasoning content".
    https://github.com/langchain-ai/langchain-aws/issues/401
    """
    sampling: Literal["both", "one", "none"] = "both"
    """Whether temperature and top_p may be given."""
    stops: bool = True
    """Whether stop sequences may be given."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Parameters beside Converse's own, by their dotted path in `additionalModelRequestFields`."""
    structured: bool = True
    """Whether it may take `outputConfig.textFormat` and strict tools; the catalog knows the single models.

    https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
    """
    tool_choice: Literal["auto", "any", "tool"] = "any"
    """The strongest demand it takes.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html
    """
    plain_schemas: bool = False
    """Whether a tool's schema may have nothing but type, properties and required at the top."""
    caching: frozenset[str] = frozenset()
    """Where cache points may stand: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html"""
    hour_caching: bool = False
    short_call_ids: bool = False
    """Mistral's models want ids of nine letters and digits, as its own API does."""

    @property
    def is_claude(self) -> bool:
        return self.reasoning_format == CLAUDE


# https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
_CLAUDE_3 = Family(
    reasoning_format=CLAUDE, fields={"top_k": "top_k"}, structured=False, tool_choice="tool", efforts=_CLAUDE_LEVELS
)
_CLAUDE_4 = replace(_CLAUDE_3, thinking="budget", caching=_CACHED)
# "temperature and top_p cannot both be specified for this model", from Opus 4.1 on.
_CLAUDE_4_5 = replace(_CLAUDE_4, sampling="one", structured=True, hour_caching=True)
# https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html
_CLAUDE_4_6 = replace(_CLAUDE_4_5, thinking="adaptive", efforts={**_CLAUDE_LEVELS, "xhigh": "high"})
# "temperature is deprecated for this model", and no text of thoughts unless it is asked for:
# https://platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-7
# They refuse structured output though their older sisters take it:
# https://docs.aws.amazon.com/bedrock/latest/userguide/model-card-anthropic-claude-opus-4-7.html
_CLAUDE_4_7 = replace(
    _CLAUDE_4_6, efforts=_CLAUDE_LEVELS, summarized=True, sampling="none", fields={}, structured=False
)
# Whether thinking can be turned off, and tools be forced: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
_CLAUDE_5 = replace(_CLAUDE_4_7, off="disabled")
_FABLE_5 = replace(_CLAUDE_4_7, off="never")

# https://docs.aws.amazon.com/nova/latest/userguide/prompting-tool-troubleshooting.html has the schemas,
# https://docs.aws.amazon.com/nova/latest/nova2-userguide/core-inference.html the places of its parameters.
_NOVA = Family(
    fields={"top_k": "inferenceConfig.topK"},
    structured=False,
    tool_choice="tool",
    plain_schemas=True,
    caching=frozenset({"system", "messages"}),
)
_PLAIN_REASONER = Family(reasoning_format=PLAIN)
_OLD = Family(structured=False, tool_choice="auto")
# "This model doesn't support the temperature field", nor top_p and stop sequences; "Unknown parameter:
# 'reasoning_effort'": https://github.com/vercel/ai/tree/main/packages/amazon-bedrock/src/__fixtures__. What they
# thought comes encrypted, as `redactedContent`, and has to be sent back as it came.
_GPT_5 = Family(
    thinking="object", efforts={"minimal": "low", "max": "xhigh"}, reasoning_format=PLAIN, sampling="none", stops=False
)

_FAMILIES: tuple[tuple[re.Pattern[str], Family], ...] = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"claude-(opus-5-5|(fable|mythos)-5-[12](?!\d))", replace(_FABLE_5, tool_choice="auto")),
        (r"claude-(fable|mythos)", _FABLE_5),
        (r"claude-sonnet-5-5", replace(_CLAUDE_5, off="between_tools", tool_choice="auto")),
        (r"claude-[a-z]+-[5-9](?!\d)", _CLAUDE_5),
        (r"claude-[a-z]+-4-[789](?!\d)", _CLAUDE_4_7),
        (r"claude-(opus|sonnet|haiku)-4-6", _CLAUDE_4_6),
        (r"claude-(opus|sonnet|haiku)-4-5", _CLAUDE_4_5),
        (r"claude-opus-4-1", replace(_CLAUDE_4, sampling="one")),
        (r"claude-(opus|sonnet)-4|claude-3-7", _CLAUDE_4),
        (r"claude-3-5-(haiku|sonnet-20241022)", replace(_CLAUDE_3, caching=_CACHED)),
        (r"claude", _CLAUDE_3),
        # https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
        (r"\bnova-2", replace(_NOVA, thinking="nova", efforts=_LEVELS, reasoning_format=PLAIN)),
        (r"\bnova-", _NOVA),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
        (r"gpt-oss", replace(_PLAIN_REASONER, thinking="effort", efforts={**_LEVELS, "none": "low"})),
        # https://developers.openai.com/api/docs/guides/reasoning
        (r"gpt-(5-[6-9]|[6-9])", replace(_GPT_5, efforts={"minimal": "low"})),
        (r"gpt-5", _GPT_5),
        (r"deepseek-r1", Family(structured=False)),
        (r"deepseek", Family()),
        (r"kimi|minimax|qwen|glm", _PLAIN_REASONER),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral.html
        (
            r"mistral-(7b|large-24|small-24)|mixtral|pixtral",
            Family(structured=False, short_call_ids=True, fields={"top_k": "top_k"}),
        ),
        (r"mistral|magistral|voxtral|devstral", Family(short_call_ids=True)),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html
        (
            r"cohere",
            replace(
                _OLD,
                fields={name: name for name in ("seed", "frequency_penalty", "presence_penalty")} | {"top_k": "k"},
            ),
        ),
        (r"llama|jamba|titan", _OLD),
    )
)
_DEFAULT = Family()


def family_of(endpoint: Endpoint) -> Family:
    """By the model's name there and here: the address of a customer's own inference profile says nothing."""
    name = f"{endpoint.upstream_model} {endpoint.model_id}".lower().replace(".", "-")
    return next((family for pattern, family in _FAMILIES if pattern.search(name)), _DEFAULT)
