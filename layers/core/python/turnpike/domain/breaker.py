"""A circuit breaker for each endpoint, in the memory of one environment.

    closed ── 3 failures within 30 s, a fifth of the attempts or more ──> open
    open ── 30 s after the last failure ──> half open: one attempt at a time is let through, as a probe
    half open ── a success ──> closed
    half open ── a failure ──> open
    closed, half open ── another environment's outage, of which no success is known since ──> open

Times are seconds of the caller's clock, which may stand still or jump between calls, as it does on Lambda; use
wall-clock time, by which the last failures are as old as they are.
"""

from collections import deque

FAILURES = 3
WINDOW_S = 30.0
PAUSE_S = 30.0
FAILING_SHARE = 0.2
"""Of the attempts within the window: three failures of a thousand attempts open nothing."""
PROBE_S = 10.0
"""How long a probe keeps others back; one whose end nobody tells must not keep an endpoint away for good."""
_SLOT_S = 5.0
_SLOTS = round(WINDOW_S / _SLOT_S) + 1


class _Circuit:
    __slots__ = ("failures", "open_until_s", "probing_until_s", "slots", "succeeded_at_s")

    def __init__(self) -> None:
        self.failures: deque[float] = deque(maxlen=FAILURES)
        """When the last ones were."""
        self.slots: deque[list[int]] = deque(maxlen=_SLOTS)
        """Number, attempts and failures of each span of the window in which there were any."""
        self.open_until_s: float | None = None
        """None when closed; half open from then on."""
        self.probing_until_s = 0.0
        self.succeeded_at_s = float("-inf")


class Breaker:
    """By an endpoint's key. It remembers a few numbers of each endpoint that was ever tried."""

    __slots__ = ("_circuits",)

    def __init__(self) -> None:
        self._circuits: dict[str, _Circuit] = {}

    def record(self, key: str, ok: bool, now_s: float) -> None:
        """Note how an attempt ended; whatever it was, it no longer is a probe."""
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.probing_until_s = 0.0
        slot = _slot_of(circuit, now_s)
        slot[1] += 1
        if ok:
            circuit.succeeded_at_s = now_s
            # Not before it is half open: until then, what ends well has begun before things went wrong.
            if circuit.open_until_s is not None and now_s >= circuit.open_until_s:
                circuit.open_until_s = None
                # What it failed before is behind it; otherwise the next failure alone would open it again.
                circuit.failures.clear()
                circuit.slots.clear()
            return
        slot[2] += 1
        circuit.failures.append(now_s)
        if circuit.open_until_s is not None or _is_failing(circuit, now_s):
            circuit.open_until_s = now_s + PAUSE_S

    def is_open(self, key: str, now_s: float) -> bool:
        """Whether others should be tried before it. False when half open, as long as nobody is probing it."""
        circuit = self._circuits.get(key)
        if circuit is None or circuit.open_until_s is None:
            return False
        return now_s < circuit.open_until_s or now_s < circuit.probing_until_s

    def try_probe(self, key: str, now_s: float) -> bool:
        """Begin an attempt: True when it may be made, and then it keeps others back while it is a probe."""
        if self.is_open(key, now_s):
            return False
        circuit = self._circuits.get(key)
        if circuit is not None and circuit.open_until_s is not None:
            circuit.probing_until_s = now_s + PROBE_S
        return True

    def release(self, key: str) -> None:
        """An attempt ended that says nothing of the endpoint; the next one may probe it."""
        circuit = self._circuits.get(key)
        if circuit is not None:
            circuit.probing_until_s = 0.0

    def open_until(self, key: str, until_s: float, *, seen_at_s: float) -> None:
        """Take over an outage that others saw, unless an attempt from here succeeded after `seen_at_s`."""
        circuit = self._circuits.setdefault(key, _Circuit())
        if circuit.succeeded_at_s < seen_at_s and until_s > (circuit.open_until_s or 0.0):
            circuit.open_until_s = until_s


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
