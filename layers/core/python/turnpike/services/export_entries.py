"""Export the ledger's entries, day by day, once each, and never to be changed.

Every entry is read, of every account, once a day. Most days of an account are as they were when they were exported,
which its mark tells: how many entries there were of each day, and the sum of their hashes. A day that the mark does not
have is exported; one that has more now, since something came late, is read again for it. The mark only spares reading:
what is exported is in the objects, and who writes the next one has read them (`domain/exports.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from turnpike.domain.exports import Extent, extent_of
from turnpike.domain.ids import AccountId
from turnpike.domain.periods import day_of
from turnpike.ports.upkeep import EntryReads, ExportMarks, ExportStore
from turnpike.services.export_day import DayExport, line_of

_STEP = 500
"""Entries between one look at the time and the next."""
_WAITING = 20_000
"""Entries that are kept until they are written; some four megabytes, and a tenth of it packed."""


@dataclass(slots=True)
class AccountExport:
    account_id: AccountId
    place: str = ""
    """Of the last entry that was read."""
    extents: dict[str, Extent] = field(default_factory=dict)
    """By day, of what the ledger has."""
    again: list[str] | None = None
    """Days that differ from the mark, or from what is exported, and are read once more; None in the first reading."""
    is_recounted: bool = False


@dataclass(slots=True)
class LedgerExport:
    """How far an export has come."""

    after: AccountId | None = None
    current: AccountExport | None = None
    entries: int = 0
    """That were written."""
    days: set[str] = field(default_factory=set)
    """Of which something may have been written: they need a new manifest."""


@dataclass(frozen=True, slots=True)
class ExportEntries:
    """`on_difference` is told of a day that has entries exported which the ledger no longer has, or has otherwise."""

    reads: EntryReads
    store: ExportStore
    marks: ExportMarks
    on_difference: Callable[[AccountId, str], None]
    step: int = _STEP

    def advance(self, export: LedgerExport, until_day: str, time_left: Callable[[], bool]) -> bool:
        """Whether all accounts are done, of the days before `until_day`. Raises TemporarilyBusy; whatever ends it, it
        can be advanced again, from here or from any state before.
        """
        while True:
            account = export.current
            if account is None:
                account_id = self.reads.next_account(export.after)
                if account_id is None:
                    return True
                account = export.current = AccountExport(account_id)
            try:
                is_done = self._advance_account(export, account, until_day, time_left)
            except BaseException:
                # What was read may not be written, and what is written not counted: from the account's beginning.
                export.current = AccountExport(account.account_id)
                raise
            if not is_done:
                return False
            export.after, export.current = account.account_id, None
            if not time_left():
                return False

    def _advance_account(
        self, export: LedgerExport, account: AccountExport, until_day: str, time_left: Callable[[], bool]
    ) -> bool:
        mark = self.marks.find(account.account_id)
        while True:
            if account.again is None:
                if not self._read(export, account, lambda day: day not in mark.days, until_day, time_left):
                    return False
                found = account.extents
                _read_again(account, [day for day, extent in mark.days.items() if found.get(day, Extent()) != extent])
            if account.again and not self._read(export, account, account.again.__contains__, until_day, time_left):
                return False
            changed = sorted({*account.extents} - {*mark.days} | {*(account.again or ())})
            # What follows is done in one go, and a large day takes a while.
            if changed and not time_left():
                return False
            exported = {day: DayExport(self.store, account.account_id, day).extent for day in changed}
            differing = [day for day in changed if exported[day] != account.extents[day]]
            if not differing or account.is_recounted:
                break
            # Something may have come late, and been exported by somebody else, since it was counted.
            _read_again(account, differing)
            account.is_recounted = True
        for day in differing:
            self.on_difference(account.account_id, day)
        if changed:
            export.days.update(changed)
            # Not if somebody else has put another one: it is only as good as what it was made from.
            self.marks.put(account.account_id, {**mark.days, **exported}, seen=mark)
        return True

    def _read(
        self,
        export: LedgerExport,
        account: AccountExport,
        is_wanted: Callable[[str], bool],
        until_day: str,
        time_left: Callable[[], bool],
    ) -> bool:
        """Whether all entries were read; otherwise time was up. What was read and is wanted is written, either way."""
        days: dict[str, DayExport] = {}
        entries = self.reads.entries(account.account_id, after=account.place)
        is_over = False
        while not is_over and (some := list(islice(entries, self.step))):
            for _, entry in some:
                day = day_of(entry.created_at_s)
                if day >= until_day:
                    continue
                if account.again is None or day in account.again:
                    account.extents[day] = account.extents.get(day, Extent()) + extent_of(line_of(entry))
                if is_wanted(day):
                    if day not in days:
                        days[day] = DayExport(self.store, account.account_id, day)
                    days[day].add(entry)
            if sum(each.waiting for each in days.values()) >= _WAITING:
                self._flush(export, days)
            account.place = some[-1][0]
            is_over = not time_left()
        self._flush(export, days)
        return not is_over

    def _flush(self, export: LedgerExport, days: dict[str, DayExport]) -> None:
        for each in days.values():
            export.entries += each.flush()


def _read_again(account: AccountExport, days: list[str]) -> None:
    account.again, account.place = days, ""
    account.extents |= dict.fromkeys(days, Extent())
