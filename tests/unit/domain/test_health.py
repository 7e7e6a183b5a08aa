"""What the catalog tells of an endpoint's health, and for how long."""

import pytest

from turnpike.domain.generation import Attempt
from turnpike.domain.health import EndpointReport, HealthReport, Percentiles, endpoint_key

from tests.scenario import endpoint

WHOLE = EndpointReport(1.0, 2.0, 3.0, Percentiles(1, 2, 3, 4), Percentiles(5, 6, 7, 8))
NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0, WHOLE),
        (300, WHOLE),
        (301, EndpointReport(None, 2.0, 3.0, WHOLE.latency_last_30m, WHOLE.throughput_last_30m)),
        (1801, EndpointReport(uptime_last_1d=3.0)),
        (86_401, EndpointReport()),
    ],
)
def test_what_is_too_old_is_not_told(age_s: int, expected: EndpointReport) -> None:
    told = HealthReport(NOW - age_s, {endpoint_key(endpoint("one")): WHOLE})
    assert told.of(endpoint("one"), NOW) == expected
    assert told.of(endpoint("two"), NOW) == EndpointReport()


def test_an_attempt_counts_for_its_endpoint() -> None:
    served = endpoint("one", quantization="fp8")
    made = Attempt("one", served.model_id, served.upstream_model, 200, 1, tag=served.tag)
    assert endpoint_key(made) == endpoint_key(served) == "one|chat|one/fp8"
