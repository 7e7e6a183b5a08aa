"""What invokes a function over HTTP, as ASGI knows it.

A REST API's proxy events, and HTTP APIs' and function URLs' (payload format 2.0, and 1.0 as far as it differs); shapes:
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html and
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlencode

Scope = dict[str, Any]
Headers = list[tuple[bytes, bytes]]


def read_event(event: object, context: object) -> tuple[Scope, bytes] | None:
    """The scope and the body of a request; None for whatever else functions are invoked with.

    The scope has the event and its context beside the request, under the names that Mangum uses too.
    """
    about = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(about, dict):
        return None
    if isinstance(about.get("http"), dict):
        method, path, query = about["http"]["method"], event["rawPath"], event.get("rawQueryString") or ""
        headers, client = _headers_v2(event), about["http"].get("sourceIp")
    elif "httpMethod" in event and "path" in event:
        method, path, query = event["httpMethod"], event["path"], _query_v1(event)
        headers, client = _headers_v1(event), (about.get("identity") or {}).get("sourceIp")
    else:
        return None
    if "version" in event:
        path = _without_stage(path, about)
    first = dict(reversed(headers))
    scheme = "http" if first.get(b"x-forwarded-proto") == b"http" else "https"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method.upper(),
        "scheme": scheme,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": (client, 0) if client else None,
        "server": (first.get(b"host", b"").decode(), 443 if scheme == "https" else 80),
        "aws.event": event,
        "aws.context": context,
    }
    return scope, _body(event)


def _headers_v1(event: Mapping[str, Any]) -> Headers:
    several: Mapping[str, Sequence[str]] | None = event.get("multiValueHeaders")
    if several is None:
        several = {name: [value] for name, value in (event.get("headers") or {}).items()}
    return [(name.lower().encode(), value.encode()) for name, values in several.items() for value in values]


def _headers_v2(event: Mapping[str, Any]) -> Headers:
    headers = [(name.lower().encode(), value.encode()) for name, value in (event.get("headers") or {}).items()]
    cookies: Sequence[str] | None = event.get("cookies")
    return headers if not cookies else [*headers, (b"cookie", "; ".join(cookies).encode())]


def _query_v1(event: Mapping[str, Any]) -> str:
    """Parsed and decoded by API Gateway, so it is put together again."""
    several = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    return urlencode(several, doseq=True)


def _without_stage(path: str, about: Mapping[str, Any]) -> str:
    """Only an HTTP API has its stage in the path, and only below its own domain. A REST API never has."""
    prefix = f"/{about.get('stage')}"
    if "execute-api" in about.get("domainName", "") and f"{path}/".startswith(f"{prefix}/"):
        return path.removeprefix(prefix) or "/"
    return path


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
