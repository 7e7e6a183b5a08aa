"""The key in use, and the management of an account's keys."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api import queries
from turnpike.api.auth import Guard
from turnpike.api.edge import json_response, read_json
from turnpike.api.present_keys import present_current_key, present_key
from turnpike.api.resource import resource
from turnpike.api.times import parse_time
from turnpike.api.validation import parse
from turnpike.api.workspaces import check_workspace
from turnpike.domain.amounts import parse_limit
from turnpike.domain.errors import InvalidRequest
from turnpike.services.manage_keys import KeyChanges, ManageKeys, NewKey
from turnpike.services.read_current_key import ReadCurrentKey

_Name = Annotated[str, Field(min_length=1, max_length=256)]
_LimitReset = Literal["daily", "weekly", "monthly"]


def _check_time(text: str) -> str:
    parse_time(text)
    return text


class CreateKeyBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Name
    limit: float | None = None
    limit_reset: _LimitReset | None = None
    include_byok_in_limit: bool = False
    expires_at: Annotated[str, AfterValidator(_check_time)] | None = None
    workspace_id: str | None = None


class UpdateKeyBody(BaseModel):
    # OpenRouter documents that this one body ignores what it does not know.
    model_config = ConfigDict(extra="ignore", strict=True)

    name: _Name = ""
    disabled: bool = False
    limit: float | None = None
    limit_reset: _LimitReset | None = None
    include_byok_in_limit: bool = False
    workspace_id: str | None = None


def routes(guard: Guard, manage_keys: ManageKeys, read_current_key: ReadCurrentKey) -> Sequence[BaseRoute]:
    async def get_current(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        return json_response({"data": present_current_key(await read_current_key(principal))})

    async def list_keys(request: Request) -> Response:
        principal = await guard.management(request.headers)
        query = request.query_params
        check_workspace(query.get("workspace_id"), principal.account_id)
        reports = await manage_keys.list(
            principal.account_id,
            include_disabled=queries.flag(query, "include_disabled"),
            include_expired=queries.flag(query, "include_expired"),
            offset=queries.whole(query, "offset", 0),
        )
        return json_response({"data": [present_key(report) for report in reports]})

    async def create(request: Request) -> Response:
        principal = await guard.management(request.headers)
        body = parse(CreateKeyBody, await read_json(request))
        check_workspace(body.workspace_id, principal.account_id)
        report, secret = await manage_keys.create(principal.account_id, _new_key(body))
        return json_response({"data": present_key(report), "key": secret}, 201, {"cache-control": "no-store"})

    async def get(request: Request) -> Response:
        principal = await guard.management(request.headers)
        report = await manage_keys.get(principal.account_id, request.path_params["hash"])
        return json_response({"data": present_key(report)})

    async def update(request: Request) -> Response:
        principal = await guard.management(request.headers)
        body = parse(UpdateKeyBody, await read_json(request))
        check_workspace(body.workspace_id, principal.account_id)
        changes = _key_changes(body)
        report = await manage_keys.update(principal.account_id, request.path_params["hash"], changes)
        return json_response({"data": present_key(report)})

    async def delete(request: Request) -> Response:
        principal = await guard.management(request.headers)
        await manage_keys.delete(principal.account_id, request.path_params["hash"])
        return json_response({"deleted": True})

    return [
        resource("/key", get=get_current),
        resource("/keys", get=list_keys, post=create),
        resource("/keys/{hash}", get=get, patch=update, delete=delete),
    ]


def _new_key(body: CreateKeyBody) -> NewKey:
    return NewKey(
        name=body.name,
        limit=None if body.limit is None else parse_limit(body.limit, field="limit"),
        limit_reset=body.limit_reset,
        include_byok_in_limit=body.include_byok_in_limit,
        expires_at_s=None if body.expires_at is None else parse_time(body.expires_at),
    )


def _key_changes(body: UpdateKeyBody) -> KeyChanges:
    """Only what the body holds; null is a value for a limit, and takes it away."""
    sent: dict[str, Any] = body.model_dump(exclude_unset=True)
    if not sent:
        raise InvalidRequest("No update fields provided")
    changes = KeyChanges()
    if "name" in sent:
        changes["name"] = body.name
    if "disabled" in sent:
        changes["disabled"] = body.disabled
    if "limit" in sent:
        changes["limit"] = None if body.limit is None else parse_limit(body.limit, field="limit")
    if "limit_reset" in sent:
        changes["limit_reset"] = body.limit_reset
    if "include_byok_in_limit" in sent:
        changes["include_byok_in_limit"] = body.include_byok_in_limit
    return changes
