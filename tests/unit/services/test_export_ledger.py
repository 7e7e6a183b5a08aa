"""Every entry of a day that is over is exported once, whatever comes late, is cut short or races."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.exports import PartFacts
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import LedgerEntry, balance_of
from turnpike.domain.periods import day_of
from turnpike.services.export_entries import ExportEntries
from turnpike.services.export_ledger import ExportLedger, ExportRun, dump_run, load_run
from turnpike.services.export_manifests import ExportManifests

from tests.contracts.ledger import DAY, NOW, nano
from tests.fake_exports import InMemoryExportMarks, InMemoryExportStore

ACCOUNTS = [AccountId("acct-a"), AccountId("acct/b.c")]
DAYS = [day_of(NOW + number * DAY) for number in range(6)]


class Entries:
    """A ledger's, in an order that has nothing to do with when they were made."""

    def __init__(self) -> None:
        self.made: defaultdict[AccountId, dict[str, LedgerEntry]] = defaultdict(dict)

    def add(self, account_id: AccountId, name: str, made_s: int, amount: int = 5) -> None:
        entry = LedgerEntry(f"top_up#{name}", account_id, "top_up", nano(amount), nano(0), name, made_s)
        self.made[account_id][f"ENTRY#{entry.entry_id}"] = entry

    def next_account(self, after: AccountId | None) -> AccountId | None:
        return next((each for each in sorted(self.made) if after is None or each > after), None)

    def entries(self, account_id: AccountId, *, after: str) -> Iterator[tuple[str, LedgerEntry]]:
        while place := min((each for each in self.made[account_id] if each > after), default=None):
            yield place, self.made[account_id][place]
            after = place

    def before(self, day: str) -> Counter[str]:
        """The ids of all entries of the days before."""
        return Counter(
            f"{account_id} {entry.entry_id}"
            for account_id, made in self.made.items()
            for entry in made.values()
            if day_of(entry.created_at_s) < day
        )


class Deployment:
    def __init__(self) -> None:
        self.entries = Entries()
        self.store: Any = InMemoryExportStore()
        self.marks: Any = InMemoryExportMarks()
        self.differences: list[tuple[AccountId, str]] = []

    def export(self, until_day: str, *, run: ExportRun | None = None) -> int:
        """Runs to its end; the number of entries that were written."""
        run = run or ExportRun()
        assert self.export_ledger().advance(run, until_day, lambda: True)
        return run.entries.entries

    def export_ledger(self) -> ExportLedger:
        entries = ExportEntries(self.entries, self.store, self.marks, self.note, step=3)
        return ExportLedger(entries, ExportManifests(self.store))

    def note(self, account_id: AccountId, day: str) -> None:
        self.differences.append((account_id, day))

    def lines(self) -> list[dict[str, Any]]:
        found = [key for key in sorted(self.store.objects) if key.endswith(".jsonl.gz")]
        lines = [json.loads(line) | {"object": key} for key in found for line in self._lines(key)]
        for line in lines:
            assert f"day={line['created_at'][:10]}/" in line["object"]
        return lines

    def exported(self) -> Counter[str]:
        return Counter(f"{line['account_id']} {line['entry_id']}" for line in self.lines())

    def manifest(self, day: str) -> dict[str, Any]:
        """The last one."""
        last = max(key for key in self.store.objects if key.startswith(f"manifests/day={day}/"))
        manifest: dict[str, Any] = json.loads(self.store.objects[last][0])
        return manifest

    def _lines(self, key: str) -> list[bytes]:
        return gzip.decompress(self.store.objects[key][0]).splitlines()


@pytest.fixture
def deployment() -> Deployment:
    made = Deployment()
    for account_id in ACCOUNTS:
        for number in range(10):
            made.entries.add(account_id, f"{number}", NOW + number % 3 * DAY)
    return made


def test_days_that_are_over_are_exported_and_no_others(deployment: Deployment) -> None:
    assert deployment.export(DAYS[2]) == 14
    assert deployment.exported() == deployment.entries.before(DAYS[2])
    assert {line["object"] for line in deployment.lines()} == {
        f"ledger/day={day}/{account}.0000.jsonl.gz" for day in DAYS[:2] for account in ("acct-a", "acct%2Fb%2Ec")
    }
    assert deployment.lines()[0] == {
        "entry_id": "top_up#0",
        "account_id": "acct/b.c",
        "kind": "top_up",
        "available_delta_nanousd": 5,
        "held_delta_nanousd": 0,
        "reference": "0",
        "created_at": "2026-11-23T10:00:00Z",
        "object": "ledger/day=2026-11-23/acct%2Fb%2Ec.0000.jsonl.gz",
    }


def test_a_manifest_has_the_number_and_the_sums_of_the_day(deployment: Deployment) -> None:
    deployment.export(DAYS[3])
    manifest = deployment.manifest(DAYS[0])
    assert len(manifest.pop("digest")) == 16
    assert manifest == {
        "day": DAYS[0],
        "objects": 2,
        "entries": 8,
        "kinds": {"top_up": {"entries": 8, "available_delta_nanousd": 40, "held_delta_nanousd": 0}},
    }


def test_exporting_again_changes_nothing(deployment: Deployment) -> None:
    deployment.export(DAYS[3])
    objects, marks = dict(deployment.store.objects), dict(deployment.marks.marks)
    assert deployment.export(DAYS[3]) == 0
    # Not even by somebody who knows nothing of the first time.
    deployment.marks.marks = {}
    assert deployment.export(DAYS[3]) == 0
    assert deployment.store.objects == objects
    assert {account_id: mark.days for account_id, mark in deployment.marks.marks.items()} == {
        account_id: mark.days for account_id, mark in marks.items()
    }
    assert deployment.differences == []


def test_the_same_entries_are_the_same_bytes(deployment: Deployment) -> None:
    deployment.export(DAYS[3])
    other = Deployment()
    other.entries = deployment.entries
    other.export(DAYS[3])
    assert other.store.objects == deployment.store.objects


def test_what_comes_late_is_added_beside_what_is_there(deployment: Deployment) -> None:
    deployment.export(DAYS[3])
    before = dict(deployment.store.objects)
    # Both before and behind what is exported already.
    deployment.entries.add(ACCOUNTS[0], "-late", NOW)
    deployment.entries.add(ACCOUNTS[0], "x-late", NOW, amount=7)

    assert deployment.export(DAYS[3]) == 2

    assert deployment.exported() == deployment.entries.before(DAYS[3])
    added = deployment.store.objects.keys() - before.keys()
    assert added == {f"ledger/day={DAYS[0]}/acct-a.0001.jsonl.gz", f"manifests/day={DAYS[0]}/0001.json"}
    assert {key: deployment.store.objects[key] for key in before} == before
    manifest = deployment.manifest(DAYS[0])
    assert (manifest["objects"], manifest["entries"]) == (3, 10)
    assert manifest["kinds"]["top_up"]["available_delta_nanousd"] == 8 * 5 + 5 + 7
    assert deployment.export(DAYS[3]) == 0
    assert deployment.differences == []


def test_an_exported_entry_that_is_gone_or_changed_is_told_until_it_is_back(deployment: Deployment) -> None:
    deployment.export(DAYS[3])
    objects = dict(deployment.store.objects)
    made = deployment.entries.made[ACCOUNTS[1]]
    first = made.pop("ENTRY#top_up#0")
    for _ in range(2):
        assert deployment.export(DAYS[3]) == 0
        assert deployment.differences == [(ACCOUNTS[1], DAYS[0])]
        deployment.differences.clear()
    deployment.entries.add(ACCOUNTS[1], "0", NOW, amount=6)
    deployment.export(DAYS[3])
    assert deployment.differences == [(ACCOUNTS[1], DAYS[0])]
    deployment.differences.clear()
    made["ENTRY#top_up#0"] = first
    assert deployment.export(DAYS[3]) == 0
    assert deployment.differences == []
    assert deployment.store.objects == objects


class Ended(BaseException):
    """The process was killed."""


class Trouble:
    """Wraps what is called: now and then it is busy, or the process ends, before the call or after it; or somebody
    else has just done the same.
    """

    def __init__(self, random: Random, inner: Any, rival: Callable[[], object]) -> None:
        self.random, self.inner, self.rival = random, inner, rival
        self.is_on = True

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            if name == "put_once" and self.is_on and self.random.random() < 0.1:
                self.rival()
            self._strike()
            answer = found(*arguments, **named)
            self._strike()
            return answer

        return call

    def _strike(self) -> None:
        if self.is_on and self.random.random() < 0.04:
            raise self.random.choice([TemporarilyBusy("busy"), Ended()])


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_lost_and_nothing_is_twice_whatever_happens(seed: int) -> None:
    """Days go by, with entries that come late, and exports that are cut short anywhere and begun again from any state,
    two of them at once."""
    random = Random(seed)
    deployment, rival = Deployment(), Deployment()
    rival.entries, rival.store, rival.marks = deployment.entries, deployment.store, deployment.marks
    today = 0

    def export_too() -> None:
        rival.export(DAYS[today])

    deployment.store = Trouble(random, deployment.store, export_too)
    deployment.marks = Trouble(random, deployment.marks, export_too)
    overwritten = dict[str, tuple[bytes, PartFacts]]()
    for today in range(1, 6):
        states = [dump_run(ExportRun())]
        for _ in range(20):
            for _ in range(random.randrange(6)):
                made_s = NOW + random.randrange(today + 1) * DAY
                deployment.entries.add(random.choice(ACCOUNTS), f"{random.random()}", made_s)
            run = load_run(random.choice(states))
            try:
                deployment.export_ledger().advance(run, DAYS[today], lambda: random.random() < 0.7)
                states.append(dump_run(run))
            except TemporarilyBusy:
                states.append(dump_run(run))
            except Ended:
                continue
            for key, found in deployment.store.objects.items():
                assert overwritten.setdefault(key, found) == found
        deployment.store.is_on = deployment.marks.is_on = False
        deployment.export(DAYS[today])
        deployment.store.is_on = deployment.marks.is_on = True
        assert deployment.exported() == deployment.entries.before(DAYS[today])
        assert deployment.differences == rival.differences == []
        check_manifests(deployment, DAYS[:today])


def check_manifests(deployment: Deployment, days: list[str]) -> None:
    for day in days:
        entries = [
            entry
            for made in deployment.entries.made.values()
            for entry in made.values()
            if day_of(entry.created_at_s) == day
        ]
        if entries:
            manifest = deployment.manifest(day)
            assert manifest["entries"] == len(entries)
            assert manifest["kinds"]["top_up"]["available_delta_nanousd"] == balance_of(entries).available


def test_a_large_day_is_in_several_objects(deployment: Deployment) -> None:
    for number in range(45_000):
        deployment.entries.made[ACCOUNTS[0]][f"ENTRY#{number:06d}"] = LedgerEntry(
            f"top_up#{number:06d}", ACCOUNTS[0], "top_up", nano(1), nano(0), "x", NOW
        )
    deployment.entries.entries = ordered(deployment.entries)  # type: ignore[method-assign]
    assert deployment.export(DAYS[1]) == 45_008
    keys = [key for key in deployment.store.objects if "acct-a" in key]
    assert len(keys) == 3
    assert deployment.exported() == deployment.entries.before(DAYS[1])


def ordered(entries: Entries) -> Callable[..., Iterator[tuple[str, LedgerEntry]]]:
    """Without looking for the least one each time."""

    def read(account_id: AccountId, *, after: str) -> Iterator[tuple[str, LedgerEntry]]:
        return (each for each in sorted(entries.made[account_id].items()) if each[0] > after)

    return read
