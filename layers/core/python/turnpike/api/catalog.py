"""Models, their endpoints and providers: public reads that caches may keep."""

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api import queries
from turnpike.api.edge import json_response
from turnpike.api.model_filters import select_models
from turnpike.api.present_catalog import present_model, present_model_endpoints, present_provider
from turnpike.api.resource import resource
from turnpike.domain.catalog import Catalog, Model
from turnpike.domain.errors import ModelNotFound, NotFound

_CACHE_CONTROL = "public, max-age=60, stale-while-revalidate=600"
"""A price that changed may show a minute late; it is charged as it was when the request came."""

_PAGE, _LARGEST_PAGE = 500, 1000

_ROUTING_VARIANTS = ("nitro", "floor", "exacto", "online")
"""Suffixes that any model takes: they change how it is routed, not what it is."""


def routes(catalog: Catalog, *, public_url: str = "") -> Sequence[BaseRoute]:
    async def list_models(request: Request) -> Response:
        models = select_models(catalog.current(), request.query_params)
        page, next_url = _page(models, request, public_url)
        listed = [present_model(model) for model in page]
        return _cacheable(request, {"data": listed, "links": {"next": next_url}, "total_count": len(models)})

    async def count_models(request: Request) -> Response:
        count = len(select_models(catalog.current(), request.query_params, only=("output_modalities",)))
        return _cacheable(request, {"data": {"count": count}})

    async def get_model(request: Request) -> Response:
        return _cacheable(request, {"data": present_model(_find(catalog.current(), request))})

    async def list_endpoints(request: Request) -> Response:
        now = catalog.current()
        return _cacheable(request, {"data": present_model_endpoints(_find(now, request), now)})

    async def list_providers(request: Request) -> Response:
        return _cacheable(request, {"data": [present_provider(provider) for provider in catalog.current().providers]})

    return [
        resource("/models", get=list_models),
        resource("/models/count", get=count_models),
        resource("/models/{author}/{slug}/endpoints", get=list_endpoints),
        resource("/model/{author}/{slug}", get=get_model),
        resource("/providers", get=list_providers),
    ]


def _find(catalog: Catalog, request: Request) -> Model:
    """The model that the address names. Raises NotFound."""
    author, slug = request.path_params["author"], request.path_params["slug"]
    base, _, variant = slug.rpartition(":")
    for name in (slug, base if variant in _ROUTING_VARIANTS else ""):
        try:
            return catalog.get_model(f"{author}/{name}")
        except ModelNotFound:
            continue
    raise NotFound(f"Model {author}/{slug} not found"[:200])


def _page(models: Sequence[Model], request: Request, public_url: str) -> tuple[Sequence[Model], str | None]:
    """The models that were asked for, and where the next ones are; all of them when no page is named."""
    query = request.query_params
    if "offset" not in query and "limit" not in query:
        return models, None
    offset = queries.whole(query, "offset", 0)
    limit = queries.whole(query, "limit", _PAGE, least=1, most=_LARGEST_PAGE)
    if offset + limit >= len(models):
        return models[offset:], None
    following = {**dict(query), "offset": offset + limit, "limit": limit}
    return models[offset : offset + limit], f"{public_url}/api/v1/models?{urlencode(following)}"


def _cacheable(request: Request, content: Any) -> Response:
    """The answer, or 304 when the client has it already."""
    response = json_response(content, headers={"cache-control": _CACHE_CONTROL})
    etag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    response.headers["etag"] = etag
    held = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in held or held == ["*"]:
        return Response(status_code=304, headers={"etag": etag, "cache-control": _CACHE_CONTROL})
    return response
