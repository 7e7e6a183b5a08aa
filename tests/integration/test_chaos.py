"""`make chaos` in small: whatever is killed, lost, repeated or throttled, every nano-dollar is where it belongs."""

from pathlib import Path

import pytest

from tests.chaos.report import print_report
from tests.chaos.trial import try_it
from tests.chaos.world import SMALL

SEED = 5


@pytest.mark.timeout(SMALL.within_s + 60)
def test_a_small_chaos_run_leaves_nothing_wrong(tmp_path: Path) -> None:
    trial = try_it(SEED, SMALL, tmp_path / "chaos", print)
    print_report(trial)
    assert trial.verdict.findings == []
    # Nor was it an easy one.
    figures, counted = trial.verdict.figures, trial.run.counted
    assert figures["billed from holds"] > 100
    assert figures["billed from leases"]
    assert trial.run.killed["requesting"]
    assert trial.told.faults.total() > 50
    assert counted["repeated"]
    assert counted["delayed"]
