"""Sketches: how far quantiles may be off, and that adding them up makes them no worse."""

from collections import Counter
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.sketches import Scale
from turnpike.domain.tallies import LATENCY_MS, THROUGHPUT

SCALE = Scale(10, 100_000, 0.05)
VALUES = st.lists(st.floats(10, 100_000), min_size=1, max_size=200)
SHARES = st.floats(0, 1)


def sketch(values: list[float]) -> Counter[int]:
    return Counter(SCALE.bucket_of(value) for value in values)


@given(VALUES, SHARES)
def test_a_quantile_is_off_by_the_error_at_most(values: list[float], share: float) -> None:
    exact = sorted(values)[floor(share * (len(values) - 1))]
    assert SCALE.quantile(sketch(values), share) == pytest.approx(exact, rel=0.05 + 1e-9)


@given(st.lists(VALUES, min_size=1, max_size=5), SHARES)
def test_sketches_that_are_added_up_are_the_sketch_of_everything(parts: list[list[float]], share: float) -> None:
    whole = sum((sketch(part) for part in parts), Counter[int]())
    everything = sketch([value for part in parts for value in part])
    assert whole == everything
    assert SCALE.quantile(whole, share) == SCALE.quantile(everything, share)


@pytest.mark.parametrize(("value", "counts_as"), [(0, 10), (-5, 10), (9.99, 10), (1e12, 100_000)])
def test_what_is_out_of_range_counts_as_the_nearest(value: float, counts_as: float) -> None:
    assert SCALE.bucket_of(value) == SCALE.bucket_of(counts_as)


def test_buckets_begin_at_none_and_grow_with_the_values() -> None:
    buckets = [SCALE.bucket_of(10 * 1.01**step) for step in range(926)]
    assert buckets == sorted(buckets)
    assert set(buckets) == set(range(SCALE.buckets - 1))


def test_nothing_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        SCALE.quantile({}, 0.5)


def test_an_item_has_room_for_every_bucket() -> None:
    # Every name has at most four characters, and every count six digits: 8 bytes each.
    assert (LATENCY_MS.buckets + THROUGHPUT.buckets) * 8 <= 2048
