"""What the processes of a chaos run told, put together by generation, by credit and by key."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.facts import Fact


@dataclass(slots=True)
class Told:
    reporting: dict[str, Fact] = field(default_factory=dict)
    """Generations whose report was begun."""
    costs_of_leases: Counter[str] = field(default_factory=Counter)
    reported: set[str] = field(default_factory=set)
    """Those whose report came back, hence in the queue or settled."""
    unsettled: set[str] = field(default_factory=set)
    """Those that neither queue nor ledger took: their event is in the log alone."""
    lost: set[str] = field(default_factory=set)
    """Those of which a message was lost on purpose."""
    handled_at: dict[str, float] = field(default_factory=dict)
    """When metering was last given a generation's message."""
    crediting: dict[tuple[str, str], int] = field(default_factory=dict)
    """By account and entry, what was to be moved."""
    credited: set[tuple[str, str]] = field(default_factory=set)
    not_credited: set[tuple[str, str]] = field(default_factory=set)
    limiting: dict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    """Of each key, the changes of its limit that were begun."""
    limited: dict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    """Those that came back."""
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    """Errors that no process should meet."""


def put_together(facts: Iterable[Fact]) -> Told:
    told = Told()
    for fact in facts:
        match fact["is"]:
            case "reporting":
                told.reporting[fact["id"]] = fact
                if fact["lease"]:
                    told.costs_of_leases[fact["lease"]] += fact["cost"]
            case "reported":
                told.reported.add(fact["id"])
            case "unsettled":
                told.unsettled.add(fact["id"])
            case "lost":
                told.lost.add(fact["id"])
            case "handling":
                for each in fact["ids"]:
                    told.handled_at[each] = max(fact["at"], told.handled_at.get(each, 0.0))
            case "crediting":
                told.crediting[fact["account"], fact["entry"]] = fact["amount"]
            case "credited":
                told.credited.add((fact["account"], fact["entry"]))
            case "not credited":
                told.not_credited.add((fact["account"], fact["entry"]))
            case "limiting":
                told.limiting[fact["key"]].append(fact)
            case "limited":
                told.limited[fact["key"]].append(fact)
            case "ended":
                told.ends[fact["how"]] += 1
            case "unexpected":
                told.unexpected[fact["error"]] += 1
            case "fault":
                told.faults[fact["kind"]] += 1
    return told
