"""Change an automatic top-up as it is now, whoever else changes it at the same time."""

from collections.abc import Callable

from turnpike.domain.auto_top_up import AutoTopUp
from turnpike.domain.errors import Conflict, TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.ports.payments import AutoTopUps

_LOOKS = 5


def change_auto_top_up(store: AutoTopUps, account_id: AccountId, change: Callable[[AutoTopUp], AutoTopUp]) -> None:
    """Nothing to do where there is none. Raises TemporarilyBusy."""
    put_auto_top_up(store, account_id, lambda found: None if found is None else change(found))


def put_auto_top_up(
    store: AutoTopUps, account_id: AccountId, change: Callable[[AutoTopUp | None], AutoTopUp | None]
) -> None:
    """`change` makes what is to be written of what is there. What stays as it is is not written.

    Raises TemporarilyBusy.
    """
    for _ in range(_LOOKS):
        found = store.find(account_id)
        changed = change(found)
        if changed is None or changed == found:
            return
        try:
            store.put(changed)
        except Conflict:
            continue
        return
    raise TemporarilyBusy("The automatic top-up changes too fast; try again")
