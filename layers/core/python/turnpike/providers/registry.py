"""Which adapter speaks to a provider: the one place where a wire format is registered."""

from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.ports.wires import OperationAdapter, PartsAdapter, ProviderAdapter, SpeechAdapter
from turnpike.providers.fetch import Fetcher

WIRES: Mapping[str, str] = {
    "anthropic": "anthropic.adapter:build_adapter",
    "azure": "azure.adapter:build_adapter",
    "azure_responses": "azure.adapter:build_responses_adapter",
    "bedrock": "bedrock.adapter:build_adapter",
    "bedrock_anthropic": "anthropic_platforms.bedrock:build_adapter",
    "cohere": "cohere.adapter:build_adapter",
    "google": "google.adapter:build_adapter",
    "mistral": "mistral.adapter:build_adapter",
    "openai_compatible": "openai_compatible.adapter:build_adapter",
    "openai_responses": "openai_responses.adapter:build_adapter",
    "vertex_anthropic": "anthropic_platforms.vertex:build_adapter",
}
"""Where each is built, from the provider's slug; loaded when first needed, so that a start pays for no other."""

OPERATIONS: Mapping[tuple[str, str], str] = {
    ("embeddings", "azure"): "azure.embeddings:build_adapter",
    ("embeddings", "bedrock"): "bedrock.embeddings:build_adapter",
    ("embeddings", "cohere"): "cohere.embeddings:build_adapter",
    ("embeddings", "google"): "google.embeddings:build_adapter",
    ("embeddings", "mistral"): "mistral.embeddings:build_adapter",
    ("embeddings", "openai_compatible"): "openai_compatible.embeddings:build_adapter",
    ("image", "azure"): "azure.images:build_adapter",
    ("image", "google"): "google.images:build_adapter",
    ("image", "openai_compatible"): "openai_compatible.images:build_adapter",
    ("rerank", "bedrock"): "bedrock.rerank:build_adapter",
    ("rerank", "cohere"): "cohere.rerank:build_adapter",
    ("speech", "google"): "google.speech:build_adapter",
    ("speech", "openai_compatible"): "openai_compatible.speech:build_adapter",
    ("transcription", "google"): "google.transcription:build_adapter",
    ("transcription", "mistral"): "openai_compatible.transcription:build_adapter",
    ("transcription", "openai_compatible"): "openai_compatible.transcription:build_adapter",
}
"""By operation and wire format, what a wire format offers besides chats; likewise."""

IN_PARTS = frozenset({("image", "azure"), ("image", "openai_compatible")})
"""Of these, the ones whose answers may come in parts: their adapters are `PartsAdapter`s."""

FETCHED: Mapping[str, str] = {
    "image": "remote_references:with_references",
    "transcription": "remote_audio:with_recording",
}
"""By operation, what gets the files that stand at addresses, for adapters that want them got; likewise."""

Fetch = Callable[[Any, Any, Endpoint, Fetcher], Awaitable[Any]]
"""Of a request, its adapter and its endpoint, the same request with files in the place of addresses. Raises
InvalidRequest.
"""


def adapter_for(provider: Provider, wire: str | None = None) -> ProviderAdapter:
    """`wire` is an endpoint's own, where it differs from its provider's.

    Raises ValueError for a wire format that nobody speaks: a fault of the catalog.
    """
    name = wire or provider.wire
    check_wire(provider, wire)
    build: Callable[[str], ProviderAdapter] = _load(WIRES[name])
    return build(provider.slug)


def operation_adapter_for(operation: str, provider: Provider, wire: str | None = None) -> OperationAdapter:
    """Only for what `OPERATIONS` holds."""
    build: Callable[[str], OperationAdapter] = _load(OPERATIONS[operation, wire or provider.wire])
    return build(provider.slug)


def speech_adapter_for(provider: Provider, wire: str | None = None) -> SpeechAdapter:
    """Likewise."""
    build: Callable[[str], SpeechAdapter] = _load(OPERATIONS["speech", wire or provider.wire])
    return build(provider.slug)


def parts_adapter_for(operation: str, provider: Provider, wire: str | None = None) -> PartsAdapter | None:
    """None for what never comes in parts."""
    name = wire or provider.wire
    if (operation, name) not in IN_PARTS:
        return None
    build: Callable[[str], PartsAdapter] = _load(OPERATIONS[operation, name])
    return build(provider.slug)


def fetching_for(operation: str) -> Fetch | None:
    """None for what never has addresses in it."""
    if operation not in FETCHED:
        return None
    fetch: Fetch = _load(FETCHED[operation])
    return fetch


def check_wire(provider: Provider, wire: str | None = None) -> None:
    """Raises as `adapter_for`, and loads nothing."""
    name = wire or provider.wire
    if name not in WIRES:
        known = ", ".join(sorted(WIRES))
        raise ValueError(f"provider {provider.slug}: wire {name!r} is none of {known}")


def _load(path: str) -> Any:
    module, _, function = path.partition(":")
    return getattr(import_module(f"turnpike.providers.{module}"), function)
