"""One chaos run, from its seed to its verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.books import read_books
from tests.chaos.composition import composed
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
    verdict.findings += run.watched
    return Trial(run, told, verdict)
