"""Settles what the bench used, after it was measured, and checks that the ledger adds up.

`python -m tests.bench.settling --account ID` is metering in a process of its own, so that nothing of it is
the router's; it ends when nothing is held any more, or when its time is over.
"""

import argparse
import os
import subprocess
import sys
import threading
import time

from infra.local.emulator import ROOT
from infra.local.invoke import load_function
from infra.local.poller import poll_queue

from tests.bench.composition import STATE, World

_MOST_S = 25.0
"""Settling writes more than admitting does, and the emulator is one process: everything would take minutes."""
_GRACE_S = 15.0
_LOOK_EVERY_S = 0.5


def settle(world: World) -> str:
    """One sentence about how it went."""
    command = [sys.executable, "-m", "tests.bench.settling", "--account", world.account_id]
    began = time.monotonic()
    with (STATE / "settling.out").open("wb") as log:
        subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, timeout=_MOST_S + _GRACE_S, check=True)
    return f"{_check(world.account_id)}, after settling for {time.monotonic() - began:.0f} s"


def _check(account: str) -> str:
    # Imported only now: what is behind them reads the environment.
    from turnpike.bootstrap.resources import Resources
    from turnpike.domain.ids import AccountId

    ledger = Resources(os.environ).ledger
    balance, entries = ledger.get_balance(AccountId(account)), list(ledger.list_entries(AccountId(account)))
    adds_up = balance.available + balance.held == sum(entry.available_delta + entry.held_delta for entry in entries)
    verdict = "adds up to the nano-dollar" if adds_up else "DOES NOT ADD UP"
    charged, held = balance.usage_total / 1e9, balance.held / 1e9
    return f"the ledger {verdict}: {len(entries)} entries, ${charged:.9f} charged, ${held:.9f} still held"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--account", required=True)
    account = parser.parse_args().account
    from turnpike.bootstrap.resources import resources
    from turnpike.domain.ids import AccountId

    settings = resources().settings
    invoke, stop = load_function("metering", settings.stage), threading.Event()
    poller = threading.Thread(target=poll_queue, args=(settings.usage_queue_url, invoke, stop))
    deadline = time.monotonic() + _MOST_S
    poller.start()
    try:
        while resources().ledger.get_balance(AccountId(account)).held and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
    finally:
        stop.set()
        poller.join()


if __name__ == "__main__":
    main()
