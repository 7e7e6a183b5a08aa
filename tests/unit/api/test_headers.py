"""What browsers and logs need of every response, whatever was asked."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from turnpike.api.edge import Edge, json_response

from tests.chat_client import HELLO, Answer, Client
from tests.scenario import World, failure, text

pytestmark = pytest.mark.anyio

PATHS = [base + path for base in ("/api/v1", "/v1") for path in ("/chat/completions", "/messages")]


def client(*script: Any) -> Client:
    return Client(World({"one": [list(script) or text("Hel", "lo")]}))


async def preflight(path: str, **headers: str) -> Answer:
    asked = {"origin": "https://app.test", "access-control-request-method": "POST", **headers}
    return await client().post(b"", path=path, method="OPTIONS", secret=None, headers=asked)


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_may_ask_before_it_has_a_key(path: str) -> None:
    answer = await preflight(path, **{"access-control-request-headers": "authorization, content-type,x-stainless-os"})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == answer.headers["allow"] == "OPTIONS, POST"
    assert answer.headers["access-control-allow-headers"] == "authorization, content-type,x-stainless-os"
    assert int(answer.headers["access-control-max-age"]) > 0


@pytest.mark.parametrize("names", ["", "a b", "a\tb", "a" * 3000, "a,,b", "a:b"])
async def test_what_are_no_names_of_headers_is_not_repeated(names: str) -> None:
    answer = await preflight(PATHS[0], **{"access-control-request-headers": names})
    assert answer.status == 204
    assert "access-control-allow-headers" not in answer.headers


async def test_an_unknown_address_is_unknown_to_browsers_too() -> None:
    answer = await preflight("/api/v1/nothing")
    assert answer.status == 404
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [True, False])
async def test_every_answer_may_be_read_from_anywhere_and_found_again(path: str, stream: bool) -> None:
    good = await client().post({**HELLO, "max_tokens": 9, "stream": stream}, path=path)
    failed = await client(failure(500)).post({**HELLO, "max_tokens": 9, "stream": stream}, path=path)
    for answer in (good, failed):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-expose-headers"] == "*"
        generation_id = answer.headers["x-generation-id"]
        assert answer.headers["x-request-id"] == answer.headers["request-id"] == generation_id
    unread = await client().post(b"{", path=path)
    refused = await client().post(HELLO, path=path, secret=None)
    assert (unread.status, refused.status) == (400, 401)
    for answer in (unread, refused):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-request-id"] == answer.headers["request-id"]
    assert unread.headers["x-request-id"] != refused.headers["x-request-id"]


@pytest.mark.parametrize(("given", "echoed"), [("mine-1", True), ("a" * 129, False), ("a b", False), ("", False)])
async def test_the_clients_own_id_is_echoed_where_it_is_one(given: str, echoed: bool) -> None:
    answer = await client().post(HELLO, headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is echoed
    assert answer.headers["request-id"] == answer.headers["x-generation-id"]


async def test_head_is_answered_as_get_is_without_a_body() -> None:
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def hello(request: Request) -> Response:
        return json_response({"said": "hello"})

    app = Edge([Route("/hello", hello)])
    for method in ("GET", "HEAD"):
        scope = {"type": "http", "method": method, "path": "/v1/hello", "root_path": "", "headers": []}
        await app(scope, receive, send)
    start, body, head_start, head_body = sent
    assert (body["body"], head_body["body"]) == (b'{"said":"hello"}', b"")
    assert dict(head_start["headers"])[b"content-length"] == dict(start["headers"])[b"content-length"]
