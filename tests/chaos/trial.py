"""One chaos run, from its seed to its verdict."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.books import read_books
from tests.chaos.composition import LOG, composed
from tests.chaos.running import Chaos, Run
from tests.chaos.told import Told, put_together
from tests.chaos.verdict import Verdict, judge
from tests.chaos.world import Size


@dataclass(frozen=True, slots=True)
class Trial:
    run: Run
    told: Told
    verdict: Verdict


def try_it(seed: int, size: Size, folder: Path, say: Callable[[str], None]) -> Trial:
    """Raises EmulatorError, ProcessEnded, NotInTime. `folder` is made anew, and keeps what the processes wrote."""
    with composed(seed, size, folder) as (parts, world):
        run = Chaos(parts, world, folder, say)()
        say("reading the books")
        books = {
            account.account_id: read_books(parts.dynamodb, parts.settings.ledger_table, account.account_id)
            for account in world.accounts
        }
    told = put_together(run.facts)
    verdict = judge(world, told, books)
    verdict.findings += [*run.findings, *_told_by_upkeep(folder / LOG)]
    return Trial(run, told, verdict)


def _told_by_upkeep(log_path: Path) -> Iterator[str]:
    """What its own audit found, while everything was in use."""
    with log_path.open(encoding="utf-8") as log:
        yield from (line.strip() for line in log if "the audit found something wrong" in line)
