"""Everything that can go wrong, as one tree.

    TurnpikeError
      RequestError                what the client can mend; shown to it as it is
        InvalidRequest            400 invalid_request
          ModelNotFound           400 invalid_request         availability model_not_found
        Unauthenticated           401 authentication
        InsufficientCredit        402 payment_required
        PermissionDenied          403 permission_denied
          KeyLimitExceeded        403 permission_denied
          OwnKeyRefused           403 permission_denied       in domain/byok.py
          InputFlagged            403 permission_denied       in domain/moderation.py
        NotFound                  404 not_found
          NoEndpoints             404 not_found               availability no_endpoints | constraint_filtered | …
                                  403 permission_denied       availability region_restricted
          PaymentsOff             404 not_found               in domain/payments.py, as is all of payments
        PaymentRefused            400 invalid_request
        InvalidSignature          400 invalid_request
        MethodNotAllowed          405 invalid_request
        Conflict                  409 precondition_failed
        PayloadTooLarge           413 payload_too_large
        IdempotencyKeyReused      422 unprocessable           in domain/batches.py
        TooManyBatches            429 rate_limit_exceeded     in domain/batches.py
        FreeModelsExhausted       429 rate_limit_exceeded     in domain/free_quota.py
      UpstreamError               one attempt at one endpoint failed; carries what the provider said
      ServiceError                nobody could answer
        AttemptsFailed            the last attempt's status, as the client may see it
        TemporarilyBusy           503 provider_overloaded     our own storage throttles; try again
        PaymentProviderUnavailable 503 provider_unavailable
        SearchFailed              503 provider_unavailable    in domain/web_search.py
        ModerationFailed          503 provider_unavailable    in domain/moderation.py
        OcrFailed                 503 provider_unavailable    in domain/file_texts.py
        FilesBusy                 503 provider_overloaded     in services/read_files.py
      VaultError                  500 server                  in domain/byok.py
      LedgerError                 misuse of the ledger; a bug or a redelivery, never a client's fault
        HoldNotFound
        HoldMismatch              the same id with another amount, or not as it was seen
        HoldResolved              it was captured, voided or expired before
        ReferenceReused           one payment's reference came with two amounts

`status` is the HTTP status, `error_type` OpenRouter's stable name (reference 1.4).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, get_args

from turnpike.domain.availability import Availability
from turnpike.domain.money import NanoUsd

ErrorType = Literal[
    "authentication",
    "content_policy_violation",
    "context_length_exceeded",
    "invalid_request",
    "not_found",
    "payload_too_large",
    "payment_required",
    "permission_denied",
    "precondition_failed",
    "provider_overloaded",
    "provider_unavailable",
    "rate_limit_exceeded",
    "server",
    "timeout",
    "unprocessable",
]


class TurnpikeError(Exception):
    """Root of the tree; `message` is fit for a client's eyes."""

    status: int = 500
    error_type: ErrorType = "server"
    availability: Availability | None = None
    retry_after_s: int | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    """What the response says besides, by header."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What `error.metadata` holds besides the error type."""
        return {}


class RequestError(TurnpikeError):
    status = 400
    error_type: ErrorType = "invalid_request"


class InvalidRequest(RequestError):
    """`field` is the dotted path of what is wrong, empty for the body as a whole."""

    only_here = False
    """Whether it is this one provider that cannot be asked for it: another may take it."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class ModelNotFound(InvalidRequest):
    def __init__(self, model: str) -> None:
        super().__init__(f"{model} is not a valid model ID")
        self.availability = Availability(
            "model_not_found", [model], constraint=("model", "GET /models lists the models that can be asked for")
        )


class Unauthenticated(RequestError):
    status = 401
    error_type: ErrorType = "authentication"


class InsufficientCredit(RequestError):
    """The account has `available` left, which does not cover what was asked."""

    status = 402
    error_type: ErrorType = "payment_required"

    def __init__(self, message: str, *, available: NanoUsd) -> None:
        super().__init__(message)
        self.available = available


class PermissionDenied(RequestError):
    status = 403
    error_type: ErrorType = "permission_denied"


class KeyLimitExceeded(PermissionDenied):
    """The key has `remaining` of its own limit left, which does not cover what was asked."""

    def __init__(self, message: str, *, remaining: NanoUsd) -> None:
        super().__init__(message)
        self.remaining = remaining


class NotFound(RequestError):
    status = 404
    error_type: ErrorType = "not_found"


class NoEndpoints(NotFound):
    def __init__(self, message: str, availability: Availability) -> None:
        super().__init__(message)
        self.availability = availability
        if availability.code == "region_restricted":
            self.status = 403
            self.error_type = "permission_denied"


class ContextExceeded(NoEndpoints):
    """`tokens` is an estimate of the prompt with the answer's limit, `context` the longest of the contexts."""

    status = 400
    error_type: ErrorType = "context_length_exceeded"

    def __init__(self, message: str, availability: Availability, *, tokens: int, context: int) -> None:
        super().__init__(message, availability)
        self.tokens = tokens
        self.context = context


class MethodNotAllowed(RequestError):
    """`allow` lists the methods that the address takes, as the header of that name does."""

    status = 405

    def __init__(self, *, allow: str) -> None:
        super().__init__(f"Method not allowed; this address takes {allow or 'other methods'}")
        self.allow = allow


class Conflict(RequestError):
    status = 409
    error_type: ErrorType = "precondition_failed"


class PayloadTooLarge(RequestError):
    status = 413
    error_type: ErrorType = "payload_too_large"


class UpstreamError(TurnpikeError):
    """One attempt failed. `upstream_status` is the provider's own; None when nothing was answered.

    `message` may quote the provider and is shown to clients, so adapters strip it of credentials;
    it is never logged, since providers echo parts of prompts in it. `is_refusal`: of the credential or the contract,
    whatever status that came with.
    """

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        upstream_status: int | None,
        error_type: ErrorType,
        retryable: bool,
        provider_code: str | None = None,
        retry_after_s: int | None = None,
        is_refusal: bool = False,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.upstream_status = upstream_status
        self.error_type = error_type
        self.retryable = retryable
        self.provider_code = provider_code
        self.retry_after_s = retry_after_s
        self.is_refusal = is_refusal or (retryable and upstream_status in (401, 402, 403))
        self.status = _STATUS_OF[error_type]


# A provider's 401, 402 or 403 is our misconfiguration: the client sees 502, like any provider's failure.
_STATUS_OF: Mapping[ErrorType, int] = {
    **dict.fromkeys(get_args(ErrorType), 502),
    "content_policy_violation": 400,
    "context_length_exceeded": 400,
    "invalid_request": 400,
    "not_found": 404,
    "payload_too_large": 413,
    "unprocessable": 422,
    "rate_limit_exceeded": 429,
    "provider_overloaded": 503,
    "timeout": 504,
}


class ServiceError(TurnpikeError):
    """Nobody could answer; the client did nothing wrong."""


class AttemptsFailed(ServiceError):
    """Every endpoint of the route was tried, or asked not to be; presents the last one's error."""

    def __init__(
        self,
        last: UpstreamError,
        *,
        models: Sequence[str],
        failed: Sequence[tuple[str, int | None]],
        provider_name: str,
        retry_after_s: int | None = None,
    ) -> None:
        """`failed`: (provider's slug, upstream status) of every attempt, in order; the name is of the last one.

        `retry_after_s` is when the first of them may be asked again, as far as they said.
        """
        super().__init__(last.message)
        self.status = last.status
        self.error_type = last.error_type
        self.retry_after_s = retry_after_s
        self.last = last
        self.failed = failed
        self.provider_name = provider_name
        self.file_annotations: Sequence[Mapping[str, Any]] = ()
        """What was read of the request's files, so that the next try need not read them again."""
        statuses = {status for _, status in failed}
        if statuses == {429}:
            self.availability = self._availability("capacity_exhausted", models)
        elif last.retryable:
            self.availability = self._availability("temporarily_unavailable", models)

    def _availability(self, code: str, models: Sequence[str]) -> Availability:
        providers = sorted({provider for provider, _ in self.failed})
        return Availability(
            code, models, retryable=True, retry_after_s=self.retry_after_s, affected_providers=providers
        )

    @property
    def metadata(self) -> Mapping[str, Any]:
        return {
            "provider_name": self.provider_name,
            **({"provider_code": self.last.provider_code} if self.last.provider_code else {}),
            **previous_errors(self.failed),
            **({"file_annotations": list(self.file_annotations)} if self.file_annotations else {}),
        }


class TemporarilyBusy(ServiceError):
    status = 503
    error_type: ErrorType = "provider_overloaded"
    retry_after_s = 1


class LedgerError(TurnpikeError):
    """Misuse of the ledger: a bug or a redelivery, never a client's fault."""


class HoldNotFound(LedgerError):
    pass


class HoldMismatch(LedgerError):
    pass


class ReferenceReused(LedgerError):
    pass


class HoldResolved(LedgerError):
    """`state` says how: captured, voided or expired."""

    def __init__(self, hold_id: str, state: str) -> None:
        super().__init__(f"hold {hold_id} is {state}")
        self.state = state


def previous_errors(failed: Sequence[tuple[str, int | None]]) -> Mapping[str, Any]:
    """What `error.metadata` tells of the attempts before the last one."""
    previous = [{"provider": provider, "code": status} for provider, status in failed[:-1]]
    return {"previous_errors": previous} if previous else {}
