"""Search engines and a moderation endpoint on loopback, each with its own API, as strict as the real ones.

What they find and flag is in the prompt itself: `nothing` finds nothing, and `[flag:harassment]` is flagged for that.
"""

import base64
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs

from infra.local.serving import HOST, listen, port_of, serving

KEY = "key-of-the-plugin-server"

Mishap = int | Literal["junk", "cut", "large", "other"]
"""What befalls one request: an HTTP status, a body that is no JSON, an answer that breaks off, one that never ends, or
JSON that means something else."""

_FLAG = re.compile(r"\[flag:([\w/-]+)\]")
_DOMAINS = ("docs.example.com", "example.org", "news.test", "shop.example.com", "blog.test")
_CATEGORIES = ("harassment", "hate", "self-harm", "sexual", "violence", "illicit")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came, with the parameters that a GET has in its address."""

    service: str
    content: Mapping[str, Any]


@dataclass
class PluginServer:
    """An ASGI app. `mishaps` befall the next requests, one each."""

    url: str = ""
    mishaps: deque[Mishap] = field(default_factory=deque)
    requests: list[Asked] = field(default_factory=list)
    text_length: int = 200
    """Of what is said of a page."""

    def environ(self, *services: str) -> dict[str, str]:
        """Of a deployment that calls these services here."""
        found: dict[str, str] = {}
        for service in services:
            found |= {f"{service.upper()}_API_KEY": KEY, f"{service.upper()}_BASE_URL": f"{self.url}/{service}"}
        return found

    def forget(self) -> None:
        self.mishaps.clear()
        self.requests.clear()

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        asked = json.loads(body) if body else {k: v for k, (v,) in parse_qs(scope["query_string"].decode()).items()}
        service, _, path = scope["path"].lstrip("/").partition("/")
        self.requests.append(Asked(service, asked))
        mishap = self.mishaps.popleft() if self.mishaps else None
        status, content = self._answer(f"{scope['method']} {path}", service, asked, headers)
        payload = json.dumps(content).encode()
        if isinstance(mishap, int):
            status, payload = mishap, b'{"error": "something about ' + body + b'"}'
        elif mishap == "junk":
            payload = b"<html></html>"
        elif mishap == "other":
            payload = b'{"results": [{"title": 5}], "web": {"results": [5]}}'
        elif mishap == "large":
            payload = b'{"results": "' + b"x" * 5_000_000 + b'"}'
        length = len(payload) + (100 if mishap == "cut" else 0)
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": status, "headers": head})
        # uvicorn closes the connection when an app ends with more announced than sent.
        await send({"type": "http.response.body", "body": payload, "more_body": mishap == "cut"})

    def _answer(self, call: str, service: str, asked: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        known = _SERVICES.get(service)
        if known is None or known.call != call:
            return 404, {"error": "no such path"}
        if headers.get(known.header) != known.bearer + KEY:
            return 401, {"error": f"bad key {headers.get(known.header)}"}
        if unknown := asked.keys() - known.members:
            return 400, {"error": f"unknown {sorted(unknown)}"}
        return 200, getattr(self, f"_{service}")(asked)

    def _pages(self, query: str, count: int) -> list[tuple[str, str, str]]:
        """(address, title, what it says), the same for the same query."""
        if "nothing" in query:
            return []
        pages = [f"https://{_DOMAINS[n % len(_DOMAINS)]}/page/{n}" for n in range(count)]
        return [(url, f"Page {n}", f"Fact {n}. ".ljust(self.text_length, "x")) for n, url in enumerate(pages)]

    def _exa(self, asked: Mapping[str, Any]) -> Any:
        pages = self._pages(asked["query"], asked["numResults"])
        most = asked["contents"]["text"]["maxCharacters"]
        results = [{"id": url, "url": url, "title": title, "text": text[:most]} for url, title, text in pages]
        return {"requestId": "r", "results": results}

    def _tavily(self, asked: Mapping[str, Any]) -> Any:
        assert len(asked["query"]) <= 400
        pages = self._pages(asked["query"], asked["max_results"])
        results = [{"url": url, "title": title, "content": text, "score": 0.5} for url, title, text in pages]
        return {"query": asked["query"], "results": results, "answer": None}

    def _brave(self, asked: Mapping[str, Any]) -> Any:
        assert len(asked["q"]) <= 400
        assert len(asked["q"].split()) <= 50
        pages = self._pages(asked["q"], int(asked["count"]))
        results = [
            {"url": url, "title": title, "description": text, "extra_snippets": []} for url, title, text in pages
        ]
        # As the real one: without results there is no member for them.
        return {"type": "search", **({"web": {"results": results}} if results else {})}

    def _mistral(self, asked: Mapping[str, Any]) -> Any:
        document = asked["document"]
        assert document["type"] == "document_url"
        head, _, data = document["document_url"].partition(",")
        assert head == "data:application/pdf;base64"
        pages = base64.b64decode(data).count(b"/Type /Page ")
        found = [{"index": n, "markdown": f"# Page {n}\n\nRecognised", "images": []} for n in range(pages)]
        return {"pages": found, "model": asked["model"], "usage_info": {"pages_processed": pages}}

    def _moderation(self, asked: Mapping[str, Any]) -> Any:
        texts = asked["input"]
        assert 0 < len(texts) <= 32
        results = []
        for text in texts:
            flagged = _FLAG.findall(text)
            categories = {name: name in flagged for name in _CATEGORIES}
            results.append({"flagged": bool(flagged), "categories": categories, "category_scores": {}})
        return {"id": "modr-1", "model": asked["model"], "results": results}


@dataclass(frozen=True, slots=True)
class _Service:
    call: str
    header: str
    bearer: str
    members: frozenset[str]


_SERVICES = {
    "exa": _Service(
        "POST search",
        "x-api-key",
        "",
        frozenset({"query", "type", "numResults", "contents", "includeDomains", "excludeDomains"}),
    ),
    "tavily": _Service(
        "POST search",
        "authorization",
        "Bearer ",
        frozenset({"query", "search_depth", "max_results", "include_domains", "exclude_domains"}),
    ),
    "brave": _Service("GET web/search", "x-subscription-token", "", frozenset({"q", "count", "text_decorations"})),
    "mistral": _Service(
        "POST ocr", "authorization", "Bearer ", frozenset({"model", "document", "include_image_base64"})
    ),
    "moderation": _Service("POST moderations", "authorization", "Bearer ", frozenset({"model", "input"})),
}


@contextmanager
def serving_plugins() -> Iterator[PluginServer]:
    sock = listen()
    server = PluginServer(f"http://{HOST}:{port_of(sock)}")
    with serving(server, sock):
        yield server
