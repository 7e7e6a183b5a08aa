"""What a provider refuses and why, before it is put into the words of a wire format."""

from collections.abc import Mapping

STATUS_OF: Mapping[str, int] = {
    "invalid": 400,
    "context_length": 400,
    "content_policy": 400,
    "auth": 401,
    "not_found": 404,
    "unprocessable": 422,
    "rate_limit": 429,
    "server": 500,
    "overloaded": 503,
}

_MESSAGES: Mapping[str, str] = {
    "auth": "The simulator was told to refuse the credential.",
    "content_policy": "The prompt violates our content policy.",
    "context_length": "The prompt is too long: it exceeds the model's context length.",
    "rate_limit": "The simulator was told that there are too many requests.",
}

# Anthropic's own status for what others call 503.
_NAMED = {403: "auth", 529: "overloaded"}


class Trouble(Exception):
    """An error that a provider answers with. `kind` is a name of STATUS_OF."""

    def __init__(
        self,
        kind: str,
        message: str = "",
        *,
        status: int = 0,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message or _MESSAGES.get(kind, "The simulator was told to fail.")
        self.status = status
        self.param = param
        self.retry_after_s = retry_after_s

    def status_or(self, default: int | None = None) -> int:
        return self.status or default or STATUS_OF[self.kind]

    @property
    def headers(self) -> Mapping[str, str]:
        return {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}


def trouble_of(kind: str, status: int, retry_after_s: int) -> Trouble:
    """From a fault, of which either may be missing."""
    if not kind:
        by_status = {code: name for name, code in reversed(list(STATUS_OF.items()))}
        kind = by_status.get(status) or _NAMED.get(status, "invalid" if status < 500 else "server")
    return Trouble(kind, status=status, retry_after_s=retry_after_s if retry_after_s >= 0 else None)
