"""Requests as REST APIs, HTTP APIs and function URLs send them, and everything that is none."""

import base64
from typing import Any
from urllib.parse import parse_qsl

import pytest

from stream_runtime.events import read_event

from tests.proxy_events import proxy_event

CONTEXT = object()


def scope_of(event: Any) -> dict[str, Any]:
    request = read_event(event, CONTEXT)
    assert request is not None
    return request[0]


def body_of(event: Any) -> bytes:
    request = read_event(event, CONTEXT)
    assert request is not None
    return request[1]


def http_event(
    path: str = "/my/path",
    *,
    stage: str = "$default",
    domain: str = "id.execute-api.us-east-1.amazonaws.com",
    **more: Any,
) -> dict[str, Any]:
    """Payload format 2.0, of an HTTP API or with another domain of a function URL."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": domain, "x-forwarded-proto": "https", "header2": "value1,value2"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "id",
            "domainName": domain,
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "id",
            "stage": stage,
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": False,
        **more,
    }


def test_a_rest_apis_request() -> None:
    scope = scope_of(proxy_event("POST", "/api/v1/chat/completions", key="key", body="{}", stage="prod"))

    assert (scope["type"], scope["method"], scope["scheme"], scope["http_version"]) == ("http", "POST", "https", "1.1")
    assert (scope["path"], scope["raw_path"], scope["root_path"]) == (
        "/api/v1/chat/completions",
        b"/api/v1/chat/completions",
        "",
    )
    assert scope["query_string"] == b""
    assert scope["client"] == ("203.0.113.7", 0)
    assert scope["server"] == ("abc123.execute-api.eu-central-1.amazonaws.com", 443)
    assert (b"authorization", b"Bearer key") in scope["headers"]
    assert body_of(proxy_event("POST", "/", body="{}")) == b"{}"


def test_the_event_and_its_context_stand_where_mangum_puts_them() -> None:
    event = proxy_event("GET", "/")
    scope = scope_of(event)
    assert scope["aws.event"] is event
    assert scope["aws.context"] is CONTEXT


def test_a_header_that_comes_twice_stays_two() -> None:
    headers = scope_of(proxy_event("GET", "/", headers={"X-Twice": ["a", "b"]}))["headers"]
    assert [value for name, value in headers if name == b"x-twice"] == [b"a", b"b"]


def test_headers_without_multiple_values() -> None:
    event = proxy_event("GET", "/") | {"multiValueHeaders": None, "headers": {"X-One": "ü"}}
    assert scope_of(event)["headers"] == [(b"x-one", "ü".encode())]


def test_no_headers_at_all() -> None:
    assert scope_of(proxy_event("GET", "/") | {"multiValueHeaders": None, "headers": None})["headers"] == []


def test_a_rest_apis_query_is_put_together_again() -> None:
    query = {"q": ["a b&c=ü"], "empty": [""], "twice": ["1", "2"]}
    scope = scope_of(proxy_event("GET", "/", query=query))
    assert parse_qsl(scope["query_string"].decode(), keep_blank_values=True) == [
        ("q", "a b&c=ü"),
        ("empty", ""),
        ("twice", "1"),
        ("twice", "2"),
    ]


def test_a_query_without_multiple_values() -> None:
    event = proxy_event("GET", "/", query={"a": ["1"]}) | {"multiValueQueryStringParameters": None}
    assert scope_of(event)["query_string"] == b"a=1"


def test_an_escaped_path_is_decoded_and_kept() -> None:
    scope = scope_of(proxy_event("GET", "/v1/models/acme/chat%3Afree/%C3%BC"))
    assert (scope["path"], scope["raw_path"]) == ("/v1/models/acme/chat:free/ü", b"/v1/models/acme/chat%3Afree/%C3%BC")


def test_a_body_in_base64() -> None:
    body = bytes(range(256))
    encoded = base64.b64encode(body).decode()
    assert body_of(proxy_event("POST", "/", body=encoded, is_base64=True)) == body
    assert body_of(http_event(body=encoded, isBase64Encoded=True)) == body


def test_a_body_is_utf8() -> None:
    assert body_of(proxy_event("POST", "/", body="schön")) == "schön".encode()


def test_no_body() -> None:
    assert body_of(proxy_event("GET", "/")) == b""
    assert body_of(http_event()) == b""


@pytest.mark.parametrize("path", ["/api/v1/models", "/api"])
def test_a_rest_apis_stage_is_never_in_its_path(path: str) -> None:
    """Also where the path happens to begin like the stage."""
    assert scope_of(proxy_event("GET", path, stage="api"))["path"] == path


def test_an_http_apis_request() -> None:
    scope = scope_of(
        http_event("/my/p%20th", rawQueryString="a=1&a=2&b=%20", cookies=["c=1", "d=2"], body="text"),
    )
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("POST", "/my/p th", b"/my/p%20th")
    assert scope["query_string"] == b"a=1&a=2&b=%20"
    assert scope["client"] == ("192.0.2.1", 0)
    assert (b"header2", b"value1,value2") in scope["headers"]
    assert scope["headers"][-1] == (b"cookie", b"c=1; d=2")


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        ("/prod/api/v1", "/api/v1"),
        ("/prod", "/"),
        ("/prod/", "/"),
        ("/production", "/production"),
        ("/api/prod", "/api/prod"),
    ],
)
def test_an_http_apis_stage_is_taken_off(raw_path: str, path: str) -> None:
    scope = scope_of(http_event(raw_path, stage="prod"))
    assert (scope["path"], scope["raw_path"]) == (path, path.encode())
    # The older format has it in the same place.
    old = proxy_event("GET", raw_path, stage="prod") | {"version": "1.0"}
    assert scope_of(old)["path"] == path


def test_a_domain_of_ones_own_has_no_stage_in_its_path() -> None:
    assert scope_of(http_event("/prod/x", stage="prod", domain="api.example.com"))["path"] == "/prod/x"


def test_a_function_urls_request() -> None:
    scope = scope_of(http_event("/v1/chat/completions", domain="id.lambda-url.us-east-1.on.aws"))
    assert (scope["path"], scope["server"]) == ("/v1/chat/completions", ("id.lambda-url.us-east-1.on.aws", 443))


def test_what_is_not_there_may_be_null() -> None:
    nothing = http_event(rawQueryString=None, headers=None, cookies=None, body=None)
    assert (scope_of(nothing)["query_string"], scope_of(nothing)["headers"], body_of(nothing)) == (b"", [], b"")


def test_plain_http() -> None:
    event = http_event(headers={"host": "localhost", "x-forwarded-proto": "http"})
    scope = scope_of(event)
    assert (scope["scheme"], scope["server"]) == ("http", ("localhost", 80))


@pytest.mark.parametrize(
    "event",
    [
        None,
        "text",
        17,
        [],
        {},
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
        {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
        {"requestContext": "of something else"},
        {"requestContext": {"connectionId": "id", "eventType": "MESSAGE", "routeKey": "$default"}, "body": "socket"},
        {"requestContext": {"apiId": "id", "requestId": "id"}, "completion": True},
        {"path": "/x", "httpMethod": "GET"},
    ],
)
def test_what_is_no_request(event: object) -> None:
    assert read_event(event, CONTEXT) is None


@pytest.mark.parametrize(
    "event",
    [
        http_event() | {"rawPath": None},
        http_event() | {"requestContext": {"http": {}}},
        http_event() | {"body": "not base64!", "isBase64Encoded": True},
        proxy_event("GET", "/") | {"multiValueHeaders": {"a": 1}},
        proxy_event("GET", "/") | {"path": 1},
    ],
)
def test_what_begins_like_a_request_and_is_none(event: object) -> None:
    """The loop tells these apart from errors of its own."""
    with pytest.raises((ArithmeticError, AttributeError, LookupError, TypeError, ValueError)):
        read_event(event, CONTEXT)
