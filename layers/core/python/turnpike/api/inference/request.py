"""The canonical request of a chat, whichever skin it came in: what all of their bodies say in the same words."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.inference.plugins import parse_betas, parse_caching, parse_plugins
from turnpike.api.inference.preferences import parse_models, parse_preferences, parse_session_id
from turnpike.api.inference.routing_schema import RoutedBody
from turnpike.domain.chat import ChatRequest, Message
from turnpike.domain.slugs import without_search


def build_request(
    body: RoutedBody,
    headers: Headers,
    *,
    messages: Sequence[Message],
    parameters: Mapping[str, Any],
    max_tokens: int | None,
    models: Sequence[str] | None = None,
    user: str | None = None,
    transforms: Sequence[str] | None = None,
    beta_headers: Sequence[str] = ("x-anthropic-beta",),
) -> ChatRequest:
    """`models` and `user` are by the skin's own names for them, where the body does not have them by ours. Raises
    InvalidRequest naming the field.
    """
    plugins = parse_plugins(body.plugins, transforms=transforms)
    named = parse_models(body.model, body.models or models)
    return ChatRequest(
        # Each once: two may differ in their search alone.
        models=tuple(dict.fromkeys(map(without_search, named))) if plugins.offline else named,
        messages=messages,
        parameters=parameters,
        stream=bool(body.stream),
        max_tokens=max_tokens,
        provider=parse_preferences(body.provider),
        user=body.user or user,
        session_id=parse_session_id(body.session_id, headers),
        auto_router=plugins.auto_router,
        context_compression=plugins.context_compression,
        response_healing=plugins.response_healing,
        plugins=plugins.on_prompt,
        caching=parse_caching(headers),
        betas=parse_betas(headers, *beta_headers),
    )
