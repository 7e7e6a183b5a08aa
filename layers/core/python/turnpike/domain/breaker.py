"""A circuit breaker for each endpoint, in the memory of one environment.

    closed ── 3 failures within 30 s, a fifth of the attempts or more ──> open
    open ── 30 s after the last failure ──> half open: one attempt at a time is let through, as a probe
    half open ── a success ──> closed
    half open ── a failure ──> open
    closed, half open ── another environment's outage, of which no success is known since ──> open

A failure that kept somebody waiting counts once for each ten seconds: one that took half a minute opens the breaker
by itself, since an environment that answers one request after the other would see no second one within its window.
It counts as having been a little before its end (`failed_at_s`).

Times are seconds of the caller's clock, which may stand still or jump between calls, as it does on Lambda; use
wall-clock time, by which the last failures are as old as they are.
"""

from collections import deque
from collections.abc import Mapping

from turnpike.domain.health import failed_at_s

FAILURES = 3
WINDOW_S = 30.0
PAUSE_S = 30.0
FAILING_SHARE = 0.2
"""Of the attempts within the window: three failures of a thousand attempts open nothing."""
PATIENCE_S = 10.0
"""For how long a failure may keep somebody waiting before it counts as another one."""
PROBE_S = 10.0
"""How long a probe keeps others back; one whose end nobody tells must not keep an endpoint away for good."""
_SLOT_S = 5.0
_SLOTS = round(WINDOW_S / _SLOT_S) + 1


class _Circuit:
    __slots__ = ("failures", "open_until_s", "others_until_s", "probing_until_s", "slots", "succeeded_at_s")

    def __init__(self) -> None:
        self.failures: deque[float] = deque(maxlen=FAILURES)
        """When the last ones were. Those that count several times are in it as often."""
        self.slots: deque[list[int]] = deque(maxlen=_SLOTS)
        """Number, attempts and failures of each span of the window in which there were any."""
        self.open_until_s: float | None = None
        """None when closed; half open from then on."""
        self.others_until_s: float | None = None
        """The same, by an outage that others saw."""
        self.probing_until_s = 0.0
        self.succeeded_at_s = float("-inf")

    @property
    def until_s(self) -> float | None:
        """The later of the two."""
        own_s, others_s = self.open_until_s, self.others_until_s
        return own_s if others_s is None else others_s if own_s is None else max(own_s, others_s)


class Breaker:
    """By an endpoint's key. It remembers a few numbers of each endpoint that was ever tried."""

    __slots__ = ("_circuits",)

    def __init__(self) -> None:
        self._circuits: dict[str, _Circuit] = {}

    def record(self, key: str, ok: bool, now_s: float, *, waited_s: float = 0.0) -> None:
        """Note how an attempt ended; whatever it was, it no longer is a probe.

        `waited_s`: how long it showed nothing.
        """
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.probing_until_s = 0.0
        if not ok:
            _note_failure(circuit, now_s, waited_s)
            return
        _slot_of(circuit, now_s)[1] += 1
        circuit.succeeded_at_s = now_s
        # Not before it is half open: until then, what ends well has begun before things went wrong.
        if circuit.until_s is not None and now_s >= circuit.until_s:
            circuit.open_until_s = circuit.others_until_s = None
            # What it failed before is behind it; otherwise the next failure alone would open it again.
            circuit.failures.clear()
            circuit.slots.clear()

    def is_open(self, key: str, now_s: float) -> bool:
        """Whether others should be tried before it. False when half open, as long as nobody is probing it."""
        circuit = self._circuits.get(key)
        until_s = None if circuit is None else circuit.until_s
        return circuit is not None and until_s is not None and (now_s < until_s or now_s < circuit.probing_until_s)

    def try_probe(self, key: str, now_s: float) -> bool:
        """Begin an attempt: True when it may be made, and then it keeps others back while it is a probe."""
        if self.is_open(key, now_s):
            return False
        circuit = self._circuits.get(key)
        if circuit is not None and circuit.until_s is not None:
            circuit.probing_until_s = now_s + PROBE_S
        return True

    def release(self, key: str) -> None:
        """An attempt ended that says nothing of the endpoint; the next one may probe it."""
        circuit = self._circuits.get(key)
        if circuit is not None:
            circuit.probing_until_s = 0.0

    def take_over(self, outages: Mapping[str, float], now_s: float, *, seen_at_s: float) -> None:
        """Take over outages that others saw, each until when; those taken over before are prolonged, or shortened.

        Not those of which an attempt from here succeeded after `seen_at_s`.
        """
        for key, until_s in outages.items():
            circuit = self._circuits.setdefault(key, _Circuit())
            if circuit.succeeded_at_s < seen_at_s and (until_s > now_s or circuit.others_until_s is not None):
                circuit.others_until_s = until_s


def _note_failure(circuit: _Circuit, now_s: float, waited_s: float) -> None:
    times = min(FAILURES, max(1, round(waited_s / PATIENCE_S)))
    failed_s = failed_at_s(now_s, waited_s)
    slot = _slot_of(circuit, now_s)
    slot[1] += times
    slot[2] += times
    circuit.failures.extend([failed_s] * times)
    if circuit.until_s is not None or _is_failing(circuit, failed_s):
        circuit.open_until_s = max(failed_s + PAUSE_S, circuit.open_until_s or 0.0)


def _slot_of(circuit: _Circuit, now_s: float) -> list[int]:
    number = int(now_s // _SLOT_S)
    if not circuit.slots or circuit.slots[-1][0] != number:
        circuit.slots.append([number, 0, 0])
    return circuit.slots[-1]


def _is_failing(circuit: _Circuit, now_s: float) -> bool:
    if len(circuit.failures) < FAILURES or now_s - circuit.failures[0] > WINDOW_S:
        return False
    first = int((now_s - WINDOW_S) // _SLOT_S)
    attempts = sum(slot[1] for slot in circuit.slots if slot[0] >= first)
    failed = sum(slot[2] for slot in circuit.slots if slot[0] >= first)
    return failed >= FAILING_SHARE * attempts
