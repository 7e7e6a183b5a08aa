"""Requests of generateContent that are no chat."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.providers.google.quirks import API_KEYS, Quirks
from turnpike.providers.request import ProviderRequest


def request_for(endpoint: Endpoint, api_key: str, quirks: Quirks, body: Mapping[str, Any]) -> ProviderRequest:
    """Answered in one piece."""
    name = endpoint.upstream_model.rpartition("models/")[2]
    is_token = quirks.tokens and not api_key.startswith(API_KEYS)
    credential = {"authorization": f"Bearer {api_key}"} if is_token else {"x-goog-api-key": api_key}
    return ProviderRequest(
        url=f"{endpoint.base_url.rstrip('/')}/{quirks.models_path}/{name}:generateContent",
        headers={**credential, "content-type": "application/json"},
        body=body,
    )
