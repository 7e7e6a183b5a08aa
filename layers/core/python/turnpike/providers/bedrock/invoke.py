"""Requests of Bedrock's that are no Converse: InvokeModel, whose bodies are each model's own."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from turnpike.domain.catalog import Endpoint
from turnpike.providers.bedrock.adapter import region_of
from turnpike.providers.request import ProviderRequest, Signing


def invoke(endpoint: Endpoint, api_key: str, body: Mapping[str, Any]) -> ProviderRequest:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html"""
    model = quote(endpoint.upstream_model, safe="")
    return signed(f"{endpoint.base_url.rstrip('/')}/model/{model}/invoke", endpoint, api_key, body)


def signed(url: str, endpoint: Endpoint, api_key: str, body: Mapping[str, Any]) -> ProviderRequest:
    """To be signed, unless there is a key."""
    headers = {"content-type": "application/json", "accept": "application/json"}
    if api_key:
        headers["authorization"] = f"Bearer {api_key}"
    return ProviderRequest(url, headers, body, None if api_key else Signing("bedrock", region_of(endpoint.base_url)))
