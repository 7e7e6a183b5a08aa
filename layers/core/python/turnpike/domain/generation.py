"""A generation: one customer request and its outcome, as it is stored and as it travels to metering."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from turnpike.domain.chat import Usage
from turnpike.domain.ids import AccountId, GenerationId, KeyHash, LeaseId
from turnpike.domain.money import ZERO, NanoUsd

Outcome = Literal["ok", "rate_limited", "client", "failed", "cancelled"]
"""What an attempt says of its endpoint: `client` failed by the request's own fault, `cancelled` was ended by us."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One upstream try. `status` is the provider's HTTP status, None when it never answered."""

    provider: str
    model: str
    upstream_model: str
    status: int | None
    latency_ms: int
    """From its start to the first content, or to its end where there was none or all came at once."""
    error_type: str | None = None
    tag: str = ""
    """The endpoint's, among those of its model."""
    first_content_ms: int | None = None
    """From the attempt's start; only of streams, which alone show it."""
    output_tokens_per_s: float | None = None
    """After the first content; of an answer in one piece, over all its time."""
    outcome: Outcome = "ok"
    ended_at_s: int | None = None
    """Epoch seconds; None in what was recorded before this was told."""
    absorbed_cost: NanoUsd = ZERO
    """What it cost us though another attempt answered; part of no generation's `upstream_cost`."""
    provider_name: str = ""
    """Of an attempt that did not answer; the generation has the name of the provider that did."""
    streamed_ms: int = 0
    """From a stream's first content to its end."""
    is_byok: bool = False
    """Whether it was made with the customer's own provider key, and so says nothing of our own."""

    @property
    def took_ms(self) -> int:
        """From its start to its end."""
        return self.latency_ms + self.streamed_ms


@dataclass(frozen=True, slots=True)
class Generation:
    """The record of one request; never holds a prompt or a completion. Times in ms, money in nano-USD.

    `cost` is what the answer is charged, `upstream_cost` what it cost us at the provider;
    they differ when an error ended it, which nobody pays for (insurance).
    """

    id: GenerationId
    account_id: AccountId
    key_hash: KeyHash
    created_at_s: int
    requested_model: str
    model: str
    provider: str | None
    streamed: bool
    usage: Usage
    cost: NanoUsd = ZERO
    upstream_cost: NanoUsd = ZERO
    upstream_prompt_cost: NanoUsd = ZERO
    upstream_completion_cost: NanoUsd = ZERO
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    latency_ms: int | None = None
    """From the request's arrival to the first content."""
    generation_time_ms: int | None = None
    upstream_id: str | None = None
    service_tier: str | None = None
    attempts: Sequence[Attempt] = field(default=())
    user: str | None = None
    session_id: str | None = None
    http_referer: str | None = None
    app_title: str | None = None
    user_agent: str | None = None
    response_cache_source_id: GenerationId | None = None
    """The generation whose answer this one repeats, from the response cache and at no cost."""
    lease_id: LeaseId | None = None
    """The lease that it is captured from; None when it has a hold of its own."""
    is_byok: bool = False
    """Whether the customer's own provider account was charged `upstream_cost`; `cost` is our fee for it."""
    cache_discount: NanoUsd = ZERO
    """What the provider's prompt cache saved; below zero where the prompt was only written to it, at a price."""
    prompt_media: int = 0
    """How many images, files and videos the prompt has."""
    prompt_audio: int = 0
    """How many recordings of sound."""
    completion_media: int = 0
    """How many images the answer has."""
    api_type: str = "completions"
    """Which of the APIs was asked, in the words of GET /generation: `embeddings`, `rerank`, …"""
    preset_id: str | None = None
    """The preset that was a part of the request."""
    search_engine: str | None = None
    """The engine of ours that searched the web for it; a provider's own searches are in `usage`."""
    search_results: int = 0
    """How many of them the model was told of."""
    search_cost: NanoUsd = ZERO
    """What that search cost us. It is part of `cost` where the answer is charged, and never of `upstream_cost`."""
    file_cost: NanoUsd = ZERO
    """What recognising the text of files cost us; as `search_cost`."""

    @property
    def byok_cost(self) -> NanoUsd:
        return self.upstream_cost if self.is_byok else ZERO
