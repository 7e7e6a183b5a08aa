"""Models, their endpoints and providers: public reads that caches may keep.

Nothing here needs a key but `/models/user`; without one, how fast endpoints are is not told. What endpoints have been
doing lately is read by `reports`, which waits for storage now and then, and so is called in a thread.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api import queries
from turnpike.api.auth import Guard
from turnpike.api.catalog_answers import Answer, CatalogAnswers, build_answer, respond, tagged
from turnpike.api.model_filters import Facts, is_measured, is_moving, select_models
from turnpike.api.present_catalog import (
    is_moving_alias,
    present_alias,
    present_model_endpoints,
    present_owned,
    present_provider,
)
from turnpike.api.present_feed import MEDIA_TYPE, present_feed
from turnpike.api.present_images import draws, present_image_endpoints, present_image_model
from turnpike.api.resource import resource
from turnpike.domain.catalog import Catalog, Model
from turnpike.domain.errors import ModelNotFound, NotFound, TemporarilyBusy, Unauthenticated
from turnpike.domain.health import HealthReport
from turnpike.domain.slugs import parse_slug

_PUBLIC = "public, max-age=30, stale-while-revalidate=15"
"""A change shows that much later, and a minute for the catalog to be looked at; prices are charged as they are."""
_LIVE = "public, max-age=15"
"""As long as a report of the endpoints' health is used here."""
_PERSONAL = "private, max-age=15"

_PAGE, _LARGEST_PAGE = 500, 1000

_COUNTED = ("output_modalities",)
_USERS = ("output_modalities", "sort")

_NO_REPORT = HealthReport(0.0, {})


def routes(
    catalog: Catalog,
    *,
    guard: Guard,
    reports: Callable[[], HealthReport],
    public_url: str = "",
    now: Callable[[], float] = time.time,
) -> Sequence[BaseRoute]:
    reads = _Reads(catalog, guard, reports, public_url, now)
    return [
        resource("/models", get=reads.list_models),
        resource("/models/count", get=reads.count_models),
        resource("/models/user", get=reads.list_users_models),
        resource("/models/{author}/{slug}/endpoints", get=reads.list_endpoints),
        resource("/model/{author}/{slug}", get=reads.get_model),
        resource("/models/{author}/{slug}", get=reads.retrieve_model),
        resource("/embeddings/models", get=reads.list_embedding_models),
        resource("/images/models", get=reads.list_image_models),
        resource("/images/models/{author}/{slug}/endpoints", get=reads.list_image_endpoints),
        resource("/endpoints/zdr", get=reads.list_zdr_endpoints),
        resource("/providers", get=reads.list_providers),
    ]


class _Reads:
    def __init__(
        self,
        catalog: Catalog,
        guard: Guard,
        reports: Callable[[], HealthReport],
        public_url: str,
        now: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._guard = guard
        self._reports = reports
        self._base_url = f"{public_url}/api/v1"
        self._now = now
        self._latest: CatalogAnswers | None = None

    async def list_models(self, request: Request) -> Response:
        if queries.flag(request.query_params, "use_rss"):
            return await self._feed(request)
        return respond(request, await self._models(request, "/models"), _PUBLIC)

    async def list_users_models(self, request: Request) -> Response:
        """Every model, for as long as accounts have no policies that would keep them from any."""
        await self._guard.any_key(request.headers)
        answer = await self._models(request, "/models/user", only=_USERS)
        return respond(request, answer, _PERSONAL, varies=True)

    async def list_embedding_models(self, request: Request) -> Response:
        answers = self._answers()

        def content() -> object:
            found = [model for model in answers.catalog.models if "embeddings" in model.output_modalities]
            return self._page(answers, found, request, "/embeddings/models")

        return respond(request, answers.kept(_address(request), content), _PUBLIC)

    async def list_image_models(self, request: Request) -> Response:
        answers = self._answers()

        def content() -> object:
            return {"data": [present_image_model(model) for model in answers.catalog.models if draws(model)]}

        return respond(request, answers.kept("/images/models", content), _PUBLIC)

    async def list_image_endpoints(self, request: Request) -> Response:
        catalog = self._answers().catalog
        _, model = _find(catalog, request)
        if not draws(model):
            raise NotFound(f"{model.id} draws no images; GET /images/models lists those that do")
        return respond(request, build_answer(present_image_endpoints(model, catalog)), _PUBLIC)

    async def count_models(self, request: Request) -> Response:
        facts = Facts(self._answers().catalog, _NO_REPORT, self._now())
        count = len(select_models(request.query_params, facts, only=_COUNTED))
        return respond(request, build_answer({"data": {"count": count}}), _PUBLIC)

    async def get_model(self, request: Request) -> Response:
        """A slug that was renamed shows the model by its new one, and `~author/family-latest` which one it is now."""
        _, shown = self._shown(request)
        return respond(request, build_answer({"data": shown}), _PUBLIC)

    async def retrieve_model(self, request: Request) -> Response:
        """The same at the address that OpenAI's clients ask, with the members that they read beside it.

        https://platform.openai.com/docs/api-reference/models/object
        """
        model, shown = self._shown(request)
        return respond(request, build_answer({**present_owned(model), "data": shown}), _PUBLIC)

    def _shown(self, request: Request) -> tuple[Model, object]:
        """The model by the name that it is shown by, and as it is shown."""
        answers = self._answers()
        asked, model = _find(answers.catalog, request)
        if is_moving_alias(asked):
            return replace(model, id=asked), present_alias(asked, model)
        return model, answers.model(model)

    async def list_endpoints(self, request: Request) -> Response:
        answers = self._answers()
        _, model = _find(answers.catalog, request)
        to_anybody = not await self._has_key(request)
        report = await run_sync(self._reports)
        rows = [row for _, row in answers.endpoints(model, report, self._now(), to_anybody=to_anybody)]
        answer = build_answer({"data": present_model_endpoints(model, rows)})
        return respond(request, answer, _LIVE if to_anybody else _PERSONAL, varies=True)

    async def list_zdr_endpoints(self, request: Request) -> Response:
        answers = self._answers()
        to_anybody = not await self._has_key(request)
        report, now_s = await run_sync(self._reports), self._now()
        rows = [
            row
            for model in answers.catalog.models
            if any(endpoint.zdr for endpoint in model.endpoints)
            for endpoint, row in answers.endpoints(model, report, now_s, to_anybody=to_anybody)
            if endpoint.zdr
        ]
        return respond(request, build_answer({"data": rows}), _LIVE if to_anybody else _PERSONAL, varies=True)

    async def list_providers(self, request: Request) -> Response:
        answers = self._answers()
        answer = answers.kept(
            "/providers", lambda: {"data": [present_provider(provider) for provider in answers.catalog.providers]}
        )
        return respond(request, answer, _PUBLIC)

    async def _models(self, request: Request, path: str, *, only: Collection[str] | None = None) -> Answer:
        query = request.query_params
        answers = self._answers()
        moving = is_moving(query)
        if not moving and (found := answers.find(_address(request))):
            return found
        report = await run_sync(self._reports) if is_measured(query) else _NO_REPORT
        models = select_models(query, Facts(answers.catalog, report, self._now()), only=only)
        answer = build_answer(self._page(answers, models, request, path))
        return answer if moving else answers.keep(_address(request), answer)

    async def _feed(self, request: Request) -> Response:
        answers = self._answers()
        facts = Facts(answers.catalog, _NO_REPORT, self._now())
        # An alias is no model that somebody would want to hear of.
        models = [each for each in select_models(request.query_params, facts) if not is_moving_alias(each.id)]
        feed = present_feed(models, self._base_url)
        return respond(request, tagged(feed, MEDIA_TYPE), _PUBLIC)

    def _page(self, answers: CatalogAnswers, models: Sequence[Model], request: Request, path: str) -> object:
        """The models that were asked for, and where the next ones are; all of them when no page is named."""
        query = request.query_params
        page, following = models, None
        if query.get("offset") or query.get("limit"):
            offset = queries.whole(query, "offset", 0)
            limit = queries.whole(query, "limit", _PAGE, least=1, most=_LARGEST_PAGE)
            page = models[offset : offset + limit]
            if offset + limit < len(models):
                next_query = urlencode({**dict(query), "offset": offset + limit, "limit": limit})
                following = f"{self._base_url}{path}?{next_query}"
        return {
            "data": [answers.model(each) for each in page],
            "links": {"next": following},
            "total_count": len(models),
        }

    def _answers(self) -> CatalogAnswers:
        """Of the catalog that is current now."""
        catalog = self._catalog.current()
        if self._latest is None or self._latest.catalog is not catalog:
            self._latest = CatalogAnswers(catalog)
        return self._latest

    async def _has_key(self, request: Request) -> bool:
        """A wrong key is as good as none where none is needed, and so is one that cannot be looked up now."""
        if "authorization" not in request.headers:
            return False
        try:
            await self._guard.any_key(request.headers)
        except (Unauthenticated, TemporarilyBusy):
            return False
        return True


def _find(catalog: Catalog, request: Request) -> tuple[str, Model]:
    """The model that the address names, and by which name without the variants that only route. Raises NotFound."""
    asked = f"{request.path_params['author']}/{request.path_params['slug']}"
    for name in (asked, parse_slug(asked).model):
        try:
            return name, catalog.get_model(name)
        except ModelNotFound:
            continue
    raise NotFound(f"Model {asked}"[:180] + " not found")


def _address(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}"
