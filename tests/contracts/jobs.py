"""The contract of `ports.Jobs`."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from turnpike.ports.upkeep import Jobs

from tests.contracts.ledger import DAY, NOW

HOUR = 3600
JOB = "sums"


class JobsContract:
    """A subclass provides the fixture `jobs`, with nothing done yet."""

    def test_a_job_is_begun_once_when_it_is_due(self, jobs: Jobs) -> None:
        claim = jobs.claim(JOB, NOW, due_s=NOW - HOUR, until_s=NOW + 60)
        assert claim is not None
        assert (claim.begun_at_s, claim.state) == (NOW, b"")
        assert jobs.keep(claim, b"all", is_done=True)
        assert jobs.claim(JOB, NOW + 1, due_s=NOW - HOUR, until_s=NOW + 61) is None
        assert jobs.claim(JOB, NOW + 1, due_s=NOW, until_s=NOW + 61) is None
        following = jobs.claim(JOB, NOW + DAY, due_s=NOW + DAY - HOUR, until_s=NOW + DAY + 60)
        assert following is not None
        assert (following.begun_at_s, following.state) == (NOW + DAY, b"")

    def test_jobs_know_nothing_of_each_other(self, jobs: Jobs) -> None:
        assert jobs.claim(JOB, NOW, due_s=NOW, until_s=NOW + 60)
        assert jobs.claim("other", NOW, due_s=NOW, until_s=NOW + 60)

    def test_what_is_under_way_is_gone_on_with(self, jobs: Jobs) -> None:
        first = jobs.claim(JOB, NOW, due_s=NOW, until_s=NOW + 60)
        assert first
        assert jobs.keep(first, b"half", is_done=False)
        # The day after, too: a run that takes longer than a day is not begun anew.
        second = jobs.claim(JOB, NOW + DAY, due_s=NOW + DAY, until_s=NOW + DAY + 60)
        assert second
        assert (second.begun_at_s, second.state) == (NOW, b"half")

    def test_nobody_else_is_about_it_in_the_meantime(self, jobs: Jobs) -> None:
        assert jobs.claim(JOB, NOW, due_s=NOW, until_s=NOW + 60)
        assert jobs.claim(JOB, NOW + 59, due_s=NOW, until_s=NOW + 119) is None

    def test_who_was_too_slow_keeps_nothing(self, jobs: Jobs) -> None:
        slow = jobs.claim(JOB, NOW, due_s=NOW, until_s=NOW + 60)
        other = jobs.claim(JOB, NOW + 60, due_s=NOW, until_s=NOW + 120)
        assert slow
        assert other
        assert jobs.keep(slow, b"slow", is_done=True) is None
        assert jobs.keep(other, b"other", is_done=False)
        claim = jobs.claim(JOB, NOW + 61, due_s=NOW, until_s=NOW + 121)
        assert claim
        assert claim.state == b"other"
        assert jobs.keep(other, b"again", is_done=True) is None

    def test_a_claim_may_be_kept_in_steps(self, jobs: Jobs) -> None:
        claim = jobs.claim(JOB, NOW, due_s=NOW, until_s=NOW + 60)
        assert claim
        kept = jobs.keep(claim, b"one", is_done=False)
        assert kept
        assert jobs.keep(kept, b"two", is_done=True)

    def test_of_many_who_ask_at_once_one_is_given_it(self, jobs: Jobs) -> None:
        with ThreadPoolExecutor(16) as threads:
            asked = [threads.submit(jobs.claim, JOB, NOW, due_s=NOW, until_s=NOW + 60) for _ in range(16)]
            assert sum(each.result() is not None for each in asked) == 1

    def test_too_much_is_not_kept(self, jobs: Jobs) -> None:
        claim = jobs.claim(JOB, NOW, due_s=NOW, until_s=NOW + 60)
        assert claim
        with pytest.raises(ValueError, match="more than is kept"):
            jobs.keep(claim, b"x" * 400_000, is_done=False)
