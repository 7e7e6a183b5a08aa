"""`make bench`: what the router adds to a direct call, in time and in CPU. Nothing here passes or fails."""

import argparse
import asyncio
import signal
import sys
import time
from types import FrameType

import uvloop

from infra.local.emulator import ROOT, EmulatorError

from tests.bench.cold_start import list_slowest_imports, measure_cold_start
from tests.bench.composition import STATE, CompositionError, World, composed
from tests.bench.decoding import measure_decoding
from tests.bench.figures import Figure
from tests.bench.loader import LoadError
from tests.bench.measure import QUICK, Measurements, Plan
from tests.bench.planning import measure_planning
from tests.bench.report import CAVEAT, machine, print_table, say, write_json
from tests.bench.settling import settle
from tests.bench.simulation import measure_simulation
from tests.bench.writes import measure_writes

_RESULT = ROOT / ".build" / "bench.json"
_PROFILE = STATE / "profile.txt"
_ALONE = ("decoding", "routing", "writes")
"""What needs neither provider nor router."""
_PARTS = ("cpu", "latency", "chunks", "calls", "cold", *_ALONE)


def main() -> int:
    arguments = _parse()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    began = time.monotonic()
    say(", ".join(f"{name} {value}" for name, value in machine().items()))
    try:
        figures = _measure(arguments)
    except (CompositionError, EmulatorError, LoadError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    write_json(_RESULT, figures, quick=arguments.quick)
    print()
    print_table(figures, markdown=arguments.markdown)
    print(f"\n{CAVEAT}")
    say(f"took {time.monotonic() - began:.0f} s; all of it is in {_RESULT.relative_to(ROOT)}")
    return 0


def _measure(arguments: argparse.Namespace) -> list[Figure]:
    plan = QUICK if arguments.quick else Plan()
    parts = arguments.only or list(_PARTS)
    if set(parts) <= set(_ALONE):
        return _measure_alone(parts, quick=arguments.quick, noisy=True)
    say("starting emulator, provider and router")
    with composed(_PROFILE if arguments.profile else None) as world:
        figures = _run(world, plan, parts)
        if not arguments.quick and not arguments.only:
            say("settling")
            say(settle(world))
        environ = world.environ
    if arguments.profile:
        say(f"where the router's CPU went is in {_PROFILE.relative_to(ROOT)}; its figures are of no use now")
    if "cold" in parts:
        say("cold starts")
        figures += measure_cold_start(environ, plan.cold_starts, say)
    figures += _measure_alone(parts, quick=arguments.quick)
    if arguments.imports:
        print("\n".join(list_slowest_imports(environ)))
    return figures


def _measure_alone(parts: list[str], *, quick: bool, noisy: bool = False) -> list[Figure]:
    figures: list[Figure] = []
    if "decoding" in parts:
        say("decoding")
        figures += measure_decoding(say, quick=quick, noisy=noisy)
    if "routing" in parts:
        say("routing")
        figures += [*measure_planning(), *measure_simulation(say, quick=quick)]
    if "writes" in parts:
        say("writes")
        figures += measure_writes(say)
    return figures


def _run(world: World, plan: Plan, parts: list[str]) -> list[Figure]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure_running(world, plan, parts))


async def _measure_running(world: World, plan: Plan, parts: list[str]) -> list[Figure]:
    measurements = Measurements(world, plan, say)
    await measurements.warm_up()
    measurements.noise.read()
    figures: list[Figure] = []
    # CPU first: its first thousand requests are the thousand after which memory is read.
    for part, measure in (
        ("cpu", measurements.cpu_and_memory),
        ("latency", measurements.latency),
        ("chunks", measurements.chunks),
        ("calls", measurements.calls),
    ):
        if part in parts:
            say(part)
            figures += await measure()
    return figures + measurements.memory_at_the_end() + measurements.noise.figures()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer samples, in less than a minute")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--imports", action="store_true", help="list the slowest imports of a cold start")
    parser.add_argument("--profile", action="store_true", help="profile the router while it is measured")
    parser.add_argument("--only", action="append", choices=_PARTS, help="measure this part; may be repeated")
    return parser.parse_args()


def _interrupt(number: int, frame: FrameType | None) -> None:
    # As Ctrl-C does: leave through every `finally`, which ends the processes.
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
