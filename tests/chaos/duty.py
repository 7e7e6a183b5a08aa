"""What a process of a chaos run is given: the world, a file for its facts, and clients that fail it now and then."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.facts import Facts, Tickets
from tests.chaos.faults import Faults
from tests.chaos.world import World, load_world

WORLD, FACTS, TICKETS = "world.json", "facts", "tickets"
STAGE = "chaos"


@dataclass(frozen=True, slots=True)
class Duty:
    world: World
    facts: Facts
    random: Random
    stop: threading.Event
    """Set when the run is over, or whoever runs it is gone."""
    true_time: Callable[[], float]
    """The process's own clock is wrong."""
    folder: Path

    def tickets(self, name: str, count: int) -> Tickets:
        return Tickets(self.folder / f"{name}.{TICKETS}", count)

    def let_fail(self, *clients: Any) -> None:
        for client in clients:
            Faults(Random(self.random.random()), client, self._note_fault, trouble=self.world.size.trouble)

    def _note_fault(self, kind: str) -> None:
        self.facts.write("fault", kind=kind)


def take_up(name: str, folder: Path, stop: threading.Event, true_time: Callable[[], float]) -> Duty:
    world = load_world(folder / WORLD)
    facts = Facts(folder / FACTS / f"{name}.jsonl")
    return Duty(world, facts, world.random(name), stop, true_time, folder)
