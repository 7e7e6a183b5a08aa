"""The catalog's public reads, through the app."""

from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from openrouter import components, operations

from turnpike.api import catalog
from turnpike.api.edge import Edge
from turnpike.api.present_catalog import present_pricing
from turnpike.domain.catalog import Endpoint, FixedCatalog, Model, Provider
from turnpike.domain.pricing import Pricing

from tests.asgi import AsgiClient

pytestmark = pytest.mark.anyio

DEAR = Pricing(Decimal("0.000003"), Decimal("0.000015"), input_cache_read=Decimal("3E-7"))
CHEAP = Pricing(Decimal("1.5E-7"), Decimal("6E-7"))
FREE = Pricing()


def model(slug: str, created: int, endpoints: dict[str, Pricing], *, images: bool = False) -> Model:
    tools = ("tools", "tool_choice") if images else ()
    parameters = ("max_tokens", "temperature", *tools)
    return Model(
        id=slug,
        name=f"Acme: {slug}",
        created=created,
        description="A model",
        context_length=created,
        input_modalities=("text", "image") if images else ("text",),
        output_modalities=("text",),
        tokenizer="Other",
        supported_parameters=parameters,
        endpoints=tuple(
            Endpoint(slug, provider, "up", "https://x.test", price, created, 4096, frozenset(parameters))
            for provider, price in endpoints.items()
        ),
    )


CATALOG = FixedCatalog(
    [
        model("acme/large", 2000, {"one": DEAR, "two": CHEAP}, images=True),
        model("acme/small", 1000, {"two": CHEAP}),
        model("acme/small:free", 1500, {"one": FREE}),
        model("other/small", 3000, {"one": DEAR}),
    ],
    [
        Provider("one", "Provider One", "openai_compatible", "https://one.test/v1", "https://one.test/privacy"),
        Provider("two", "Provider Two", "openai_compatible", "https://two.test/v1"),
    ],
)


@pytest.fixture
def client() -> AsgiClient:
    return AsgiClient(Edge(catalog.routes(CATALOG)))


async def ids(client: AsgiClient, query: str) -> list[str]:
    response = await client.get(f"/models{query}")
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()["data"]]


async def test_models_are_listed_whole_and_without_a_key(client: AsgiClient) -> None:
    content = (await client.get("/models")).json()

    listed = components.ModelsListResponse.model_validate(content)
    assert (listed.total_count, listed.links.next) == (4, None)
    large = content["data"][0]
    assert large["id"] == large["canonical_slug"] == "acme/large"
    assert large["architecture"]["modality"] == "text+image->text"
    assert large["links"] == {"details": "/api/v1/models/acme/large/endpoints"}
    # The cheapest endpoint stands for the model.
    assert large["pricing"] == {"prompt": "0.00000015", "completion": "0.0000006", "request": "0"}


async def test_pages_link_to_the_next_one(client: AsgiClient) -> None:
    seen: list[str] = []
    path: str | None = "/models?limit=1&context=1500"
    while path:
        content = (await client.get(path)).json()
        seen += [each["id"] for each in content["data"]]
        assert content["total_count"] == 3
        following = content["links"]["next"]
        path = following.removeprefix("/api/v1") if following else None

    assert seen == ["acme/large", "acme/small:free", "other/small"]


async def test_links_to_pages_are_absolute_where_the_address_is_known() -> None:
    client = AsgiClient(Edge(catalog.routes(CATALOG, public_url="https://api.test/prod")))

    following = (await client.get("/models?limit=2")).json()["links"]["next"]

    assert following.startswith("https://api.test/prod/api/v1/models?")
    assert urlsplit(following).query == "limit=2&offset=2"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=SMALL+free", ["acme/small:free"]),
        ("?supported_parameters=tools,temperature", ["acme/large"]),
        ("?input_modalities=image", ["acme/large"]),
        ("?output_modalities=image", []),
        ("?output_modalities=all&context=2500", ["other/small"]),
        ("?model_authors=other,nobody", ["other/small"]),
        ("?providers=Provider+Two", ["acme/large", "acme/small"]),
        ("?max_price=0", ["acme/small:free"]),
        ("?min_price=1", ["other/small"]),
        ("?sort=newest", ["other/small", "acme/large", "acme/small:free", "acme/small"]),
        ("?sort=pricing-high-to-low&offset=3", ["acme/small:free"]),
        ("?zdr=true", []),
        ("?offset=9", []),
    ],
)
async def test_filters(client: AsgiClient, query: str, expected: list[str]) -> None:
    assert await ids(client, query) == expected


@pytest.mark.parametrize(
    "query",
    ["?limit=0", "?limit=1001", "?offset=-1", "?offset=x", "?context=many", "?sort=best", "?max_price=a"],
)
async def test_wrong_parameters_are_refused_by_name(client: AsgiClient, query: str) -> None:
    response = await client.get(f"/models{query}")

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(f"{query[1:].partition('=')[0]}: ")


async def test_models_are_counted(client: AsgiClient) -> None:
    assert (await client.get("/models/count")).json() == {"data": {"count": 4}}
    assert (await client.get("/models/count?output_modalities=audio&q=x")).json() == {"data": {"count": 0}}


async def test_one_model(client: AsgiClient) -> None:
    response = await client.get("/model/acme/small:free")

    components.ModelResponse.model_validate(response.json())
    assert response.json()["data"]["pricing"]["prompt"] == "0"


async def test_a_models_endpoints(client: AsgiClient) -> None:
    response = await client.get("/models/acme/large/endpoints")

    parsed = operations.ListEndpointsResponse.model_validate(response.json()).data
    assert [endpoint.tag for endpoint in parsed.endpoints] == ["one", "two"]
    first = response.json()["data"]["endpoints"][0]
    assert first["provider_name"] == "Provider One"
    assert first["pricing"]["input_cache_read"] == "0.0000003"
    assert first["supports_implicit_caching"] is True
    assert first["supports_tool_choice"] == dict.fromkeys(("auto", "none", "required", "function"), True)


@pytest.mark.parametrize("slug", ["acme/large:nitro", "acme/small:free:floor"])
async def test_variants_that_only_route_show_their_model(client: AsgiClient, slug: str) -> None:
    response = await client.get(f"/models/{slug}/endpoints")

    assert response.json()["data"]["id"] == slug.rpartition(":")[0]


@pytest.mark.parametrize("path", ["/model/acme/none", "/models/acme/large:free/endpoints", f"/model/acme/{'x' * 3000}"])
async def test_unknown_models(client: AsgiClient, path: str) -> None:
    response = await client.get(path)

    assert response.status_code == 404
    assert response.json()["error"]["metadata"] == {"error_type": "not_found"}
    assert len(response.text) < 400


async def test_providers(client: AsgiClient) -> None:
    content = (await client.get("/providers")).json()

    operations.ListProvidersResponse.model_validate(content)
    assert [provider["slug"] for provider in content["data"]] == ["one", "two"]


@pytest.mark.parametrize("path", ["/models", "/models/count", "/models/acme/large/endpoints", "/providers"])
async def test_caches_may_keep_and_revalidate(client: AsgiClient, path: str) -> None:
    first = await client.get(path)
    assert first.headers["cache-control"].startswith("public, max-age=")
    etag = first.headers["etag"]

    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await client.get(path, **{"if-none-match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await client.get(path, **{"if-none-match": '"other"'})).status_code == 200


def test_prices_are_plain_decimals() -> None:
    prices = present_pricing(Pricing(Decimal("1E-10"), Decimal("1E+1"), request=Decimal("0.0100")))

    assert prices == {"prompt": "0.0000000001", "completion": "10", "request": "0.01"}
