"""When daily jobs are due."""

from turnpike.domain.jobs import last_due_s

from tests.contracts.ledger import DAY, NOW

HOUR = 3600


def test_the_job_of_a_day_is_due_an_hour_after_midnight() -> None:
    midnight = NOW - NOW % DAY
    assert last_due_s(midnight + HOUR, after_midnight_s=HOUR) == midnight + HOUR
    assert last_due_s(midnight + HOUR - 0.5, after_midnight_s=HOUR) == midnight + HOUR - DAY
    assert last_due_s(midnight + DAY - 1, after_midnight_s=HOUR) == midnight + HOUR
