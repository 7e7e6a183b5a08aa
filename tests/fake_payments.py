"""What stands in for storage of payments in tests: real classes, under the same contract as the real ones."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Lock

from turnpike.domain.auto_top_up import AutoTopUp
from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.domain.payments import SavedPaymentMethod


class InMemoryAutoTopUps:
    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[AccountId, AutoTopUp] = {}
        self._methods: dict[AccountId, SavedPaymentMethod] = {}

    def find(self, account_id: AccountId) -> AutoTopUp | None:
        with self._lock:
            return self._states.get(account_id)

    def list_all(self) -> Iterator[AutoTopUp]:
        with self._lock:
            return iter(sorted(self._states.values(), key=lambda state: state.account_id))

    def put(self, state: AutoTopUp) -> AutoTopUp:
        with self._lock:
            found = self._states.get(state.account_id)
            if (found.version if found is not None else 0) != state.version:
                raise Conflict("The automatic top-up was changed at the same time; try again")
            written = replace(state, version=state.version + 1)
            self._states[state.account_id] = written
            return written

    def save_method(self, saved: SavedPaymentMethod) -> None:
        with self._lock:
            found = self._methods.get(saved.account_id)
            if found is None or found.saved_at_s < saved.saved_at_s:
                self._methods[saved.account_id] = saved

    def find_method(self, account_id: AccountId) -> SavedPaymentMethod | None:
        with self._lock:
            return self._methods.get(account_id)


class InMemoryEntryNotes:
    def __init__(self) -> None:
        self._lock = Lock()
        self._notes: dict[tuple[AccountId, str], str] = {}

    def put(self, account_id: AccountId, entry_id: str, note: str, now_s: int) -> str:
        with self._lock:
            return self._notes.setdefault((account_id, entry_id), note)
