"""Checks the body of a batch's request as the skin that will answer it does, and whether its model is there."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson
from anyio.from_thread import run
from starlette.datastructures import Headers

from turnpike.api.edge import check_depth
from turnpike.api.inference.endpoint import NO_PRESETS, Expansion, names_preset
from turnpike.domain.batches import Batch
from turnpike.domain.catalog import Catalog
from turnpike.domain.errors import InvalidRequest, ModelNotFound, NoEndpoints, NotFound
from turnpike.domain.ids import AccountId
from turnpike.domain.routing.known import check_models
from turnpike.domain.routing.request import RoutedRequest

ExpandFor = Callable[[AccountId, Mapping[str, Any], Headers], Coroutine[Any, Any, Expansion]]
"""Puts a preset into the body that names it. Raises InvalidRequest, NotFound and TemporarilyBusy."""

_Parse = Callable[[Mapping[str, Any], Headers], RoutedRequest]


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


class BodyCheck:
    """`catalog` has every model that a batch may ask. `expand` is None where no presets are kept."""

    def __init__(self, catalog: Callable[[Batch], Catalog], expand: ExpandFor | None) -> None:
        self._catalog, self._expand = catalog, expand

    def __call__(self, batch: Batch, body: Mapping[str, Any]) -> None:
        """In a worker thread, since presets are read on the event loop. Raises InvalidRequest naming the field, and
        TemporarilyBusy.
        """
        check_depth(body, orjson.dumps(body))
        parse = _PARSERS[batch.endpoint]()
        request = parse(body, _NO_HEADERS)
        if names_preset(body):
            expanded = self._expanded(batch, body)
            request = parse({**body, "model": expanded["model"], "models": expanded.get("models")}, _NO_HEADERS)
        try:
            check_models(request, self._catalog(batch))
        except (ModelNotFound, NoEndpoints) as error:
            raise _refused(error, "model") from None

    def _expanded(self, batch: Batch, body: Mapping[str, Any]) -> Mapping[str, Any]:
        field = "model" if body.get("preset") is None else "preset"
        if self._expand is None:
            raise InvalidRequest(NO_PRESETS, field=field)
        try:
            return run(self._expand, batch.account_id, body, _NO_HEADERS).content
        except NotFound as error:
            raise _refused(error, field) from None


def _refused(error: ModelNotFound | NotFound, field: str) -> InvalidRequest:
    """As what is wrong with the body, which nobody has been asked yet."""
    refused = InvalidRequest(error.message, field=field)
    refused.availability = error.availability
    return refused
