"""An account's own keys for providers (reference 4.11)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api import queries
from turnpike.api.auth import Guard
from turnpike.api.edge import json_response, read_json
from turnpike.api.resource import resource
from turnpike.api.times import present_time
from turnpike.api.validation import parse
from turnpike.api.workspaces import check_workspace
from turnpike.domain.errors import InvalidRequest, NotFound
from turnpike.domain.ids import AccountId

if TYPE_CHECKING:
    # Loaded with the first request for it.
    from turnpike.domain.byok import ByokKey
    from turnpike.services.manage_byok import ByokChanges, ManageByok

_LONGEST_KEY = 16_384
_Name = Annotated[str, Field(max_length=255)]
_Slug = Annotated[str, Field(min_length=1, max_length=255)]
_Slugs = Annotated[list[_Slug], Field(min_length=1, max_length=100)]
_Hashes = Annotated[list[Annotated[str, Field(min_length=64, max_length=64)]], Field(min_length=1, max_length=100)]
_Secret = Annotated[str, Field(min_length=1, max_length=_LONGEST_KEY)]


class _Terms(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Name | None = None
    disabled: bool = False
    is_fallback: bool = False
    is_required: bool = False
    is_byok_only: bool = False
    allowed_models: _Slugs | None = None
    allowed_api_key_hashes: _Hashes | None = None
    allowed_user_ids: _Slugs | None = None
    declared_zdr: bool | None = None
    declared_region: Literal["global", "europe", "us"] | None = None

    @property
    def changes(self) -> "ByokChanges":
        """Only what the body holds; null is a value, and takes a restriction away."""
        sent = self.model_dump(include=self.model_fields_set & _Terms.model_fields.keys())
        changes = {name: tuple(value) if isinstance(value, list) else value for name, value in sent.items()}
        return cast("ByokChanges", changes)


class CreateByokBody(_Terms):
    key: _Secret = Field(repr=False)
    provider: _Slug
    workspace_id: str | None = None


class UpdateByokBody(_Terms):
    key: _Secret = Field("", repr=False)


def routes(guard: Guard, manage_byok: "Callable[[], ManageByok] | None") -> Sequence[BaseRoute]:
    """`manage_byok` gives the use case, with the first request for it; without, the deployment takes no keys, and
    every route says so.
    """

    async def authorized(request: Request) -> "tuple[AccountId, ManageByok]":
        principal = await guard.management(request.headers)
        if manage_byok is None:
            raise NotFound(
                "This deployment takes no provider keys of its customers: its operator has to set "
                "TURNPIKE_BYOK_KMS_KEY and TURNPIKE_BYOK_TABLE"
            )
        return principal.account_id, manage_byok()

    async def list_keys(request: Request) -> Response:
        account_id, manage = await authorized(request)
        query = request.query_params
        check_workspace(query.get("workspace_id"), account_id)
        page = await manage.list(
            account_id,
            provider=query.get("provider"),
            offset=queries.whole(query, "offset", 0),
            limit=queries.whole(query, "limit", 50, least=1, most=100),
        )
        return json_response({"data": [present_byok_key(key) for key in page.keys], "total_count": page.total_count})

    async def create(request: Request) -> Response:
        account_id, manage = await authorized(request)
        body = parse(CreateByokBody, await read_json(request))
        check_workspace(body.workspace_id, account_id)
        return json_response(
            {"data": present_byok_key(await manage.create(account_id, body.provider, body.key, body.changes))}, 201
        )

    async def get(request: Request) -> Response:
        account_id, manage = await authorized(request)
        return json_response({"data": present_byok_key(await manage.get(account_id, request.path_params["id"]))})

    async def update(request: Request) -> Response:
        account_id, manage = await authorized(request)
        body = parse(UpdateByokBody, await read_json(request))
        if not body.model_fields_set:
            raise InvalidRequest("No update fields provided")
        changed = await manage.update(account_id, request.path_params["id"], body.changes, secret=body.key or None)
        return json_response({"data": present_byok_key(changed)})

    async def delete(request: Request) -> Response:
        account_id, manage = await authorized(request)
        await manage.delete(account_id, request.path_params["id"])
        return json_response({"deleted": True})

    return [
        resource("/byok", get=list_keys, post=create),
        resource("/byok/{id}", get=get, patch=update, delete=delete),
    ]


def present_byok_key(key: "ByokKey") -> dict[str, Any]:
    return {
        "id": key.id,
        "provider": key.provider,
        "name": key.name,
        "label": key.label,
        "workspace_id": key.account_id,
        "sort_order": key.sort_order,
        "disabled": key.disabled,
        "is_fallback": key.is_fallback,
        "is_required": key.is_required,
        "is_byok_only": key.is_byok_only,
        "allowed_models": key.allowed_models,
        "allowed_api_key_hashes": key.allowed_api_key_hashes,
        "allowed_user_ids": key.allowed_user_ids,
        "declared_zdr": key.declared_zdr,
        "declared_region": key.declared_region,
        "created_at": present_time(key.created_at_s),
    }
