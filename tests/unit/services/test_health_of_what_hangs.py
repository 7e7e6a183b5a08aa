"""Health in the large, of an endpoint that fails by not answering: what is known of it is half a minute old.

The fleet of the bench, with fewer requests; its time is simulated, everything else is what runs in the cloud.
"""

from collections.abc import Sequence

import pytest

from tests.bench.fleet import Fault, Fleet, Record, Scenario, Span

PER_S, LENGTH_S = 10, 300
NORMAL = 36 / 49
"""A's share at 1/price², of prices 1, 2 and 3."""


def run(fault: Fault) -> Record:
    return Fleet(Scenario({"A": 1, "B": 2, "C": 3}, per_s=PER_S, length_s=LENGTH_S, faults=[fault])).run()


def share(record: Record, seconds: Sequence[int]) -> float:
    asked = {name: sum(counts[second] for second in seconds) for name, counts in record.asked.items()}
    return asked["A"] / sum(asked.values())


# Tallies count by five seconds, and the next snapshot may be five seconds away or fifteen.
@pytest.mark.parametrize("end_s", [167, 170, 174])
def test_it_is_left_and_used_again_within_a_minute_of_its_return(end_s: int) -> None:
    record = run(Fault("A", Span(60, end_s), fails_after_s=30))
    assert record.lost == 0
    assert share(record, range(60)) == pytest.approx(NORMAL, abs=0.06)
    assert share(record, range(110, end_s)) < 0.1
    # Sixty requests, of which it would be asked two were it not known to be back.
    assert share(record, range(end_s + 60, end_s + 66)) > 0.5
    assert share(record, range(end_s + 60, LENGTH_S)) == pytest.approx(NORMAL, abs=0.06)


def test_what_hangs_half_of_the_time_is_left_and_stays_so() -> None:
    record = run(Fault("A", Span(60, 300), fails_after_s=30, share=0.5))
    # Each of them would wait half a minute; what it answers meanwhile is no reason to come back.
    by_half_minutes = [share(record, range(begin, begin + 30)) for begin in range(150, 300, 30)]
    assert max(by_half_minutes) < 0.15
