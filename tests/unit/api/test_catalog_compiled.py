"""The reads of the catalog that is deployed, as if there were a key for every provider."""

import pytest
from openrouter import components, operations

from infra.catalog import built_catalog
from turnpike.domain.health import EndpointReport, Percentiles
from turnpike.storage.catalog_artefact import ArtefactCatalog, read_artefact

from tests.unit.api.catalog_reads import Reads

pytestmark = pytest.mark.anyio

PATHS = (
    "/models",
    "/models?sort=throughput-high-to-low",
    "/models?min_age_days=1",
    "/models?use_rss=true",
    "/models/count",
    "/model/openai/gpt-oss-120b",
    "/models/openai/gpt-oss-120b/endpoints",
    "/endpoints/zdr",
    "/embeddings/models",
    "/images/models",
    "/images/models/openai/gpt-image-2/endpoints",
    "/providers",
)


@pytest.fixture(scope="module")
def compiled() -> ArtefactCatalog:
    artefact = read_artefact(built_catalog())
    return ArtefactCatalog(
        artefact, {f"{slug.upper().replace('-', '_')}_API_KEY": "key" for slug in artefact["providers"]}
    )


@pytest.fixture
def reads(compiled: ArtefactCatalog) -> Reads:
    reads = Reads(compiled)
    percentiles = Percentiles(1.5, 2, 3, 4)
    for model in compiled.models:
        for endpoint in model.endpoints:
            reads.tell(endpoint, EndpointReport(100.0, 99.0, 98.0, percentiles, percentiles))
    return reads


async def test_every_model_is_read_by_openrouters_clients(reads: Reads, compiled: ArtefactCatalog) -> None:
    listed = components.ModelsListResponse.model_validate((await reads.anybody.get("/models")).json())

    aliases = [alias for alias in compiled.aliases if alias.startswith("~")]
    assert len(list(compiled.models)) >= 300
    assert len(aliases) >= 5
    writing = [model for model in compiled.models if "text" in model.output_modalities]
    assert listed.total_count == len(listed.data) == len(writing) + len(aliases)
    every = components.ModelsListResponse.model_validate(
        (await reads.anybody.get("/models?output_modalities=all")).json()
    )
    assert every.total_count == len(list(compiled.models)) + len(aliases)
    for each in every.data:
        assert (
            components.ModelResponse.model_validate((await reads.client.get(f"/model/{each.id}")).json()).data == each
        )
        found = (await reads.client.get(f"/models/{each.id}/endpoints")).json()
        endpoints = operations.ListEndpointsResponse.model_validate(found).data.endpoints
        assert endpoints
        assert len({(endpoint.provider_name, endpoint.tag) for endpoint in endpoints}) == len(endpoints)
        assert {endpoint.uptime_last_1d for endpoint in endpoints} == {98.0}


async def test_what_embeds_and_ranks_is_listed(reads: Reads) -> None:
    embedding = components.ModelsListResponse.model_validate((await reads.anybody.get("/embeddings/models")).json())
    assert {"openai/text-embedding-3-small", "google/gemini-embedding-001"} <= {each.id for each in embedding.data}
    assert {str(kind) for each in embedding.data for kind in each.architecture.output_modalities} == {"embeddings"}
    ranking = (await reads.anybody.get("/models?output_modalities=rerank")).json()["data"]
    [cohere] = [each for each in ranking if each["id"] == "cohere/rerank-v3.5"]
    assert cohere["pricing"]["request"] == "0.002"


async def test_what_draws_is_listed_with_what_it_can_be_asked_for(reads: Reads, compiled: ArtefactCatalog) -> None:
    listed = components.ImageModelsListResponse.model_validate((await reads.anybody.get("/images/models")).json())
    drawing = [model for model in compiled.models if "image" in model.output_modalities]
    assert {each.id for each in listed.data} == {model.id for model in drawing}
    streaming = set()
    for each in listed.data:
        assert each.endpoints == f"/api/v1/images/models/{each.id}/endpoints"
        content = (await reads.anybody.get(each.endpoints.removeprefix("/api/v1"))).json()
        shown = components.ImageModelEndpointsResponse.model_validate(content)
        assert shown.id == each.id
        for endpoint in shown.endpoints:
            assert {"output_image", "input_text"} & {line.billable for line in endpoint.pricing}, each.id
            assert all(line.cost_usd > 0 for line in endpoint.pricing)
            streaming |= {each.id} if endpoint.supports_streaming else set()
    assert streaming == {each.id for each in listed.data if each.supports_streaming}
    assert "openai/gpt-image-2" in streaming
    assert "openai/gpt-5-image" not in streaming
    quality = (await reads.anybody.get("/images/models/x-ai/grok-imagine-image-quality/endpoints")).json()
    lines = [line for line in quality["endpoints"][0]["pricing"] if line["billable"] == "output_image"]
    assert lines == [
        {"billable": "output_image", "unit": "image", "cost_usd": 0.05},
        {"billable": "output_image", "unit": "image", "cost_usd": 0.07, "variant": "2K"},
    ]


async def test_every_endpoint_without_retention_is_read(reads: Reads, compiled: ArtefactCatalog) -> None:
    content = (await reads.client.get("/endpoints/zdr")).json()

    listed = operations.ListEndpointsZdrResponse.model_validate(content).data
    assert len(listed) == sum(endpoint.zdr for model in compiled.models for endpoint in model.endpoints) > 50


async def test_providers_are_read(reads: Reads) -> None:
    content = (await reads.anybody.get("/providers")).json()

    assert len(operations.ListProvidersResponse.model_validate(content).data) >= 15


@pytest.mark.parametrize("path", PATHS)
async def test_a_warm_answer_is_the_same_as_the_first(reads: Reads, path: str) -> None:
    first, again = [await reads.client.get(path) for _ in range(2)]
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert first.headers["etag"] == again.headers["etag"]
