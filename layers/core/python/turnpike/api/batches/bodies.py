"""Checks the body of a batch's request as the skin that will answer it does."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.datastructures import Headers

from turnpike.api.edge import check_depth

_Parse = Callable[[Mapping[str, Any], Headers], object]


def _chat() -> _Parse:
    from turnpike.api.chat.parse import parse_chat_request

    return parse_chat_request


def _messages() -> _Parse:
    from turnpike.api.messages.parse import parse_messages_request

    return parse_messages_request


def _responses() -> _Parse:
    from turnpike.api.responses.parse import parse_responses_request

    return parse_responses_request


def _embeddings() -> _Parse:
    from turnpike.api.embeddings.skin import parse_embeddings_request

    return parse_embeddings_request


# Each is loaded with the first batch that asks it.
_PARSERS: Mapping[str, Callable[[], _Parse]] = {
    "/v1/chat/completions": _chat,
    "/v1/messages": _messages,
    "/v1/responses": _responses,
    "/v1/embeddings": _embeddings,
}
_NO_HEADERS = Headers()


def check_body(endpoint: str, body: Mapping[str, Any]) -> None:
    """`endpoint` is one of ENDPOINTS. Raises InvalidRequest naming the field."""
    check_depth(body, orjson.dumps(body))
    _PARSERS[endpoint]()(body, _NO_HEADERS)
