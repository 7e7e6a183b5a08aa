"""When a try is repeated: as botocore's mode `standard` has it, in whose retries/standard.py the figures are.

wait before try n+1 = random(0..1) * min(first delay * 2^(n-1), 20 s), where the first delay is 1 s if AWS asked
us to slow down; AWS may ask for longer, which adds up to 5 s
"""

from collections.abc import Callable, Mapping
from random import SystemRandom
from threading import Lock

MOST_TRIES = 3
_LONGEST_S = 20.0
_LONGEST_ADDED_S = 5.0
_THROTTLED_FIRST_S = 1.0

_TRANSIENT_STATUS = frozenset({500, 502, 503, 504})
_TRANSIENT_CODES = frozenset({"RequestTimeout", "RequestTimeoutException", "ReplicatedWriteConflictException"})
_THROTTLED_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)

# The system's: environments restored from one snapshot would all wait for the same times.
_random = SystemRandom().random


def is_throttled(status: int, code: str) -> bool:
    return status == 429 or code in _THROTTLED_CODES


def is_transient(status: int, code: str) -> bool:
    return status in _TRANSIENT_STATUS or code in _TRANSIENT_CODES


def wait_s(
    tries: int, first_s: float, *, throttled: bool, headers: Mapping[str, str], random: Callable[[], float] = _random
) -> float:
    """After so many tries."""
    first_s = _THROTTLED_FIRST_S if throttled else first_s
    wait = random() * min(first_s * 2.0 ** (tries - 1), _LONGEST_S)
    asked = headers.get("x-amz-retry-after", "")
    if asked.isascii() and asked.isdigit():
        # In milliseconds.
        return max(wait, min(int(asked) / 1000, wait + _LONGEST_ADDED_S))
    return wait


class Quota:
    """Of repeated tries, so that a service that is down is not asked three times as often as one that is well."""

    _WHOLE = 500
    _COST, _THROTTLED_COST = 14, 5

    def __init__(self) -> None:
        self._left = self._WHOLE
        self._lock = Lock()

    def take(self, *, throttled: bool) -> int:
        """What was taken; 0 when there is not enough left."""
        cost = self._THROTTLED_COST if throttled else self._COST
        with self._lock:
            if cost > self._left:
                return 0
            self._left -= cost
            return cost

    def give_back(self, taken: int) -> None:
        """With a call that succeeded: what its last repetition took, or one if there was none."""
        if self._left == self._WHOLE:
            return
        with self._lock:
            self._left = min(self._left + (taken or 1), self._WHOLE)
