"""Answers that tell of the catalog, serialised once and kept for as long as it is the current one."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from turnpike.api.present_catalog import (
    is_moving_alias,
    present_alias,
    present_endpoint,
    present_model,
    present_report,
)
from turnpike.domain.catalog import Catalog, Endpoint, Model
from turnpike.domain.health import HealthReport

_MOST_KEPT = 32
"""Of a megabyte at most, and in most places it is the same few that are asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    etag: str
    media_type: str


def build_answer(content: Any) -> Answer:
    return tagged(orjson.dumps(content))


def tagged(body: bytes, media_type: str = "application/json") -> Answer:
    """The tag is that of the content, so that it changes with whatever changes an answer, and with nothing else."""
    return Answer(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', media_type)


def respond(request: Request, answer: Answer, cache_control: str, *, varies: bool = False) -> Response:
    """The answer, or 304 when the client has it already. `varies` is one that depends on who asks."""
    headers = {"cache-control": cache_control, "etag": answer.etag}
    if varies:
        headers["vary"] = "Authorization"
    held = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if answer.etag in held or held == ["*"]:
        return Response(status_code=304, headers=headers)
    return Response(answer.body, headers=headers, media_type=answer.media_type)


class CatalogAnswers:
    """Of one catalog, which stays as it is."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._models: dict[str, orjson.Fragment] = {}
        self._endpoints: dict[str, Sequence[tuple[Endpoint, dict[str, Any]]]] = {}
        self._kept: OrderedDict[str, Answer] = OrderedDict()

    def find(self, address: str) -> Answer | None:
        answer = self._kept.get(address)
        if answer is not None:
            self._kept.move_to_end(address)
        return answer

    def keep(self, address: str, answer: Answer) -> Answer:
        self._kept[address] = answer
        # Anybody could fill the memory with query strings.
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return answer

    def kept(self, address: str, content: Callable[[], Any]) -> Answer:
        """The answer that is kept, or else one of what `content` gives."""
        return self.find(address) or self.keep(address, build_answer(content()))

    def model(self, model: Model) -> orjson.Fragment:
        """A model of this catalog, or one of its `moving_aliases`, as JSON to be put into others."""
        found = self._models.get(model.id)
        if found is None:
            alias = is_moving_alias(model.id)
            shown = present_alias(model.id, self.catalog.get_model(model.id)) if alias else present_model(model)
            found = self._models[model.id] = orjson.Fragment(orjson.dumps(shown))
        return found

    def endpoints(
        self, model: Model, report: HealthReport, now_s: float, *, to_anybody: bool
    ) -> Iterable[tuple[Endpoint, dict[str, Any]]]:
        """Each endpoint of a model of this catalog, and how it is presented."""
        rows = self._endpoints.get(model.id)
        if rows is None:
            rows = self._endpoints[model.id] = [
                (endpoint, present_endpoint(model, endpoint, self.catalog.get_provider(endpoint.provider)))
                for endpoint in model.endpoints
            ]
        for endpoint, row in rows:
            yield endpoint, {**row, **present_report(report.of(endpoint, now_s), to_anybody=to_anybody)}
