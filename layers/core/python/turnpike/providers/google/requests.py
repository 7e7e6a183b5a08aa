"""Requests of generateContent that are no chat."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.providers.google.adapter import build_adapter
from turnpike.providers.request import ProviderRequest


def request_for(provider: str, endpoint: Endpoint, api_key: str, body: Mapping[str, Any]) -> ProviderRequest:
    """Answered in one piece."""
    chats = build_adapter(provider)
    name = endpoint.upstream_model.rpartition("models/")[2]
    return ProviderRequest(
        url=f"{endpoint.base_url.rstrip('/')}/{chats.quirks.models_path}/{name}:generateContent",
        headers={**chats.credential(api_key), "content-type": "application/json"},
        body=body,
    )
