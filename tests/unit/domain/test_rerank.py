"""What a rerank may cost at most."""

from decimal import Decimal

import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.cost import price
from turnpike.domain.pricing import Pricing
from turnpike.domain.rerank import RerankRequest

ENDPOINT = Endpoint("acme/rank", "acme", "rank", "https://api.test", Pricing(), 8192)


def asked(count: int, characters: int, query: str = "q") -> RerankRequest:
    return RerankRequest(models=("acme/rank",), query=query, documents=["a" * characters] * count)


@pytest.mark.parametrize(
    ("count", "characters", "units"),
    [(1, 10, 1), (100, 10, 1), (101, 10, 2), (300, 10, 3), (50, 3 * 600, 1), (51, 3 * 600, 2), (1, 3 * 60_000, 2)],
)
def test_search_units_are_by_hundreds_and_long_documents_count_several_times(
    count: int, characters: int, units: int
) -> None:
    assert asked(count, characters).most_used(ENDPOINT).search_units == units


def test_a_query_takes_its_place_in_every_document() -> None:
    short, long = (asked(100, 3 * 300, "q" * characters).most_used(ENDPOINT) for characters in (3, 3 * 400))
    assert (short.search_units, long.search_units) == (1, 4)
    assert long.prompt_tokens > 100 * 400


@pytest.mark.parametrize(("units", "times"), [(0, 1), (1, 1), (7, 7)])
def test_the_price_of_a_request_is_for_each_search_unit(units: int, times: int) -> None:
    assert price(Usage(search_units=units), Pricing(request=Decimal("0.002"))).total == times * 2_000_000


def test_pictures_are_seen() -> None:
    request = RerankRequest(models=("acme/rank",), query="q", documents=["a", {"image": "data:,"}, {"text": "b"}])
    assert request.input_kinds == {"image"}
    assert request.input_media == (1, 0)
