"""Where a provider's dialect differs from OpenAI's chat completions: data, each with its reason and source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Pattern = str
"""A regular expression that the provider's name for a model begins with."""

Efforts = Mapping[str, str]
"""The provider's reasoning effort for each of ours that it does not take as it is."""

# The smallest is left out by nearly everyone, and the two largest are OpenAI's and DeepSeek's alone.
_LOW_TO_HIGH: Efforts = {"minimal": "low", "xhigh": "high", "max": "high"}


@dataclass(frozen=True, slots=True)
class Quirks:
    """The defaults suit what most servers that call themselves compatible understand."""

    max_tokens: str = "max_tokens"
    """The parameter that limits the output, reasoning included."""

    usage_in_stream: bool = True
    """Whether `stream_options.include_usage` may and must be sent."""

    end_user: bool = True
    """Whether `user` is taken."""

    developer_role: bool = False
    """Whether there is a `developer` role; otherwise it becomes `system`."""

    participant_names: bool = True
    """Whether messages may have a `name`; otherwise it is put before the text, as OpenRouter does."""

    fetched: frozenset[str] = frozenset({"image_url"})
    """Parts whose http(s) addresses the provider fetches itself; the others are sent as data."""

    text_parts: bool = True
    """Whether content that is text alone may come in parts."""

    refusals: bool = False
    """Whether assistant messages may hand back `refusal` and `audio`."""

    refused: frozenset[str] = frozenset()
    """Parameters that end in an error, whatever a catalog says."""

    refused_by: tuple[Pattern, frozenset[str]] | None = None
    """The same for some models alone: which, by the provider's names, and what they refuse."""

    hottest: float | None = None
    """The highest temperature, where it is below OpenAI's."""

    forced_tools: bool = True
    """Whether `tool_choice` may be anything but `auto`."""

    unlisted: frozenset[str] = frozenset()
    """Parameters that every model takes and no catalog lists."""

    reasoning: Literal["effort", "toggle", "thinking", "switch", "flag", "object"] = "effort"
    """How reasoning is asked for: `reasoning_effort` alone, with a `reasoning.enabled` or a `thinking.type`
    beside it; `thinking.type` or `enable_thinking` alone; or OpenRouter's own object."""

    reasons_in_streams: Pattern | None = None
    """Models that reason unless they are told not to, and must be told so where the answer comes whole."""

    efforts: Efforts = field(default_factory=dict)

    reasoning_flag: bool = False
    """Whether reasoning is shown or hidden by `include_reasoning`."""

    reasoning_history: Literal["drop", "keep", "require"] = "drop"
    """Whether the reasoning of earlier answers is handed back, as `reasoning_content`. `require`: in a
    conversation with tool calls on every answer, empty where the client has none; in others on none."""

    streams_calls: Pattern | None = None
    """Models that stream the arguments of tool calls only where `tool_stream` asks for it."""

    breakpoints: bool = False
    """Whether OpenAI's marks for caching may be set, on the models that take them."""

    verbatim: bool = False
    """Whether messages go out untouched, OpenRouter's own members included."""


DEFAULT = Quirks()

QUIRKS: Mapping[str, Quirks] = {
    # https://platform.openai.com/docs/api-reference/chat/create
    "openai": Quirks(
        # `max_tokens` is deprecated, and reasoning models answer 400 to it.
        max_tokens="max_completion_tokens",
        developer_role=True,
        refusals=True,
        breakpoints=True,
        unlisted=frozenset({"prompt_cache_key"}),
        # `minimal` ended with gpt-5, and chat completions refuse `max` on every model:
        # https://platform.openai.com/docs/guides/reasoning
        efforts={"minimal": "low", "max": "xhigh"},
        # The obfuscation of stream_options stays on: it hides token lengths from who can see the traffic.
    ),
    # https://console.groq.com/docs/api-reference#chat-create; what it leaves out of OpenAI's API:
    # https://console.groq.com/docs/openai
    "groq": Quirks(
        # `max_tokens` is deprecated here too.
        max_tokens="max_completion_tokens",
        # Each of these is a 400, as are `messages[].name` and `n` above one.
        refused=frozenset({"logit_bias", "logprobs", "top_logprobs"}),
        participant_names=False,
        # gpt-oss knows low, medium and high, and cannot be told not to reason:
        # https://console.groq.com/docs/reasoning
        efforts={**_LOW_TO_HIGH, "none": "low"},
        # Without it some models put their reasoning into the content, between tags.
        reasoning_flag=True,
        # Earlier reasoning is dropped: `messages[].reasoning` is refused by the models that do not reason.
    ),
    # https://api-docs.deepseek.com/api/create-chat-completion
    "deepseek": Quirks(
        # `max_completion_tokens` is ignored without a word, so a limit would not be one.
        max_tokens="max_tokens",
        end_user=False,
        # "invalid type: sequence, expected a string": https://github.com/BerriAI/litellm/issues/6642
        text_parts=False,
        # Thinking is on unless it is turned off. Low and medium are taken and mean high; xhigh means max:
        # https://api-docs.deepseek.com/guides/thinking_mode
        reasoning="thinking",
        efforts={"minimal": "low"},
        # The same guide: 400 when it is missing from a conversation with tool calls, ignored in others. The
        # first reasoner, which had no tools, answered 400 to it. Clients of OpenAI's SDK have none to give.
        reasoning_history="require",
    ),
    # https://docs.x.ai/docs/api-reference#chat-completions
    "xai": Quirks(
        # `max_tokens` is deprecated, and does not count reasoning.
        max_tokens="max_completion_tokens",
        unlisted=frozenset({"prompt_cache_key"}),
        # https://docs.x.ai/developers/model-capabilities/text/reasoning
        efforts=_LOW_TO_HIGH,
    ),
    # https://docs.together.ai/reference/chat-completions-1
    "together": Quirks(
        end_user=False,
        # Models that can be told not to reason are told so by `reasoning.enabled`:
        # https://docs.together.ai/docs/reasoning-overview
        reasoning="toggle",
        efforts=_LOW_TO_HIGH,
    ),
    # https://docs.fireworks.ai/api-reference/post-chatcompletions
    "fireworks": Quirks(
        # Models differ; these are what each of them takes: https://docs.fireworks.ai/guides/reasoning
        efforts=_LOW_TO_HIGH,
        # The same guide: models that reason between tool calls want it back.
        reasoning_history="keep",
    ),
    # https://openrouter.ai/docs/api-reference/overview. It does all that this module does, once more.
    "openrouter": Quirks(
        developer_role=True,
        refusals=True,
        unlisted=frozenset({"audio", "image_config", "modalities", "prediction", "prompt_cache_key"}),
        reasoning="object",
        verbatim=True,
    ),
    # https://docs.perplexity.ai/api-reference/chat-completions-post. Usage is in every chunk unasked.
    "perplexity": Quirks(usage_in_stream=False, end_user=False),
    # https://inference-docs.cerebras.ai/api-reference/chat-completions
    "cerebras": Quirks(
        max_tokens="max_completion_tokens",
        # Each of these is a 400: https://inference-docs.cerebras.ai/resources/openai
        refused=frozenset({"frequency_penalty", "logit_bias", "presence_penalty", "parallel_tool_calls"}),
        # gpt-oss, which alone is listed as reasoning, knows low, medium and high and cannot be told not to:
        # https://inference-docs.cerebras.ai/capabilities/reasoning
        efforts={**_LOW_TO_HIGH, "none": "low"},
    ),
    # https://docs.z.ai/api-reference/llm/chat-completion
    "z-ai": Quirks(
        # It is `user_id` there, of at least six characters.
        end_user=False,
        participant_names=False,
        hottest=1.0,
        forced_tools=False,
        # Thinking is on by default. Efforts are taken from GLM-5.2 on and ignored before; GLM-5.3 knows three:
        # https://docs.z.ai/guides/capabilities/thinking-mode
        reasoning="thinking",
        efforts={"minimal": "low", "medium": "high", "xhigh": "max"},
        # The same guide: it is to come back with the results of tools.
        reasoning_history="keep",
        # Otherwise a long call is silence until it is whole: https://docs.z.ai/guides/tools/stream-tool
        streams_calls=r"glm-(4\.[6-9]|[5-9])",
    ),
    # https://platform.kimi.ai/docs/api/chat
    "moonshotai": Quirks(
        # `max_tokens` is deprecated.
        max_tokens="max_completion_tokens",
        # Temperatures go from 0 to 1. From K2.5 on sampling is fixed, and any other figure is a 400:
        # https://platform.kimi.ai/docs/guide/migrating-from-openai-to-kimi
        hottest=1.0,
        refused_by=(
            r"kimi-(k2\.|k[3-9])",
            frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty"}),
        ),
        # K2.x has no efforts, K2.5 and K2.6 can be told not to think.
        reasoning="switch",
        # "thinking is enabled but reasoning_content is missing in assistant tool call message":
        # https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model
        reasoning_history="require",
        # The guide knows data and uploaded files: https://platform.kimi.com/docs/guide/use-kimi-vision-model
        fetched=frozenset(),
    ),
    # https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api
    "alibaba": Quirks(
        end_user=False,
        # https://www.alibabacloud.com/help/en/model-studio/deep-thinking
        reasoning="flag",
        # "parameter.enable_thinking must be set to false for non-streaming calls" is what the first open Qwen3 say,
        # which think by default: https://www.alibabacloud.com/help/en/model-studio/error-code
        reasons_in_streams=r"qwen3-\d+(\.\d+)?b(-a\d+b)?$",
    ),
    # Our own demonstration, which asks for nothing special.
    "demo": DEFAULT,
}


def quirks_of(provider: str) -> Quirks:
    return QUIRKS.get(provider, DEFAULT)
