"""The ways in which an answer goes wrong, told in the model's name or beforehand at `POST /simulator/faults`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from tests.simulator.trouble import STATUS_OF

HEADERS = -1
"""As a position: before anything is answered."""
NEVER = -2


@dataclass(frozen=True, slots=True)
class Fault:
    """Positions count the pieces that are sent first: the events of a stream, or 1 for half of a whole body.

    In a model's name a fault follows a tilde, with a full stop before its value and `headers` for HEADERS:
    `claude-sonnet-4-5~cut.3~chunk_ms.20`. All of these characters survive being quoted in an address.
    """

    status: int = 0
    """Answer with this HTTP status, and the error that the wire format has for it."""
    trouble: str = ""
    """Answer with this error: a name of `trouble.STATUS_OF`. Says more than a status, such as what a 400 is for."""
    retry_after: int = -1
    """Seconds to wait, told with the error in the provider's own way."""
    headers_ms: int = 0
    first_ms: int = 0
    """Between the head and the first piece."""
    chunk_ms: int = 0
    """Between pieces."""
    hang: int = NEVER
    """Send nothing more, and keep the connection open."""
    reset: int = NEVER
    cut: int = NEVER
    """Close the connection; HTTP's own end of the body is missing."""
    tear: int = NEVER
    """The same in the middle of the next event."""
    stop: int = NEVER
    """End the response as if it were complete: only the wire format's own end is missing."""
    error: int = NEVER
    """The wire format's error in a stream, named by `trouble`; an answer in one piece is that error."""
    garbage: int = NEVER
    """Bytes that mean nothing; instead of the whole body at 0."""
    empty: int = 0
    """Status 200 without a body."""

    def with_option(self, name: str, value: str) -> "Fault":
        """Raises ValueError for what is no fault."""
        if name not in _FIELDS:
            raise ValueError(f"there is no fault {name!r}")
        if name == "trouble":
            if value not in STATUS_OF:
                raise ValueError(f"there is no trouble {value!r}")
            return replace(self, trouble=value)
        changed: dict[str, Any] = {name: HEADERS if value == "headers" else int(value)}
        return replace(self, **changed)


_FIELDS = frozenset(each.name for each in fields(Fault))


def parse_fault(options: Mapping[str, Any]) -> Fault:
    """Raises ValueError."""
    fault = Fault()
    for name, value in options.items():
        fault = fault.with_option(name, str(value))
    return fault


@dataclass(frozen=True, slots=True)
class Named:
    """A model's name, taken apart. `case` is `<folder>.<file>.<index>` of a recorded or written exchange."""

    model: str
    case: str = ""
    fault: Fault = Fault()


def parse_model(name: str) -> Named:
    """Raises ValueError for an option that does not exist."""
    model, *options = name.split("~")
    case, fault = "", Fault()
    for option in options:
        key, _, value = option.partition(".")
        if key == "case":
            case = value
        else:
            fault = fault.with_option(key, value)
    return Named(model, case, fault)


@dataclass(slots=True)
class Planned:
    """A fault for the next `count` requests that fit; empty members fit all."""

    fault: Fault
    count: int = 1
    wire: str = ""
    path: str = ""
    model: str = ""

    def fits(self, wire: str, path: str, model: str) -> bool:
        return self.count > 0 and self.wire in ("", wire) and self.path in path and self.model in ("", model)


@dataclass(slots=True)
class Plans:
    """What was told beforehand; the oldest plan that fits comes first."""

    planned: list[Planned] = field(default_factory=list)

    def add(self, body: Mapping[str, Any]) -> None:
        """Raises ValueError and TypeError."""
        options = dict(body)
        self.planned.append(Planned(parse_fault(options.pop("fault")), **options))

    def take(self, wire: str, path: str, model: str) -> Fault | None:
        for each in self.planned:
            if each.fits(wire, path, model):
                each.count -= 1
                self.planned = [plan for plan in self.planned if plan.count]
                return each.fault
        return None
