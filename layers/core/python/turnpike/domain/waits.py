"""Endpoints that asked to be left alone for a while, which is what `Retry-After` says."""

from dataclasses import dataclass

from turnpike.domain.errors import ErrorType, UpstreamError


@dataclass(frozen=True, slots=True)
class Wait:
    """What an endpoint said when it asked, and until when it holds; the error itself would keep its request alive."""

    until_s: float
    provider: str
    status: int | None
    error_type: ErrorType

    def left_s(self, now_s: float) -> int:
        """Whole seconds, rounded up: a client that comes back then does not come too early."""
        return max(1, -int(-(self.until_s - now_s) // 1))

    def as_error(self, now_s: float) -> UpstreamError:
        """For a request that is not sent because of it."""
        left_s = self.left_s(now_s)
        return UpstreamError(
            self.provider,
            f"The provider asked to be left alone for a while; try again in {left_s} s",
            upstream_status=self.status,
            error_type=self.error_type,
            retryable=True,
            retry_after_s=left_s,
        )


class Waits:
    """By an endpoint's key. Times are seconds of the caller's clock; `longest_s` bounds what is believed."""

    __slots__ = ("_longest_s", "_waits")

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._waits: dict[str, Wait] = {}

    def __bool__(self) -> bool:
        """False as long as nobody asked, so that most requests need not look for each of their endpoints."""
        return bool(self._waits)

    def note(self, key: str, error: UpstreamError, now_s: float) -> None:
        """Keep what an error asks for, unless an earlier one asked for longer."""
        wait_s = min(error.retry_after_s or 0, self._longest_s)
        if wait_s <= 0 or not error.retryable:
            return
        known = self._waits.get(key)
        if known is None or known.until_s < now_s + wait_s:
            self._waits[key] = Wait(now_s + wait_s, error.provider, error.upstream_status, error.error_type)

    def find(self, key: str, now_s: float) -> Wait | None:
        wait = self._waits.get(key)
        if wait is not None and wait.until_s <= now_s:
            del self._waits[key]
            return None
        return wait
