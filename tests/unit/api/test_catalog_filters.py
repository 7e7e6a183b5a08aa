"""Which models are listed, and in which order."""

import pytest

from turnpike.domain.health import EndpointReport, Percentiles

from tests.unit.api.catalog_reads import MODELS, Reads

pytestmark = pytest.mark.anyio

ALL = ["acme/large", "acme/small", "acme/small:free", "other/small"]
INDEXES = ("intelligence_index", "coding_index", "agentic_index", "tool_success_rate")
ORDERS = ("most-popular", "top-weekly", "intelligence-high-to-low", "coding-high-to-low", "agentic-high-to-low")


@pytest.fixture
def reads() -> Reads:
    return Reads()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=SMALL+free", ["acme/small:free"]),
        ("?q=&sort=&limit=&offset=&unheard_of=1", ALL),
        ("?supported_parameters=tools,temperature", ["acme/large"]),
        ("?supported_parameters=max_completion_tokens", ALL),
        ("?supported_parameters=reasoning_effort", ["other/small"]),
        ("?input_modalities=image", ["acme/large"]),
        ("?output_modalities=image", []),
        ("?output_modalities=image,text", ALL),
        ("?output_modalities=all&context=2500", ["other/small"]),
        ("?arch=llama", ["acme/large", "other/small"]),
        ("?arch=Llama3", ["other/small"]),
        ("?model_authors=other,nobody", ["other/small"]),
        ("?providers=Provider+Two", ["acme/large", "acme/small"]),
        ("?providers=two", ["acme/large", "acme/small"]),
        ("?max_price=0", ["acme/small:free"]),
        ("?max_price=1.5e-1&min_price=1e-1", ["acme/large", "acme/small"]),
        ("?min_price=1", ["other/small"]),
        ("?min_output_price=0.6", ["acme/large", "acme/small", "other/small"]),
        ("?max_output_price=0.6", ["acme/large", "acme/small", "acme/small:free"]),
        ("?min_age_days=25", ["acme/small", "acme/small:free"]),
        ("?max_age_days=20", ["acme/large", "other/small"]),
        ("?zdr=true", ["acme/small"]),
        ("?zdr=false", ALL),
        ("?region=us", ["acme/small:free"]),
        ("?region=eu", []),
        ("?category=marketing/seo", []),
        ("?distillable=true", ["other/small"]),
        ("?distillable=false", ["acme/large", "acme/small", "acme/small:free"]),
        ("?sort=newest", ["other/small", "acme/large", "acme/small:free", "acme/small"]),
        ("?sort=context-high-to-low&limit=2", ["other/small", "acme/large"]),
        ("?sort=pricing-low-to-high", ["acme/small:free", "acme/large", "acme/small", "other/small"]),
        ("?sort=pricing-high-to-low&offset=3", ["acme/small:free"]),
        ("?offset=9", []),
        *((f"?min_{index}=0.5", []) for index in INDEXES),
        *((f"?max_{index}=60", []) for index in INDEXES),
        *((f"?sort={order}", ALL) for order in ORDERS),
    ],
)
async def test_models_are_chosen_and_ordered(reads: Reads, query: str, expected: list[str]) -> None:
    for _ in range(2):
        assert await reads.ids(query) == expected


async def test_speed_orders_by_the_best_endpoint_and_puts_the_unknown_last(reads: Reads) -> None:
    large, _, free, other = MODELS
    slow, fast, middling = Percentiles(10, 99, 99, 99), Percentiles(90, 1, 1, 1), Percentiles(50, 50, 50, 50)
    reads.tell(large.endpoints[0], EndpointReport(latency_last_30m=fast, throughput_last_30m=slow))
    reads.tell(large.endpoints[1], EndpointReport(latency_last_30m=slow, throughput_last_30m=fast))
    reads.tell(free.endpoints[0], EndpointReport(latency_last_30m=fast, throughput_last_30m=slow))
    reads.tell(other.endpoints[0], EndpointReport(latency_last_30m=middling, throughput_last_30m=middling))

    for order in ("latency-low-to-high", "throughput-high-to-low"):
        assert await reads.ids(f"?sort={order}") == ["acme/large", "other/small", "acme/small:free", "acme/small"]

    reads.tell(free.endpoints[0], EndpointReport(throughput_last_30m=Percentiles(99, 1, 1, 1)))
    assert (await reads.ids("?sort=throughput-high-to-low"))[0] == "acme/small:free"
    assert await reads.ids("?sort=latency-low-to-high") == [
        "acme/large",
        "other/small",
        "acme/small",
        "acme/small:free",
    ]


@pytest.mark.parametrize(
    "query",
    [
        *("?limit=0", "?limit=1001", "?offset=-1", "?offset=x", "?context=many", "?sort=best", "?max_price=a"),
        *("?category=cooking", "?region=mars", "?zdr=maybe", "?distillable=1", "?use_rss=yes", "?min_price=-1"),
        *("?output_modalities=text,smell", "?input_modalities=smell", "?supported_parameters=tools,luck"),
        *("?max_age_days=young", "?min_age_days=-1", "?min_coding_index=good", "?max_output_price=NaN"),
    ],
)
async def test_wrong_parameters_are_refused_by_name(reads: Reads, query: str) -> None:
    for _ in range(2):
        response = await reads.anybody.get(f"/models{query}")

        assert response.status_code == 400
        assert response.json()["error"]["message"].startswith(f"{query[1:].partition('=')[0]}: ")


async def test_a_wrong_modality_is_not_counted(reads: Reads) -> None:
    assert (await reads.anybody.get("/models/count?output_modalities=smell")).status_code == 400
