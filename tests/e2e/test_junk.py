"""Whatever is sent, the answer is a client's error in the API's own envelope, and the server goes on."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.e2e.asking import WEATHER, chat, chunks_of, error_of, user
from tests.e2e.run import MARK, Run

LARGEST = 6 * 1024 * 1024
PATHS = (
    "/chat/completions",
    "/completions",
    "/messages",
    "/messages/count_tokens",
    "/embeddings",
    "/images",
    "/rerank",
    "/audio/speech",
    "/audio/transcriptions",
    "/models",
    "/models/count",
    "/models/demo/chat/endpoints",
    "/model/demo/chat",
    "/providers",
    "/key",
    "/keys",
    f"/keys/{'0' * 64}",
    "/credits",
    "/credits/grants",
    "/generation",
    "/generation?id=gen-1-x",
)

junk = settings(
    max_examples=150,
    deadline=None,
    # The same requests every time: a failure here must not come and go.
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Surrogates included: JSON can escape them one by one.
text = st.text(st.characters(exclude_categories=()), max_size=12)
numbers = st.sampled_from(
    [0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -(10**30), 10**400, 1e308, -0.0, 1e-320]
)
floats = st.floats()
plain = st.none() | st.booleans() | st.integers() | numbers | floats | text
values = plain | st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=10
)
DEEP = "deep-0c5a"
depths = st.sampled_from([30, 99, 101, 1_000, 100_000])

COMPLETE: dict[str, Any] = {
    **chat(),
    "messages": [
        {"role": "system", "content": f"Be kind {MARK}"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": f"Look {MARK}", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain"},
        *user("And what is the weather tomorrow?"),
    ],
    "models": ["demo/chat:free"],
    "tools": [WEATHER],
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    "parallel_tool_calls": True,
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "answer",
            "strict": True,
            "schema": {"type": "object", "properties": {"a": {"type": "array", "minItems": 2}}},
        },
    },
    "max_tokens": 50,
    "max_completion_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "frequency_penalty": 0.1,
    "seed": 1,
    "stop": ["END"],
    "logit_bias": {"50256": -100},
    "logprobs": False,
    "stream": False,
    "stream_options": {"include_usage": True},
    "reasoning": {"effort": "low", "exclude": False},
    "provider": {
        "order": ["demo"],
        "allow_fallbacks": True,
        "sort": {"by": "price", "partition": "model"},
        "max_price": {"prompt": 1, "completion": "2"},
        "preferred_min_throughput": {"p50": 1},
        "options": {"demo": {}},
    },
    "usage": {"include": True},
    "user": f"user-{MARK}",
    "session_id": f"session-{MARK}",
    "metadata": {"a": "b"},
    "plugins": [],
    "transforms": [],
}
EMBEDDED: dict[str, Any] = {
    "model": "demo/embed",
    "input": [f"One {MARK}", f"Two {MARK}"],
    "dimensions": 8,
    "encoding_format": "base64",
    "input_type": "search_query",
    "provider": {"order": ["demo"], "options": {"demo": {}}},
    "user": f"user-{MARK}",
    "session_id": f"session-{MARK}",
}
PARTS = [{"content": [{"type": "text", "text": MARK}, {"type": "image_url", "image_url": {"url": "data:,"}}]}]
RANKED: dict[str, Any] = {
    "model": "demo/embed",
    "query": MARK,
    "documents": [f"One {MARK}", {"text": f"Two {MARK}", "image": "data:,"}],
    "top_n": 1,
}
KEY = {"name": MARK, "limit": 1.5, "limit_reset": "daily", "expires_at": "2036-01-01T00:00:00Z"}
GRANT = {"amount": 0.25, "idempotency_key": MARK, "account_id": "acct-junk"}


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be replaced."""
    members = content.items() if isinstance(content, dict) else enumerate(content)
    for key, member in members:
        yield (*path, key)
        if isinstance(member, (dict, list)):
            yield from places(member, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, body: dict[str, Any]) -> bytes:
    """The body with up to three members replaced, removed or added, as JSON that may not be valid any more."""
    changed = copy.deepcopy(body)
    for path in draw(st.lists(st.sampled_from(list(places(body))), min_size=1, max_size=3)):
        *way, last = path
        parent = changed
        try:
            for step in way:
                parent = parent[step]
            match draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "deep"])):
                case "replace":
                    parent[last] = draw(values)
                case "remove":
                    del parent[last]
                case "deep":
                    parent[last] = DEEP
                case "add" if isinstance(parent, dict):
                    parent[draw(text)] = draw(values)
                case "add":
                    parent.append(draw(values))
        except (AttributeError, LookupError, TypeError):
            continue  # An earlier change took that place away.
    depth = draw(depths)
    return json.dumps(changed).replace(f'"{DEEP}"', "[" * depth + "]" * depth).encode()


def message_error_of(response: httpx2.Response, status: int) -> None:
    """As Anthropic's clients read it, and only below its address."""
    assert response.headers["content-type"] == "application/json"
    assert re.match(r"(/api)?/v1/messages(/|$)", response.url.path)
    body = response.json()
    assert set(body) == {"type", "error", "request_id"}
    assert body["error"]["type"].endswith("_error")
    assert body["error"]["message"]
    assert body["error"]["error_type"]


def check(response: httpx2.Response) -> None:
    status = response.status_code
    if status >= 400:
        assert status < 500, response.text
        told = message_error_of if response.json().get("type") == "error" else error_of
        told(response, status)
    elif response.headers.get("content-type", "").startswith("text/event-stream"):
        for chunk in chunks_of(response.text):
            assert chunk.get("error", {}).get("code", 0) < 500, chunk
    elif response.content:
        assert response.json()


@pytest.fixture(scope="module")
def anonymous(run: Run) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=run.base_url, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def _is_well_afterwards(run: Run, http: httpx2.Client) -> Iterator[None]:
    yield
    assert run.is_healthy()
    assert http.post("/chat/completions", json=chat()).status_code == 200
    assert "Traceback" not in (run.state / "server.log").read_text()


@junk
@given(body=mutated(COMPLETE))
def test_chat_bodies(http: httpx2.Client, body: bytes) -> None:
    check(http.post("/chat/completions", content=body))


@junk
@given(body=mutated({**chat(), "stream": True, "max_tokens": 5}))
def test_streamed_chat_bodies(http: httpx2.Client, body: bytes) -> None:
    check(http.post("/chat/completions", content=body))


@junk
@given(
    tokens=st.integers() | numbers | floats | st.integers(8_000, 9_000),
    name=st.sampled_from(["max_tokens", "max_completion_tokens"]),
)
def test_absurd_maxima(http: httpx2.Client, tokens: float, name: str) -> None:
    check(http.post("/chat/completions", content=json.dumps(chat(**{name: tokens})).encode()))


@junk
@given(body=mutated(EMBEDDED) | mutated({**EMBEDDED, "input": [[1, 2], [3]]}) | mutated({**EMBEDDED, "input": PARTS}))
def test_embedding_bodies(http: httpx2.Client, body: bytes) -> None:
    check(http.post("/embeddings", content=body))


@junk
@given(body=mutated(RANKED))
def test_rerank_bodies(http: httpx2.Client, body: bytes) -> None:
    check(http.post("/rerank", content=body))


@junk
@given(body=mutated(KEY))
def test_key_bodies(management_http: httpx2.Client, body: bytes) -> None:
    created = management_http.post("/keys", content=body)
    check(created)
    if created.status_code == 201:
        address = f"/keys/{created.json()['data']['hash']}"
        check(management_http.get(address))
        check(management_http.patch(address, content=body))
        assert management_http.delete(address).status_code == 200


@junk
@given(body=mutated(GRANT))
def test_grant_bodies(management_http: httpx2.Client, body: bytes) -> None:
    check(management_http.post("/credits/grants", content=body))


@junk
@given(
    path=st.sampled_from(["/chat/completions", "/keys", "/credits/grants"]),
    body=st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()),
    content_type=st.sampled_from(
        ["application/json", "text/plain", "multipart/form-data", "application/json; charset=utf-16", "", "\xff"]
    ),
)
def test_bytes_and_content_types(
    management_http: httpx2.Client, http: httpx2.Client, path: str, body: bytes, content_type: str
) -> None:
    headers = {b"content-type": content_type.encode("latin-1")}
    for client in (http, management_http):
        response = client.post(path, content=body, headers=headers)
        check(response)
        assert response.status_code >= 400


header_names = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-_!#$%&'*+.^`|~"), min_size=1, max_size=20)
header_values = st.binary(max_size=60).map(lambda raw: bytes(byte for byte in raw if byte > 31 and byte != 127).strip())
KNOWN = [
    "http-referer",
    "x-title",
    "x-openrouter-title",
    "user-agent",
    "x-session-id",
    "accept",
    "accept-encoding",
    "cookie",
    "origin",
    "x-openrouter-metadata",
    "range",
    "x-forwarded-for",
]
FRAMING = {"content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer", "host"}
"""These belong to HTTP itself: the server below ours answers what is wrong with them."""


@junk
@given(
    path=st.sampled_from(PATHS),
    headers=st.dictionaries(st.sampled_from(KNOWN) | header_names, header_values, max_size=5),
)
def test_headers(http: httpx2.Client, path: str, headers: dict[str, bytes]) -> None:
    sent = {name.encode(): value for name, value in headers.items() if name not in FRAMING}
    method = "POST" if path == "/chat/completions" else "GET"
    body = json.dumps(chat(max_tokens=2)).encode() if method == "POST" else b""
    check(http.request(method, path, headers=sent, content=body))


@junk
@given(credential=header_values | header_values.map(lambda value: b"Bearer " + value), path=st.sampled_from(PATHS))
def test_credentials(anonymous: httpx2.Client, path: str, credential: bytes) -> None:
    method = "POST" if path == "/chat/completions" else "GET"
    # Spaces at its ends are not part of a header's value.
    response = anonymous.request(method, path, headers={b"authorization": credential.strip()})
    check(response)
    assert response.status_code in (200, 401, 405)


@junk
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"]),
    base=st.sampled_from(["", "/api", "/api/v1", "/v1", "/api/v1/", "//", "/api/v1/api/v1"]),
    path=st.sampled_from(PATHS)
    | st.lists(st.sampled_from([*PATHS[:9], "/", "/..", "/."]) | st.binary(max_size=9), max_size=4),
    query=st.binary(max_size=30),
)
def test_methods_paths_and_queries(
    run: Run, management_http: httpx2.Client, method: str, base: str, path: Any, query: bytes
) -> None:
    steps = [path] if isinstance(path, str) else path
    quoted = "".join(step if isinstance(step, str) else "".join(f"%{byte:02x}" for byte in step) for step in steps)
    separator = "&" if "?" in quoted else "?"
    target = f"{run.address}{base or '/'}{quoted}{separator}" + "".join(f"%{byte:02x}" for byte in query)
    response = management_http.request(method, target, content=b"")
    if method == "HEAD":
        assert response.status_code < 500
    else:
        check(response)


QUERIES = {
    "/models": [
        "q",
        "sort",
        "limit",
        "offset",
        "supported_parameters",
        "input_modalities",
        "output_modalities",
        "context",
        "min_price",
        "max_price",
        "model_authors",
        "providers",
        "zdr",
    ],
    "/keys": ["offset", "include_disabled", "include_expired", "workspace_id"],
    "/generation": ["id"],
}


@junk
@given(
    query=st.sampled_from([(path, name) for path, names in QUERIES.items() for name in names]),
    value=st.text(max_size=300) | numbers.map(str) | st.sampled_from(["٣", "1e5", "+1", "0x10", "true", "null", "NaN"]),
)
def test_query_parameters(management_http: httpx2.Client, query: tuple[str, str], value: str) -> None:
    path, name = query
    check(management_http.get(path, params={name: value}))


@junk
@given(name=st.text(min_size=1, max_size=70).filter(lambda name: name not in (".", "..")))
def test_names_in_paths(management_http: httpx2.Client, name: str) -> None:
    quoted = "".join(f"%{byte:02x}" for byte in name.encode())
    for path in (f"/keys/{quoted}", f"/models/demo/{quoted}/endpoints", f"/model/{quoted}/chat"):
        response = management_http.get(path)
        check(response)
        assert response.status_code in (200, 404)


@pytest.mark.parametrize(
    "schema", [{"properties": None}, {"properties": {"a": {"minLength": "x"}}}, {"properties": {"a": {"$ref": 5}}}]
)
def test_schema_that_is_none_is_the_clients_error(http: httpx2.Client, schema: Any) -> None:
    """The provider finds out, and its 400 is not taken for a failure of its own."""
    tools = [{"type": "function", "function": {"name": "tool", "parameters": schema}}]
    response = http.post("/chat/completions", json=chat(tools=tools, tool_choice="required"))

    assert "provider_name" in error_of(response, 400)["metadata"]


@pytest.mark.parametrize("depth", [101, 1_000, 1_000_000])
def test_deep_nesting(http: httpx2.Client, depth: int) -> None:
    body = b'{"model":"demo/chat","messages":' + b"[" * depth + b"]" * depth + b"}"

    error_of(http.post("/chat/completions", content=body), 400)


def test_body_above_the_limit_is_413(http: httpx2.Client) -> None:
    body = json.dumps(chat(text="x" * LARGEST)).encode()

    assert error_of(http.post("/chat/completions", content=body), 413)["metadata"]["error_type"] == "payload_too_large"


def test_endless_body_is_413(http: httpx2.Client) -> None:
    pieces = (b" " * 65536 for _ in range(LARGEST // 65536 + 1))

    error_of(http.post("/chat/completions", content=pieces), 413)


def test_body_within_the_limit_is_read(http: httpx2.Client) -> None:
    """It is far beyond the model's context, and refused for that."""
    body = json.dumps(chat(text="x" * (LARGEST - 10_000))).encode()

    error_of(http.post("/chat/completions", content=body), 400)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/chat/completions", {"POST"}),
        ("DELETE", "/chat/completions", {"POST"}),
        ("POST", "/models", {"GET", "HEAD"}),
        ("PUT", "/keys", {"GET", "HEAD", "POST"}),
        ("POST", "/credits", {"GET", "HEAD"}),
        ("GET", "/credits/grants", {"POST"}),
    ],
)
def test_wrong_method_is_405(http: httpx2.Client, method: str, path: str, allowed: set[str]) -> None:
    response = http.request(method, path)

    error_of(response, 405)
    assert set(response.headers["allow"].replace(" ", "").split(",")) == allowed


@pytest.mark.parametrize(
    ("path", "method"),
    [("/chat/completions", "POST"), ("/messages", "POST"), ("/models", "GET"), ("/keys", "POST"), ("/credits", "GET")],
)
def test_a_browser_may_call_every_function(anonymous: httpx2.Client, path: str, method: str) -> None:
    asked = {"origin": "https://app.test", "access-control-request-method": method}
    response = anonymous.options(path, headers={**asked, "access-control-request-headers": "authorization"})
    assert (response.status_code, response.content) == (204, b"")
    assert method in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == "authorization"
    refused = anonymous.request(method, path, headers={"origin": "https://app.test"})
    assert refused.headers["access-control-allow-origin"] == "*"


UNKNOWN = ("/nothing", "/moderations", "/chat", "/chat/completions/more", "/keys/", "/keys/a/b", "/")


@pytest.mark.parametrize("path", UNKNOWN)
def test_unknown_address_is_404(http: httpx2.Client, path: str) -> None:
    response = http.post(path, headers={"x-request-id": "mine"})
    assert "the API lives below /api/v1" in error_of(response, 404)["message"]
    # So that a page can read it, and whoever asked find it again.
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["x-request-id"] == response.headers["request-id"] == "mine"


@pytest.mark.parametrize("path", ["/key", "/keys", "/credits", "/generation?id=x"])
def test_no_key_is_401(anonymous: httpx2.Client, path: str) -> None:
    error_of(anonymous.get(path), 401)
