"""Runs the chaos: everything at once, while processes are killed; then lets all of it come to rest."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.duty import FACTS
from tests.chaos.facts import Fact, FactsSoFar
from tests.chaos.operating import POISON
from tests.chaos.processes import Processes
from tests.chaos.watching import Watch
from tests.chaos.world import World

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from turnpike.bootstrap.resources import Resources
    from turnpike.domain.dead_letters import DeadLetter, Diagnosis

_LOOK_EVERY_S = 0.25
_SAY_EVERY_S = 15.0
_KILLED = {"requesting": 60, "metering": 25, "upkeep": 10, "operating": 5}
"""Whom kills meet, in a hundred."""
_FAR_FUTURE_S = 10**6
"""After the run's end, when nothing can be held any more."""


class NotInTime(Exception):
    """The run did not come to its end within the time that its size has."""


@dataclass(slots=True)
class Run:
    """What happened, for the verdict to judge."""

    world: World
    facts: list[Fact] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    looks: int = 0
    audited: int = 0
    """Accounts."""
    audit_found: int = 0
    seconds: float = 0.0


class Chaos:
    def __init__(self, parts: "Resources", world: World, folder: Path, say: Callable[[str], None]) -> None:
        self._parts, self._world, self._say = parts, world, say
        self._random = world.random("chaos")
        self._processes = Processes(folder, world.random("processes"), world.size.skew_s)
        self._so_far = FactsSoFar(folder / FACTS)
        self._watch = Watch(parts.dynamodb, parts.settings.ledger_table, world)
        self._began = time.monotonic()
        self.run = Run(world)

    def __call__(self) -> Run:
        size, processes = self._world.size, self._processes
        try:
            processes.start("requesting", size.request_workers)
            processes.start("metering", size.metering_workers)
            processes.start("upkeep", size.upkeep_workers)
            processes.start("operating")
            self._while_requests_come()
            processes.end("requesting", "operating")
            self._until(self._is_queue_empty, "the queue to be empty")
            self._until(self._is_redriven, "the dead letters to be settled")
            processes.end("metering", "upkeep")
        finally:
            processes.close()
        self._expire_everything()
        self._audit()
        self._look()
        self.run.killed = processes.killed
        self.run.looks = self._watch.looks
        self.run.findings += self._watch.findings
        self.run.seconds = time.monotonic() - self._began
        return self.run

    def _while_requests_come(self) -> None:
        kills = 0

        def is_over() -> bool:
            nonlocal kills
            due = self.run.counted["ended"] // self._world.size.requests_per_kill
            if kills < due:
                kills += 1
                (role,) = self._random.choices(list(_KILLED), list(_KILLED.values()))
                self._processes.kill_one(role)
            return self._processes.are_done("requesting") and self._processes.are_done("operating")

        self._until(is_over, "all requests to be answered")

    def _until(self, is_done: Callable[[], bool], what: str) -> None:
        """Watch over everything until then. Raises NotInTime, ProcessEnded."""
        said = time.monotonic()
        while not is_done():
            self._look()
            self._processes.check("metering", self._world.size.metering_workers)
            self._processes.check("upkeep", self._world.size.upkeep_workers)
            now = time.monotonic()
            if now - self._began > self._world.size.within_s:
                raise NotInTime(f"waited {now - self._began:.0f} s in all, in the end for {what}")
            if now - said > _SAY_EVERY_S:
                said = now
                self._say(f"{now - self._began:5.0f} s  waiting for {what}: {self._progress()}")
            time.sleep(_LOOK_EVERY_S)

    def _progress(self) -> str:
        counted, killed = self.run.counted, sum(self._processes.killed.values())
        return (
            f"{counted['ended']} of {self._world.size.requests} requests ended, {counted['handling']} batches metered, "
            f"{counted['fault']} calls failed, {killed} processes killed"
        )

    def _look(self) -> None:
        for fact in self._so_far.new():
            self.run.facts.append(fact)
            self.run.counted[fact["is"]] += 1
        self._watch.look()

    def _is_queue_empty(self) -> bool:
        return _messages(self._parts.sqs, self._parts.settings.usage_queue_url) == 0

    def _is_redriven(self) -> bool:
        """What failed too often while calls failed is settled when it is delivered again; poison stays parked."""
        # Imported only now: the logger behind it reads the environment.
        from turnpike.bootstrap.redrive import redrive_usage

        def look_at(letter: "DeadLetter", diagnosis: "Diagnosis") -> None:
            if diagnosis.is_hopeless and letter.body not in POISON:
                self.run.findings.append(f"{diagnosis.generation_id} is among the dead letters: {diagnosis.reason}")

        done = redrive_usage(os.environ, moves=True, on_count=lambda _: None, on_letter=look_at)
        self.run.counted["redriven"] += done.moved
        self.run.counted["poison parked"] = done.left
        return not done.moved and self._is_queue_empty()

    def _expire_everything(self) -> None:
        from turnpike.services.expire_holds import ExpireHolds

        expire_holds, later_s = ExpireHolds(self._parts.ledger), int(time.time()) + _FAR_FUTURE_S
        self.run.counted["expired at the end"] = sum(expire_holds(later_s))

    def _audit(self) -> None:
        """As `make audit` does; upkeep has done it once while everything was in use."""
        from turnpike.bootstrap.audit import audit_now

        self._say("auditing")
        audit = audit_now(os.environ, lambda _: None)
        self.run.audited, self.run.audit_found = audit.accounts, audit.found
        self.run.findings += [f"the audit found {finding}" for finding in audit.findings]
        self.run.findings += [f"the audit was not clear about {account_id}" for account_id in audit.unclear]


def _messages(sqs: "SQSClient", url: str) -> int:
    names = (
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    )
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
    return sum(int(attributes[name]) for name in names)
