"""`GET /models` and what lies below it: public, and as both SDKs read it."""

import httpx2
import pytest
from openai import NotFoundError, OpenAI
from openrouter import OpenRouter, errors

from tests.e2e.asking import error_of
from tests.e2e.run import Run

DEMO = {"demo/chat", "demo/chat:free", "demo/reasoning", "demo/slow", "demo/fallback", "demo/down", "demo/busy"}


def get(run: Run, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    """Without a key."""
    return httpx2.get(f"{run.base_url}{path}", headers=headers, trust_env=False)


def test_openai_lists_the_models(openai: OpenAI) -> None:
    models = {model.id: model for model in openai.models.list()}

    assert set(models) >= DEMO
    assert models["demo/chat"].created == 1767225600


def test_openai_retrieves_a_model(openai: OpenAI) -> None:
    model = openai.models.retrieve("demo/chat:free")

    assert (model.id, model.object, model.created, model.owned_by) == ("demo/chat:free", "model", 1767225600, "demo")
    with pytest.raises(NotFoundError, match="Model demo/none not found"):
        openai.models.retrieve("demo/none")


@pytest.mark.parametrize("slug", ["demo/chat", "demo%2Fchat"])
def test_a_model_is_told_alike_at_both_addresses(run: Run, slug: str) -> None:
    assert get(run, f"/models/{slug}").json()["data"] == get(run, "/model/demo/chat").json()["data"]


def test_openrouter_lists_the_models(openrouter: OpenRouter) -> None:
    page = openrouter.models.list()

    assert page is not None
    models = {model.id: model for model in page.result.data}
    assert set(models) >= DEMO
    assert models["demo/chat"].pricing.prompt == "0.00000015"
    assert models["demo/chat"].pricing.completion == "0.0000006"
    assert models["demo/chat"].context_length == 32768


def test_openrouter_pages_through_the_models(openrouter: OpenRouter) -> None:
    whole = openrouter.models.list()
    assert whole is not None
    page = openrouter.models.list(limit=3)
    sizes, ids = [], []
    while page is not None and page.result.data:
        sizes.append(len(page.result.data))
        ids += [model.id for model in page.result.data]
        page = page.next()

    assert max(sizes) == 3
    assert ids == [model.id for model in whole.result.data]


def test_openrouter_gets_and_counts_models(openrouter: OpenRouter) -> None:
    assert openrouter.models.get(author="demo", slug="chat:free").data.id == "demo/chat:free"
    assert openrouter.models.count().data.count >= len(DEMO)


def test_openrouter_lists_the_endpoints_of_a_model(openrouter: OpenRouter) -> None:
    listed = openrouter.endpoints.list(author="demo", slug="fallback").data

    assert listed.id == "demo/fallback"
    assert {endpoint.provider_name for endpoint in listed.endpoints} == {"Demo", "Demo (broken)"}
    assert {endpoint.pricing.prompt for endpoint in listed.endpoints} == {"0.00000003", "0.00000015"}


def test_unknown_model_has_no_endpoints(openrouter: OpenRouter) -> None:
    with pytest.raises(errors.NotFoundResponseError) as caught:
        openrouter.endpoints.list(author="demo", slug="none")

    assert caught.value.data.error.code == 404


def test_no_key_is_needed(run: Run) -> None:
    for path in (
        *("/models", "/models/count", "/models/demo/chat/endpoints", "/model/demo/chat", "/providers"),
        *("/endpoints/zdr", "/embeddings/models", "/models?use_rss=true"),
    ):
        assert get(run, path).status_code == 200, path


def test_an_accounts_models_need_its_key(run: Run, openrouter: OpenRouter) -> None:
    page = openrouter.models.list_for_user(security={"bearer": run.api_key}, sort="newest", limit=1000)

    assert page is not None
    assert {model.id for model in page.result.data} >= DEMO
    assert error_of(get(run, "/models/user"), 401)


def test_openrouter_lists_the_endpoints_without_retention(openrouter: OpenRouter) -> None:
    listed = openrouter.endpoints.list_zdr_endpoints().data

    assert "demo/chat" in {endpoint.model_id for endpoint in listed}


def test_openrouter_lists_the_embedding_models(openrouter: OpenRouter) -> None:
    page = openrouter.embeddings.list_models()

    assert page is not None
    assert page.result.total_count == len(page.result.data)


def test_openrouter_filters_and_sorts_the_models(openrouter: OpenRouter) -> None:
    page = openrouter.models.list(
        q="demo", supported_parameters="tools,max_completion_tokens", max_price=0, sort="throughput-high-to-low"
    )

    assert page is not None
    found = {model.id for model in page.result.data}
    assert "demo/chat:free" in found
    assert "demo/chat" not in found


def test_caches_may_keep_the_list(run: Run) -> None:
    first = get(run, "/models")
    second = get(run, "/models", {"if-none-match": first.headers["etag"]})

    assert "max-age" in first.headers["cache-control"]
    assert second.status_code == 304
    assert second.content == b""


def test_what_endpoints_are_doing_is_kept_for_a_shorter_time_and_apart_for_those_with_a_key(run: Run) -> None:
    path = "/models/demo/chat/endpoints"
    anybody, somebody = get(run, path), get(run, path, {"authorization": f"Bearer {run.api_key}"})

    assert anybody.headers["cache-control"] == "public, max-age=15"
    assert somebody.headers["cache-control"] == "private, max-age=15"
    assert anybody.headers["vary"] == somebody.headers["vary"] == "Authorization"


def test_wrong_parameter_is_named(run: Run) -> None:
    assert error_of(get(run, "/models?limit=many"), 400)["message"].startswith("limit: ")
