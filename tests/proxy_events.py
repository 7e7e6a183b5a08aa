"""Events as a REST API's Lambda proxy integration sends them."""

from collections.abc import Mapping, Sequence
from typing import Any


def proxy_event(
    method: str,
    path: str,
    *,
    key: str | None = None,
    headers: Mapping[str, Sequence[str]] | None = None,
    query: Mapping[str, Sequence[str]] | None = None,
    body: str | None = None,
    is_base64: bool = False,
    stage: str = "local",
) -> dict[str, Any]:
    """Single-valued members hold the last of several values, as API Gateway's do; null without any."""
    all_headers: dict[str, list[str]] = {
        "Host": ["abc123.execute-api.eu-central-1.amazonaws.com"],
        "X-Forwarded-For": ["203.0.113.7"],
        "X-Forwarded-Port": ["443"],
        "X-Forwarded-Proto": ["https"],
        **({"Authorization": [f"Bearer {key}"]} if key else {}),
        **({"Content-Type": ["application/json"]} if body is not None else {}),
        **{name: list(values) for name, values in (headers or {}).items()},
    }
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in all_headers.items()},
        "multiValueHeaders": all_headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": {name: list(values) for name, values in query.items()} if query else None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "abc123.execute-api.eu-central-1.amazonaws.com",
            "extendedRequestId": "extended-1",
            "httpMethod": method,
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "test/1"},
            "path": f"/{stage}{path}",
            "protocol": "HTTP/1.1",
            "requestId": "request-1",
            "requestTimeEpoch": 1_795_500_000_000,
            "resourcePath": "/{proxy+}",
            "stage": stage,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }
