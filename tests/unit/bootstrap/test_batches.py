"""What the functions for batches are made of, as the environment says."""

import pytest

from turnpike.bootstrap.batches import parse_limit


@pytest.mark.parametrize("most_open", [-1, 5_001])
def test_a_limit_fits_into_one_item(most_open: int) -> None:
    assert [parse_limit(most) for most in (0, 100, 5_000)] == [0, 100, 5_000]
    with pytest.raises(ValueError, match="TURNPIKE_BATCHES_OPEN_LIMIT is"):
        parse_limit(most_open)
