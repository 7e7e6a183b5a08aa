"""The canonical chat: what every skin parses into and every wire format is built from.

Messages and parameters keep the shape of OpenAI's chat completions, which OpenRouter's clients speak;
wire formats that differ translate from it. Deltas are the canonical answer, streamed or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from turnpike.domain.errors import TurnpikeError

Message = Mapping[str, Any]
"""A validated chat message: `role`, `content`, and what belongs to that role."""

FinishReason = Literal["tool_calls", "stop", "length", "content_filter", "error"]


@dataclass(frozen=True, slots=True)
class ProviderPreferences:
    """The client's `provider` object; slugs are lower case, prices Decimal-ready strings in USD per million."""

    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    allow_fallbacks: bool = True
    require_parameters: bool = False
    data_collection: Literal["allow", "deny"] = "allow"
    zdr: bool = False
    quantizations: tuple[str, ...] = ()
    sort: Literal["price"] | None = None
    max_price: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request, validated. `models` are the slugs to try in order, at least one."""

    models: tuple[str, ...]
    messages: Sequence[Message]
    parameters: Mapping[str, Any]
    """Everything that goes to the provider when its endpoint supports it: sampling, tools, formats."""
    stream: bool = False
    max_tokens: int | None = None
    provider: ProviderPreferences = ProviderPreferences()
    user: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider's tokenizer counts them.

    `prompt_tokens` includes `cached_tokens` and `cache_write_tokens`;
    `completion_tokens` includes `reasoning_tokens`.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    prompt_audio_tokens: int = 0
    completion_audio_tokens: int = 0
    estimated: bool = False
    """True when the provider reported nothing and these were counted from the text."""


@dataclass(slots=True)
class Delta:
    """A piece of an answer. Not frozen: thousands are made a second, and frozen ones cost three times as much.

    `tool_calls` have OpenAI's streaming shape (`index`, then `id`, `type`, `function{name, arguments}`).
    `extra` holds other members of the message (`images`, `annotations`, `audio`, `logprobs` under the choice).
    A delta with `error` is the last one.
    """

    content: str | None = None
    reasoning: str | None = None
    tool_calls: Sequence[Mapping[str, Any]] | None = None
    reasoning_details: Sequence[Mapping[str, Any]] | None = None
    refusal: str | None = None
    finish_reason: FinishReason | None = None
    native_finish_reason: str | None = None
    usage: Usage | None = None
    error: TurnpikeError | None = None
    index: int = 0
    extra: Mapping[str, Any] | None = None
    logprobs: Mapping[str, Any] | None = None
    upstream_id: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None

    @property
    def has_content(self) -> bool:
        """Whether a client would see something of it: after the first such delta there is no fallback."""
        return bool(
            self.content or self.reasoning or self.tool_calls or self.reasoning_details or self.refusal or self.extra
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer: one message per choice (`role`, `content`, `tool_calls`, …), with how each ended."""

    choices: Sequence["Choice"]
    usage: Usage | None
    upstream_id: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    index: int
    message: Mapping[str, Any]
    finish_reason: FinishReason | None
    native_finish_reason: str | None
    logprobs: Mapping[str, Any] | None = None
