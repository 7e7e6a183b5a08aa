"""From a provider's error to what it means for us and for the client."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.providers.failures import failure_in_answer, parse_failure, parse_retry_after

REFUSED = "The provider refused this deployment's credential or contract"


def parse(status: int, body: Any = b"", **headers: str) -> Any:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return parse_failure("acme", status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def said(message: str, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "error_type", "retryable"),
    [
        (302, "provider_unavailable", True),
        (400, "invalid_request", False),
        (401, "provider_unavailable", True),
        (402, "provider_unavailable", True),
        (403, "provider_unavailable", True),
        (404, "not_found", True),
        (405, "not_found", True),
        (408, "timeout", True),
        (409, "provider_unavailable", True),
        (413, "payload_too_large", False),
        (418, "invalid_request", False),
        (422, "unprocessable", False),
        (425, "provider_unavailable", True),
        (429, "rate_limit_exceeded", True),
        (498, "provider_overloaded", True),
        (500, "provider_unavailable", True),
        (502, "provider_unavailable", True),
        (503, "provider_overloaded", True),
        (504, "timeout", True),
        (524, "timeout", True),
        (529, "provider_overloaded", True),
    ],
)
def test_statuses(status: int, error_type: str, retryable: bool) -> None:
    error = parse(status, said("Something"))
    assert (error.error_type, error.retryable, error.upstream_status) == (error_type, retryable, status)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_credential_is_our_own_affair(status: int) -> None:
    error = parse(status, said("Incorrect API key provided: sk-proj-abcdefghijklmnop", "invalid_api_key"))
    assert error.message == REFUSED
    assert error.status == 502


@pytest.mark.parametrize(
    ("status", "body", "error_type", "retryable"),
    [
        (400, said("too long", "context_length_exceeded"), "context_length_exceeded", False),
        (400, said("This model's maximum context length is 8192 tokens."), "context_length_exceeded", False),
        (400, said("Please reduce the length of the messages."), "context_length_exceeded", False),
        (413, said("Prompt is too long"), "context_length_exceeded", False),
        (400, said("Prompt exceeds max length", "1261"), "context_length_exceeded", False),
        (
            400,
            said("<400> InvalidParameter: Range of input length should be [1, 30720]"),
            "context_length_exceeded",
            False,
        ),
        (429, said("Insufficient balance or no resource package", "1113"), "provider_unavailable", True),
        (429, {"error": {"message": "no", "type": "exceeded_current_quota_error"}}, "provider_unavailable", True),
        (
            400,
            said("Access denied, please make sure your account is in good standing.", "Arrearage"),
            "provider_unavailable",
            True,
        ),
        (400, said("Content Exists Risk"), "content_policy_violation", False),
        (400, said("no", "content_policy_violation"), "content_policy_violation", False),
        (403, said("Your input was flagged"), "content_policy_violation", False),
        # xAI says 400 to a wrong key.
        (400, {"code": "x", "error": "Incorrect API key provided: xa***yz."}, "provider_unavailable", True),
        # Groq says 413 to a request that is larger than a minute's tokens.
        (413, said("Request too large", "rate_limit_exceeded", "tokens"), "rate_limit_exceeded", True),
        # No funds, with the status of too many requests.
        (429, said("You exceeded your current quota", "insufficient_quota"), "provider_unavailable", True),
        # The model's fault, not the client's.
        (400, said("Failed to call a function.", "tool_use_failed"), "provider_unavailable", True),
    ],
)
def test_what_is_said_counts_more_than_the_status(status: int, body: Any, error_type: str, retryable: bool) -> None:
    error = parse(status, body)
    assert (error.error_type, error.retryable) == (error_type, retryable)


def test_no_funds_are_not_explained_to_clients() -> None:
    assert parse(429, said("You exceeded your current quota", "insufficient_quota")).message == REFUSED
    assert parse(400, {"error": "Incorrect API key provided: xa***yz."}).message == REFUSED


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (said("Bad", "c1"), "Bad", "c1"),
        (said("Bad"), "Bad", "invalid_request_error"),
        ({"error": "Bad", "code": "c1"}, "Bad", "c1"),
        ({"object": "error", "message": "Bad", "type": "t1", "code": "1000"}, "Bad", "1000"),
        (
            {"message": {"detail": [{"loc": ["body", "n"], "msg": "Bad"}, {"loc": ["x"], "msg": "Worse"}]}},
            "body.n: Bad; x: Worse",
            None,
        ),
        ({"detail": "Bad"}, "Bad", None),
        ({"detail": [{"msg": "Bad", "loc": None}]}, "Bad", None),
        ({"errors": [{"message": "Bad"}]}, "Bad", None),
        ([{"error": {"message": "Bad", "code": 400, "status": "INVALID_ARGUMENT"}}], "Bad", None),
        ({"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": "Bad"}}}, "Bad", None),
        (b'"Bad"', "Bad", None),
        (b"Bad", "Bad", None),
        (b"<html>Bad</html>", "The provider answered with HTTP status 400", None),
        (b"", "The provider answered with HTTP status 400", None),
        ({}, "The provider answered with HTTP status 400", None),
        ({"error": None}, "The provider answered with HTTP status 400", None),
        (b"\xff\xfe", "��", None),
    ],
)
def test_bodies_of_every_shape(body: Any, message: str, code: str | None) -> None:
    error = parse(400, body)
    assert (error.message, error.provider_code) == (message, code)


def test_messages_are_short_and_hold_no_credentials() -> None:
    assert len(parse(400, said("x" * 10_000)).message) == 2_000
    shown = parse(400, said("You sent Bearer abcdefghijklmnop and sk-proj-abcdefghijklmnop")).message
    assert shown == "You sent [credential] and [credential]"


@given(st.integers(300, 599), st.binary(max_size=100))
def test_no_body_breaks_it(status: int, body: bytes) -> None:
    error = parse(status, body)
    assert error.message
    assert error.retryable in (True, False)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "code", "type", "metadata", "raw", "msg", "loc", "errors"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_no_json_breaks_it(body: Any) -> None:
    assert parse(400, body).message
    assert failure_in_answer("acme", body).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.2"}, 1),
        ({"retry_after": "-1"}, 0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "1e99"}, 86_400),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 2),
        ({"x_ms_retry_after_ms": "10"}, 1),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0),
        # Without the provider's own clock there is nothing to read a date against.
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: int | None) -> None:
    assert parse_retry_after({name.replace("_", "-"): value for name, value in headers.items()}) == seconds
    assert parse(429, **headers).retry_after_s == seconds


def test_when_to_come_back_may_be_in_the_body() -> None:
    assert parse(429, {"error": {"message": "Wait", "availability": {"retry_after": 4}}}).retry_after_s == 4


def test_an_error_inside_an_answer_names_its_own_status() -> None:
    assert failure_in_answer("acme", {"message": "No", "status_code": 400}).error_type == "invalid_request"
    assert failure_in_answer("acme", {"message": "No", "code": "429"}).upstream_status == 429
    error = failure_in_answer("acme", {"message": "No", "code": "server_error"})
    assert (error.upstream_status, error.error_type, error.provider_code) == (
        200,
        "provider_unavailable",
        "server_error",
    )
    assert failure_in_answer("acme", "No").message == "No"
    assert failure_in_answer("acme", {}).message == "The provider broke off the answer"
