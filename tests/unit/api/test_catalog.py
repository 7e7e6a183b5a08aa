"""The catalog's public reads, through the app."""

from dataclasses import replace
from decimal import Decimal
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from openrouter import components, operations

from turnpike.api.catalog_answers import CatalogAnswers, build_answer
from turnpike.api.present_catalog import present_pricing
from turnpike.domain.catalog import Catalog, FixedCatalog
from turnpike.domain.pricing import PriceOverride, Pricing

from tests.unit.api.catalog_reads import ALIASED, CATALOG, CHEAP, LARGE, MODELS, PROVIDERS, Reads, model

pytestmark = pytest.mark.anyio


@pytest.fixture
def reads() -> Reads:
    return Reads()


async def test_models_are_listed_whole_and_without_a_key(reads: Reads) -> None:
    content = (await reads.anybody.get("/models")).json()

    listed = components.ModelsListResponse.model_validate(content)
    assert (listed.total_count, listed.links.next) == (4, None)
    large = content["data"][0]
    assert large["id"] == large["canonical_slug"] == "acme/large"
    assert large["architecture"]["modality"] == "text+image->text"
    assert large["links"] == {"details": "/api/v1/models/acme/large/endpoints"}
    # The cheapest endpoint stands for the model.
    assert large["pricing"] == {"prompt": "0.00000015", "completion": "0.0000006", "request": "0"}


@pytest.mark.parametrize("path", ["/models?limit=1&context=1500", "/models/user?limit=1&sort=newest"])
async def test_pages_link_to_the_next_one(reads: Reads, path: str) -> None:
    seen: list[str] = []
    following: str | None = path
    while following:
        content = (await reads.client.get(following)).json()
        assert len(content["data"]) == 1
        seen += [each["id"] for each in content["data"]]
        following = content["links"]["next"]
        assert following is None or following.startswith(f"/api/v1{urlsplit(path).path}?")
        following = following.removeprefix("/api/v1") if following else None

    assert len(seen) == len(set(seen)) == content["total_count"] == (3 if "context" in path else 4)


async def test_links_to_pages_are_absolute_where_the_address_is_known() -> None:
    client = Reads(public_url="https://api.test/prod").anybody

    following = (await client.get("/models?limit=2")).json()["links"]["next"]

    assert following.startswith("https://api.test/prod/api/v1/models?")
    assert urlsplit(following).query == "limit=2&offset=2"


async def test_models_are_counted(reads: Reads) -> None:
    assert (await reads.anybody.get("/models/count")).json() == {"data": {"count": 4}}
    # The other filters are not this address's.
    assert (await reads.anybody.get("/models/count?q=large")).json() == {"data": {"count": 4}}
    assert (await reads.anybody.get("/models/count?output_modalities=audio")).json() == {"data": {"count": 0}}


async def test_an_accounts_models_need_its_key(reads: Reads) -> None:
    refused = await reads.anybody.get("/models/user")
    listed = await reads.client.get("/models/user?sort=newest&q=large")

    assert refused.status_code == 401
    components.ModelsListResponse.model_validate(listed.json())
    assert [each["id"] for each in listed.json()["data"]] == [
        "other/small",
        "acme/large",
        "acme/small:free",
        "acme/small",
    ]
    assert listed.headers["cache-control"].startswith("private, ")
    assert listed.headers["vary"] == "Authorization"


async def test_embedding_models_are_listed_by_themselves() -> None:
    embedding = model("acme/embed", {"two": CHEAP}, output_modalities=("embeddings",))
    reads = Reads(FixedCatalog([*MODELS, embedding], PROVIDERS))

    content = (await reads.anybody.get("/embeddings/models")).json()

    components.ModelsListResponse.model_validate(content)
    assert [each["id"] for each in content["data"]] == ["acme/embed"]
    assert "acme/embed" not in await reads.ids("")
    assert (await reads.anybody.get("/embeddings/models?offset=1")).json()["data"] == []
    assert (await reads.anybody.get("/embeddings/models?limit=0")).status_code == 400


async def test_there_may_be_no_embedding_models(reads: Reads) -> None:
    content = (await reads.anybody.get("/embeddings/models")).json()

    assert content == {"data": [], "links": {"next": None}, "total_count": 0}


async def test_one_model(reads: Reads) -> None:
    response = await reads.anybody.get("/model/acme/small:free")

    components.ModelResponse.model_validate(response.json())
    assert response.json()["data"]["pricing"]["prompt"] == "0"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("acme/small:free", "acme/small:free"),
        ("acme%2Fsmall%3Afree", "acme/small:free"),
        ("acme%2Flarge:nitro", "acme/large"),
        ("acme/big", "acme/large"),
        ("~acme/large-latest", "~acme/large-latest"),
    ],
)
async def test_one_model_as_openais_clients_read_it(asked: str, shown: str) -> None:
    reads = Reads(ALIASED)
    content = (await reads.anybody.get(f"/models/{asked}")).json()

    whole = (await reads.anybody.get(f"/model/{shown}")).json()["data"]
    owned = {"id": shown, "object": "model", "created": whole["created"], "owned_by": "acme"}
    assert content == {**owned, "data": whole}


async def test_a_models_endpoints(reads: Reads) -> None:
    response = await reads.anybody.get("/models/acme/large/endpoints")

    parsed = operations.ListEndpointsResponse.model_validate(response.json()).data
    assert [endpoint.tag for endpoint in parsed.endpoints] == ["one", "two"]
    first = response.json()["data"]["endpoints"][0]
    assert first["provider_name"] == "Provider One"
    assert first["pricing"]["input_cache_read"] == "0.0000003"
    assert first["supports_implicit_caching"] is True
    assert first["supports_tool_choice"] == dict.fromkeys(("auto", "none", "required", "function"), True)


@pytest.mark.parametrize("slug", ["acme/large:nitro", "acme/small:free:floor", "acme/large:nitro:online"])
async def test_variants_that_only_route_show_their_model(reads: Reads, slug: str) -> None:
    response = await reads.anybody.get(f"/models/{slug}/endpoints")

    assert response.json()["data"]["id"] == slug.replace(":nitro", "").replace(":floor", "").replace(":online", "")


@pytest.mark.parametrize("slug", ["acme/big", "acme/big:nitro"])
async def test_a_renamed_model_is_found_by_its_old_name(reads: Reads, slug: str) -> None:
    one = (await reads.anybody.get(f"/model/{slug}")).json()["data"]
    endpoints = (await reads.anybody.get(f"/models/{slug}/endpoints")).json()["data"]

    assert one["id"] == endpoints["id"] == "acme/large"
    assert "alias_target" not in one


@pytest.mark.parametrize("slug", ["~acme/large-latest", "~acme/large-latest:floor"])
async def test_a_familys_latest_says_which_model_it_is(slug: str) -> None:
    reads = Reads(ALIASED)
    content = (await reads.anybody.get(f"/model/{slug}")).json()
    endpoints = (await reads.anybody.get(f"/models/{slug}/endpoints")).json()["data"]

    components.ModelResponse.model_validate(content)
    assert content["data"]["id"] == "~acme/large-latest"
    assert content["data"]["name"] == "Acme: Large Latest"
    assert content["data"]["alias_target"] == {"slug": "acme/large", "name": "Acme: Large 4.7"}
    assert endpoints["id"] == "acme/large"


async def test_a_familys_latest_is_listed_as_it_is_read() -> None:
    reads = Reads(ALIASED)
    content = (await reads.anybody.get("/models")).json()

    listed = components.ModelsListResponse.model_validate(content)
    ids = [each.id for each in listed.data]
    # Neither the one that nobody serves, nor a name from before, which stands for the same model for good.
    assert ids == ["acme/large", "acme/small", "acme/small:free", "other/small", "~acme/large-latest"]
    assert listed.total_count == 5
    assert (await reads.anybody.get("/models/count")).json() == {"data": {"count": 5}}
    read = (await reads.anybody.get("/model/~acme/large-latest")).json()["data"]
    assert content["data"][-1] == read
    assert read["pricing"] == content["data"][0]["pricing"]
    assert (read["name"], read["links"]) == (
        "Acme: Large Latest",
        {"details": "/api/v1/models/~acme/large-latest/endpoints"},
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=latest", ["~acme/large-latest"]),
        ("?model_authors=acme&context=2000", ["acme/large", "~acme/large-latest"]),
        ("?sort=pricing-low-to-high&limit=2&offset=3", ["~acme/large-latest", "other/small"]),
        ("?zdr=true", ["acme/small"]),
        ("?use_rss=false&offset=4", ["~acme/large-latest"]),
    ],
)
async def test_a_familys_latest_is_chosen_and_ordered_as_its_model_is(query: str, expected: list[str]) -> None:
    assert await Reads(ALIASED).ids(query) == expected


async def test_the_feed_of_models_leaves_aliases_out() -> None:
    feed = (await Reads(ALIASED).anybody.get("/models?use_rss=true")).text
    assert feed.count("<item>") == 4
    assert "~acme" not in feed


@pytest.mark.parametrize(
    "path",
    [
        "/model/~acme/gone-latest",
        "/model/acme/none",
        "/models/acme%2Fnone",
        "/models/acme/large:free/endpoints",
        f"/model/acme/{'x' * 3000}",
    ],
)
async def test_unknown_models(reads: Reads, path: str) -> None:
    response = await reads.anybody.get(path)

    assert response.status_code == 404
    assert response.json()["error"]["metadata"] == {"error_type": "not_found"}
    assert len(response.text) < 400


async def test_providers(reads: Reads) -> None:
    content = (await reads.anybody.get("/providers")).json()

    operations.ListProvidersResponse.model_validate(content)
    assert [provider["slug"] for provider in content["data"]] == ["one", "two"]


async def test_new_models_can_be_subscribed_to() -> None:
    odd = model("acme/odd", {"two": CHEAP}, age_days=1, name="Acme: <Odd> & more", description="a\x00b")
    client = Reads(FixedCatalog([*MODELS, odd], PROVIDERS), public_url="https://api.test").anybody

    response = await client.get("/models?use_rss=true&model_authors=acme")

    assert response.headers["content-type"] == "application/rss+xml"
    items = ElementTree.fromstring(response.content).findall("channel/item")
    guids = [item.findtext("guid") for item in items]
    assert guids == ["acme/odd", "acme/large", "acme/small:free", "acme/small"]
    assert items[0].findtext("title") == "Acme: <Odd> & more"
    assert items[0].findtext("link") == "https://api.test/api/v1/model/acme/odd"
    assert items[0].findtext("pubDate") == "Mon, 23 Nov 2026 06:00:00 GMT"
    assert items[0].findtext("description") == "ab"


PATHS = (
    "/models",
    "/models?sort=latency-low-to-high",
    "/models?use_rss=true",
    "/models/count",
    "/model/acme/large",
    "/models/acme/large",
    "/models/acme/large/endpoints",
    "/embeddings/models",
    "/endpoints/zdr",
    "/providers",
)


@pytest.mark.parametrize("path", PATHS)
async def test_caches_may_keep_and_revalidate(reads: Reads, path: str) -> None:
    first = await reads.anybody.get(path)
    assert first.status_code == 200
    assert first.headers["cache-control"].startswith("public, max-age=")
    etag = first.headers["etag"]

    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await reads.anybody.get(path, **{"if-none-match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await reads.anybody.get(path, **{"if-none-match": '"other"'})).status_code == 200


class Changing(FixedCatalog):
    """One whose current catalog the test sets."""

    def __init__(self) -> None:
        super().__init__(MODELS, PROVIDERS, version="1")
        self.latest: Catalog = CATALOG

    def current(self) -> Catalog:  # type: ignore[override]
        return self.latest


async def test_answers_change_with_the_catalog() -> None:
    catalog = Changing()
    reads = Reads(catalog)
    paths = ("/models", "/models?q=large", "/models/count", "/model/acme/large", "/models/acme/large/endpoints")
    before = [(await reads.anybody.get(path)).headers["etag"] for path in (*paths, "/providers")]

    # Equal to the one before in all that it shows.
    catalog.latest = FixedCatalog(MODELS, PROVIDERS, version="2")
    same = [(await reads.anybody.get(path)).headers["etag"] for path in (*paths, "/providers")]
    catalog.latest = FixedCatalog([replace(LARGE, name="Another")], PROVIDERS, version="3")
    after = [(await reads.anybody.get(path)).headers["etag"] for path in paths]

    assert same == before
    assert not set(after) & set(before)
    assert (await reads.anybody.get("/model/acme/large")).json()["data"]["name"] == "Another"


async def test_no_number_of_different_questions_fills_the_memory() -> None:
    answers, answer = CatalogAnswers(CATALOG), build_answer({})
    for number in range(1000):
        answers.keep(f"/models?context={number}", answer)
        assert answers.find("/models?context=0") is answer, "what is asked for again and again is kept"

    assert sum(answers.find(f"/models?context={number}") is not None for number in range(1000)) < 50


def test_prices_are_plain_decimals() -> None:
    prices = present_pricing(Pricing(Decimal("1E-10"), Decimal("1E+1"), request=Decimal("0.0100")))

    assert prices == {"prompt": "0.0000000001", "completion": "10", "request": "0.01"}


def test_prices_that_change_tell_when() -> None:
    steps = (
        PriceOverride((("prompt", Decimal("0.000006")),), min_prompt_tokens=200_000),
        PriceOverride(
            (("completion", Decimal("0.000001")),), utc_start=1630, utc_end=30, utc_days=("friday", "sunday")
        ),
    )

    prices = present_pricing(Pricing(Decimal("0.000003"), Decimal("0.000002"), overrides=steps))

    components.PublicPricing.model_validate(prices)
    assert prices["overrides"] == [
        {"min_prompt_tokens": 200_000, "prompt": "0.000006"},
        {"utc_start": 1630, "utc_end": 30, "utc_days": ["friday", "sunday"], "completion": "0.000001"},
    ]
