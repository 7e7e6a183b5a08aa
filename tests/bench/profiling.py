"""Where a process's CPU goes: cProfile over all of its threads, by CPU time instead of by the clock."""

import cProfile
import pstats
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_LINES = 70


@contextmanager
def profiled(path: Path) -> Iterator[None]:
    """Profile what runs meanwhile, and write it to `path`: this thread's part, then that of the threads it starts.

    Waiting costs nothing here. The profiler itself does, twice what it measures, so the shares count
    and not the seconds. From Python 3.12 on only one thread can be profiled, which is this one.
    """
    own, others = _profile(), []

    def on_first_call(*_: Any) -> None:
        # Called in the new thread. Enabling a profile there takes this function's own place.
        with suppress(ValueError):
            profile = _profile()
            profile.enable()
            others.append(profile)

    if sys.version_info < (3, 12):
        threading.setprofile(on_first_call)
    own.enable()
    try:
        yield
    finally:
        own.disable()
        _write(path, own, others)


def _profile() -> cProfile.Profile:
    return cProfile.Profile(time.thread_time)


def _write(path: Path, own: cProfile.Profile, others: list[cProfile.Profile]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for title, profiles in (("EVENT LOOP", [own]), ("OTHER THREADS", others)):
            # A profile that never saw a call makes pstats fail.
            seen = [profile for profile in profiles if profile.getstats()]
            if not seen:
                continue
            statistics = pstats.Stats(*seen, stream=file)
            for order in ("tottime", "cumulative"):
                file.write(f"\n===== {title}, by {order} =====\n")
                statistics.sort_stats(order).print_stats(_LINES)
