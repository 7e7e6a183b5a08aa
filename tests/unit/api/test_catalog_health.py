"""What the catalog tells of how endpoints have been doing."""

import pytest
from openrouter import operations

from turnpike.domain.health import EndpointReport, Percentiles

from tests.unit.api.catalog_reads import LARGE, MODELS, NOW, Reads

pytestmark = pytest.mark.anyio

FIRST, SECOND = LARGE.endpoints
ZDR = MODELS[1].endpoints[0]
PERCENTILES = Percentiles(400, 500, 600.5, 900)
REPORT = EndpointReport(100.0, 99.5, 98.25, PERCENTILES, Percentiles(50, 40, 30, 10))
UPTIMES = ("uptime_last_5m", "uptime_last_30m", "uptime_last_1d")
SPEEDS = ("latency_last_30m", "throughput_last_30m")
PATHS = ("/models/acme/large/endpoints", "/endpoints/zdr")


@pytest.fixture
def reads() -> Reads:
    return Reads()


async def test_endpoints_tell_how_they_have_been_doing(reads: Reads) -> None:
    reads.tell(FIRST, REPORT)

    response = await reads.client.get(PATHS[0])

    operations.ListEndpointsResponse.model_validate(response.json())
    first, second = response.json()["data"]["endpoints"]
    assert [first[name] for name in UPTIMES] == [100.0, 99.5, 98.25]
    assert first["latency_last_30m"] == {"p50": 400, "p75": 500, "p90": 600.5, "p99": 900}
    assert first["throughput_last_30m"] == {"p50": 50, "p75": 40, "p90": 30, "p99": 10}
    # Nothing is known of the other one.
    assert [second[name] for name in (*UPTIMES, *SPEEDS)] == [None] * 5


async def test_speed_is_told_to_those_who_have_a_key(reads: Reads) -> None:
    reads.tell(FIRST, REPORT)

    for client in (reads.anybody, reads.anybody.bearing("sk-or-v1-wrong")):
        response = await client.get(PATHS[0])
        first = response.json()["data"]["endpoints"][0]
        assert [first[name] for name in (*UPTIMES, *SPEEDS)] == [100.0, 99.5, 98.25, None, None]
        assert response.headers["cache-control"].startswith("public, max-age=")
    told = await reads.client.get(PATHS[0])

    assert told.headers["cache-control"].startswith("private, ")
    assert told.headers["etag"] != response.headers["etag"]
    assert told.headers["vary"] == response.headers["vary"] == "Authorization"


async def test_keys_that_cannot_be_read_only_hide_the_speed(reads: Reads) -> None:
    reads.tell(FIRST, REPORT)
    reads.keys.busy = True

    response = await reads.client.get(PATHS[0])

    first = response.json()["data"]["endpoints"][0]
    assert [first[name] for name in (*UPTIMES, *SPEEDS)] == [100.0, 99.5, 98.25, None, None]
    assert (await reads.client.get("/models/user")).status_code == 503


async def test_what_is_too_old_is_not_told(reads: Reads) -> None:
    reads.tell(FIRST, REPORT)
    reads.taken_at_s = NOW - 3600

    first = (await reads.client.get(PATHS[0])).json()["data"]["endpoints"][0]

    assert [first[name] for name in (*UPTIMES, *SPEEDS)] == [None, None, 98.25, None, None]


@pytest.mark.parametrize("path", PATHS)
async def test_the_tag_changes_with_what_is_told(reads: Reads, path: str) -> None:
    before = (await reads.anybody.get(path)).headers["etag"]
    for endpoint in (FIRST, ZDR):
        reads.tell(endpoint, REPORT)

    after = await reads.anybody.get(path, **{"if-none-match": before})

    assert after.status_code == 200
    assert after.headers["etag"] != before
    assert (await reads.anybody.get(path, **{"if-none-match": after.headers["etag"]})).status_code == 304


async def test_endpoints_without_retention_are_listed(reads: Reads) -> None:
    reads.tell(ZDR, REPORT)

    content = (await reads.client.get("/endpoints/zdr")).json()

    operations.ListEndpointsZdrResponse.model_validate(content)
    assert [(each["model_id"], each["tag"]) for each in content["data"]] == [("acme/small", "two")]
    assert content["data"][0]["name"] == "Provider Two | acme/small"
    assert content["data"][0]["uptime_last_1d"] == 98.25


async def test_health_is_only_read_for_what_tells_of_it(reads: Reads) -> None:
    for path in ("/models", "/models?sort=newest", "/models/count", "/model/acme/large", "/providers"):
        await reads.anybody.get(path)
    assert reads.asked == 0

    for path in (*PATHS, "/models?sort=latency-low-to-high"):
        await reads.anybody.get(path)
    assert reads.asked == 3
