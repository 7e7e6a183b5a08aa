"""Settles what the bench used, after it was measured, and checks that the ledger adds up."""

import os
import time
from collections.abc import Callable

from tests.bench.composition import World

_TIMEOUT_S = 60.0


def drain(world: World, say: Callable[[str], None]) -> str:
    """One sentence about the outcome. In this process: the router's own CPU is not touched."""
    # Imported only now: what is behind them reads the environment.
    import threading

    from infra.local.invoke import load_function
    from infra.local.poller import poll_usage
    from turnpike.bootstrap.resources import Resources
    from turnpike.domain.ids import AccountId

    ledger = Resources(os.environ).ledger
    account_id = AccountId(world.account_id)
    stop = threading.Event()
    invoke = load_function("metering", world.settings.stage)
    poller = threading.Thread(target=poll_usage, args=(world.settings.usage_queue_url, invoke, stop))
    began = time.monotonic()
    poller.start()
    try:
        while (balance := ledger.get_balance(account_id)).held and time.monotonic() - began < _TIMEOUT_S:
            say(f"${balance.held / 1e9:.4f} still held")
            time.sleep(1)
    finally:
        stop.set()
        poller.join()
    entries = list(ledger.list_entries(account_id))
    total = sum(entry.available_delta + entry.held_delta for entry in entries)
    agrees = "adds up" if total == balance.available + balance.held else "DOES NOT ADD UP"
    return (
        f"the ledger {agrees}: {len(entries)} entries, ${balance.usage_total / 1e9:.6f} charged, "
        f"{balance.held} nano-dollars still held, settled in {time.monotonic() - began:.0f} s"
    )
