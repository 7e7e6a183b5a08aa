"""Batches: making them, and whatever is done with them afterwards."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api import queries
from turnpike.api.auth import Guard
from turnpike.api.batches.ask import FORWARDED
from turnpike.api.batches.present import present_batch, present_deletion, present_page, present_upload
from turnpike.api.edge import json_response, read_json
from turnpike.api.resource import resource
from turnpike.api.times import parse_time
from turnpike.api.validation import parse
from turnpike.domain.batches import STATUSES, BatchId, BatchStatus, check_upload_id
from turnpike.domain.errors import InvalidRequest, NotFound
from turnpike.services.manage_batches import BatchReport, ManageBatches, Wanted
from turnpike.services.submit_batch import NewBatch, SubmitBatch, check_endpoint

_LONGEST_HEADER = 512
_LONGEST_KEY = 255
_OFF = "This deployment has no batches; its operator turns them on with `batches = true` in infra/config.toml"


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    # Both are checked with their lines, so that errors are the same for a file's.
    custom_id: Any
    body: Any


class _Provider(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    only: list[str] | None = None
    allow_fallbacks: bool | None = None


class SubmitBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    endpoint: str
    model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    requests: Annotated[list[_Request], Field(min_length=1)] | None = None
    input_file_id: str | None = None
    completion_window: Literal["24h"] = "24h"
    provider: _Provider | None = None
    callback_url: str | None = None


class UploadBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    bytes: Annotated[int, Field(ge=1)]


Cases = Callable[[], tuple[SubmitBatch, ManageBatches]]
"""Loads what only batches need."""


def routes(guard: Guard, cases: Cases | None) -> Sequence[BaseRoute]:
    """`cases` is None where the deployment has no batches."""

    def found() -> tuple[SubmitBatch, ManageBatches]:
        if cases is None:
            raise NotFound(_OFF)
        return cases()

    async def submit(request: Request) -> Response:
        principal = await guard.inference(request.headers)
        submit_batch, _ = found()
        wanted = _new_batch(parse(SubmitBody, await read_json(request)), request.headers)
        batch = await submit_batch(principal, wanted)
        return json_response(present_batch(BatchReport(batch)), 202)

    async def offer_upload(request: Request) -> Response:
        principal = await guard.inference(request.headers)
        submit_batch, _ = found()
        body = parse(UploadBody, await read_json(request))
        upload = await submit_batch.offer_upload(principal, body.bytes)
        return json_response(present_upload(upload), 201, {"cache-control": "no-store"})

    async def list_batches(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        _, manage = found()
        page = await manage.list(principal.account_id, _wanted(request.query_params))
        return json_response(present_page(page))

    async def get(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        _, manage = found()
        report = await manage.get(principal.account_id, request.path_params["id"])
        return json_response(present_batch(report), headers={"cache-control": "no-store"})

    async def cancel(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        _, manage = found()
        batch = await manage.cancel(principal.account_id, request.path_params["id"])
        return json_response(present_batch(BatchReport(batch)))

    async def delete(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        _, manage = found()
        await manage.delete(principal.account_id, request.path_params["id"])
        return json_response(present_deletion(request.path_params["id"]))

    return [
        resource("/batches", get=list_batches, post=submit),
        resource("/batches/uploads", post=offer_upload),
        resource("/batches/{id}", get=get, delete=delete),
        resource("/batches/{id}/cancel", post=cancel),
    ]


def _new_batch(body: SubmitBody, headers: Headers) -> NewBatch:
    check_endpoint(body.endpoint)
    if body.callback_url is not None:
        raise InvalidRequest("webhooks are not supported; ask GET /batches/{id} instead", field="callback_url")
    if (body.requests is None) == (body.input_file_id is None):
        raise InvalidRequest("send either requests or input_file_id", field="requests")
    if body.requests is not None and body.model is None:
        raise InvalidRequest("Field required", field="model")
    return NewBatch(
        body.endpoint,
        body.model or "",
        [(each.custom_id, each.body) for each in body.requests or ()],
        None if body.input_file_id is None else check_upload_id(body.input_file_id),
        None if body.provider is None else body.provider.model_dump(exclude_none=True),
        {name: headers[name] for name in FORWARDED if len(headers.get(name, "")) in range(1, _LONGEST_HEADER)},
        _idempotency_key(headers),
    )


def _idempotency_key(headers: Headers) -> str | None:
    key = headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        raise InvalidRequest(f"it must have 1 to {_LONGEST_KEY} characters", field="Idempotency-Key")
    return key


def _wanted(query: QueryParams) -> Wanted:
    statuses = query.getlist("status")
    if not set(statuses) <= set(STATUSES):
        raise InvalidRequest(f"must be one of {', '.join(STATUSES)}", field="status")
    return Wanted(
        limit=queries.whole(query, "limit", 20, least=1, most=100),
        after=BatchId(query["after"]) if query.get("after") else None,
        statuses=cast(Sequence[BatchStatus], statuses),
        created_after_s=_time(query, "created_after"),
        created_before_s=_time(query, "created_before"),
    )


def _time(query: QueryParams, name: str) -> int | None:
    """Epoch seconds, or a time or a day in words."""
    text = query.get(name, "")
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return queries.whole(query, name, 0, most=10**10)
    try:
        return parse_time(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError as error:
        raise InvalidRequest(str(error), field=name) from None
