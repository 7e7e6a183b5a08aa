"""When tries are repeated, against botocore's own mode `standard`."""

import random
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import (
    ExponentialBackoff,
    RetryContext,
    RetryEventAdapter,
    RetryQuotaChecker,
    StandardRetryConditions,
    ThrottledRetryableChecker,
    ThrottlingErrorDetector,
    TransientRetryableChecker,
)

from turnpike.storage.aws_json.retries import MOST_TRIES, Quota, is_throttled, is_transient, wait_s
from turnpike.storage.aws_json.services import DYNAMODB, KMS, SECRETS_MANAGER, SQS, Service

from tests.stubs import service_model

SERVICES = (DYNAMODB, KMS, SECRETS_MANAGER, SQS)
CODES = {
    *ThrottledRetryableChecker._THROTTLED_ERROR_CODES,
    *TransientRetryableChecker._TRANSIENT_ERROR_CODES,
    "AccessDeniedException",
    "ConditionalCheckFailedException",
    "InternalServerError",
    "TransactionCanceledException",
    "ValidationException",
}
STATUSES = (400, 403, 404, 413, 429, 500, 501, 502, 503, 504)
THROTTLED = ThrottlingErrorDetector(RetryEventAdapter())


def context(service: Service, operation: str, status: int, code: str, tries: int = 1, **headers: str) -> RetryContext:
    return RetryContext(
        tries,
        service_model(service.name).operation_model(operation),
        {"Error": {"Code": code}},
        SimpleNamespace(status_code=status, headers=headers),
        request_context={},
    )


@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
def test_what_is_tried_again_is_what_botocore_tries_again(service: Service) -> None:
    conditions = StandardRetryConditions(max_attempts=MOST_TRIES)
    for operation in service.operations.values():
        shapes = service_model(service.name).operation_model(operation).error_shapes
        modeled = {shape.metadata.get("error", {}).get("code") or shape.name for shape in shapes}
        for status, code in product(STATUSES, CODES | modeled):
            if status == 429 and code in modeled:
                continue  # AWS sends none of these, and ours takes it for what its status says.
            asked = context(service, operation, status, code)
            throttled = THROTTLED.is_throttling_error_from_context(asked)
            assert is_throttled(status, code) == throttled, (status, code)
            assert (throttled or is_transient(status, code)) == conditions.is_retryable(asked), (status, code)


@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
@pytest.mark.parametrize("asked_for", [None, "0", "1500", "60000", "-1", "soon", "²"])
@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError"])
def test_the_wait_is_as_long_as_botocores(service: Service, code: str, asked_for: str | None) -> None:
    headers = {} if asked_for is None else {"x-amz-retry-after": asked_for}
    operation = next(iter(service.operations.values()))
    for tries, drawn in product(range(1, 12), (0.0, 0.3, 0.999)):
        backoff = ExponentialBackoff(
            random=lambda drawn=drawn: drawn, service_name=service.name, throttling_detector=THROTTLED
        )
        expected = backoff.delay_amount(context(service, operation, 500, code, tries, **headers))
        throttled = is_throttled(500, code)
        waited = wait_s(
            tries, service.first_delay_s, throttled=throttled, headers=headers, random=lambda drawn=drawn: drawn
        )
        assert waited == pytest.approx(expected)


def test_waits_are_drawn() -> None:
    drawn = {wait_s(1, 1.0, throttled=False, headers={}) for _ in range(20)}
    assert len(drawn) > 1
    assert all(0 <= each < 1 for each in drawn)


def test_the_quota_is_botocores() -> None:
    theirs, ours = RetryQuota(), Quota()
    checker = RetryQuotaChecker(theirs, THROTTLED)
    dice = random.Random(7)
    taken_by: list[tuple[dict[str, Any], int]] = []
    for _ in range(2_000):
        if dice.random() < 0.3:
            request, taken = taken_by.pop() if taken_by and dice.random() < 0.3 else ({}, 0)
            checker.release_retry_quota(request, SimpleNamespace(status_code=200))
            ours.give_back(taken)
            continue
        throttled = dice.random() < 0.5
        asked = context(DYNAMODB, "GetItem", 400, "ThrottlingException" if throttled else "InternalServerError")
        taken = ours.take(throttled=throttled)
        assert checker.acquire_retry_quota(asked) is bool(taken)
        if taken:
            taken_by.append((asked.request_context, taken))
