"""The management of an account's presets (reference 7.20), and what OpenRouter leaves to its website: creating one by
its parts, changing it, going back to an older version, deleting it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api import queries
from turnpike.api.auth import Guard
from turnpike.api.edge import json_response, read_json
from turnpike.api.resource import Handler, resource
from turnpike.api.times import present_time
from turnpike.api.validation import parse
from turnpike.domain.errors import InvalidRequest, NotFound
from turnpike.domain.presets import SLUG_RULE, Preset, PresetVersion, is_slug

if TYPE_CHECKING:
    # Loaded with the first request for it.
    from turnpike.services.manage_presets import ManagePresets, PresetChanges, PresetContent

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Description = Annotated[str, Field(max_length=1000)]
_SystemPrompt = Annotated[str, Field(min_length=1)]
_MOST_DIGITS = 6
"""Of a version's number."""


class CreatePresetBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    slug: str
    name: _Name | None = None
    description: _Description | None = None
    system_prompt: _SystemPrompt | None = None
    config: dict[str, Any] = Field(default_factory=dict)


class UpdatePresetBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Name = ""
    description: _Description | None = None
    status: Literal["active", "disabled", "archived"] = "active"
    system_prompt: _SystemPrompt | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    designated_version: Annotated[int, Field(ge=1)] = 1


def routes(guard: Guard, manage_presets: "Callable[[], ManagePresets] | None") -> Sequence[BaseRoute]:
    """`manage_presets` gives the use case, with the first request for it; without, the deployment keeps none, and every
    route says so. Any key reads presets and makes them from requests, as at OpenRouter; the rest is for management
    keys.
    """

    def manage() -> "ManagePresets":
        if manage_presets is None:
            raise NotFound("This deployment keeps no presets: its operator has to set TURNPIKE_PRESETS_TABLE")
        return manage_presets()

    async def list_presets(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        found = await manage().list(principal.account_id)
        return _page(request, [present_preset(preset) for preset in found])

    async def create(request: Request) -> Response:
        principal = await guard.management(request.headers)
        body = parse(CreatePresetBody, await read_json(request))
        created = await manage().create(
            principal.account_id,
            _slug(body.slug, field="slug"),
            _content(body.config, body.system_prompt),
            name=body.name or body.slug,
            description=body.description,
        )
        return json_response({"data": present_whole(created)}, 201)

    async def get(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        return json_response({"data": present_whole(await manage().get(principal.account_id, _known_slug(request)))})

    async def update(request: Request) -> Response:
        principal = await guard.management(request.headers)
        changes = _changes(parse(UpdatePresetBody, await read_json(request)))
        changed = await manage().update(principal.account_id, _known_slug(request), changes)
        return json_response({"data": present_whole(changed)})

    async def delete(request: Request) -> Response:
        principal = await guard.management(request.headers)
        await manage().delete(principal.account_id, _known_slug(request))
        return json_response({"deleted": True})

    async def list_versions(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        preset, versions = await manage().list_versions(principal.account_id, _known_slug(request))
        return _page(request, [present_version(preset, version) for version in versions])

    async def get_version(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        text = request.path_params["version"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0
        found = await manage().get_version(principal.account_id, _known_slug(request), number)
        return json_response({"data": present_version(*found)})

    def keep(skin: str) -> Handler:
        async def put(request: Request) -> Response:
            from turnpike.api.presets import bodies

            read: Callable[[Mapping[str, Any]], PresetContent] = getattr(bodies, f"keep_{skin}")
            principal = await guard.any_key(request.headers)
            slug = _slug(request.path_params["slug"], field="slug")
            content = read(await read_json(request))
            return json_response({"data": present_whole(await manage().put(principal.account_id, slug, content))})

        return put

    return [
        resource("/presets", get=list_presets, post=create),
        resource("/presets/{slug}", get=get, patch=update, delete=delete),
        resource("/presets/{slug}/versions", get=list_versions),
        resource("/presets/{slug}/versions/{version}", get=get_version),
        resource("/presets/{slug}/chat/completions", post=keep("chat")),
        resource("/presets/{slug}/messages", post=keep("messages")),
        resource("/presets/{slug}/responses", post=keep("responses")),
    ]


def present_preset(preset: Preset) -> dict[str, Any]:
    changed = preset.status_updated_at_s
    return {
        "id": preset.id,
        "slug": preset.slug,
        "name": preset.name,
        "description": preset.description,
        "status": preset.status,
        "creator_user_id": preset.account_id,
        "workspace_id": preset.account_id,
        "designated_version_id": preset.designated.id,
        "created_at": present_time(preset.created_at_s),
        "updated_at": present_time(preset.updated_at_s),
        "status_updated_at": None if changed is None else present_time(changed),
    }


def present_whole(preset: Preset) -> dict[str, Any]:
    return {**present_preset(preset), "designated_version": present_version(preset, preset.designated)}


def present_version(preset: Preset, version: PresetVersion) -> dict[str, Any]:
    created_at = present_time(version.created_at_s)
    return {
        "id": version.id,
        "preset_id": preset.id,
        "version": version.number,
        "system_prompt": version.system_prompt,
        "config": version.config,
        "creator_id": preset.account_id,
        "created_at": created_at,
        # It is never changed.
        "updated_at": created_at,
    }


def _page(request: Request, found: Sequence[dict[str, Any]]) -> Response:
    offset = queries.whole(request.query_params, "offset", 0)
    limit = queries.whole(request.query_params, "limit", 50, least=1, most=100)
    return json_response({"data": found[offset : offset + limit], "total_count": len(found)})


def _slug(text: str, *, field: str) -> str:
    if not is_slug(text):
        raise InvalidRequest(SLUG_RULE, field=field)
    return text


def _known_slug(request: Request) -> str:
    """What is none is not looked for."""
    slug: str = request.path_params["slug"]
    if not is_slug(slug):
        raise NotFound("Preset not found")
    return slug


def _content(config: Mapping[str, Any], system_prompt: str | None) -> "PresetContent":
    from turnpike.api.presets.config import check_size, parse_config
    from turnpike.services.manage_presets import PresetContent

    content = PresetContent(_at("config", parse_config, config), system_prompt)
    check_size(content.config, system_prompt)
    return content


def _changes(body: UpdatePresetBody) -> "PresetChanges":
    """Only what the body holds; null is a value, and takes a description or a system prompt away."""
    sent = body.model_dump(exclude_unset=True)
    if not sent:
        raise InvalidRequest("No update fields provided")
    if "designated_version" in sent and ("config" in sent or "system_prompt" in sent):
        raise InvalidRequest("go back to a version or change what is said; send one", field="designated_version")
    changes: PresetChanges = sent  # type: ignore[assignment]  # The body has the same members.
    if "config" in sent:
        changes["config"] = _content(body.config, body.system_prompt).config
    elif "system_prompt" in sent:
        _content({}, body.system_prompt)
    return changes


def _at(path: str, read: Callable[[Mapping[str, Any]], dict[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is wrong is told with the place at which it stands in the body."""
    try:
        return read(given)
    except InvalidRequest as error:
        told = error.message.removeprefix(f"{error.field}: ")
        raise InvalidRequest(told, field=f"{path}.{error.field}" if error.field else path) from None
