"""Headers that every response has: for browsers, which may call from anywhere, and for finding a request again."""

import re
import secrets

from starlette.datastructures import Headers
from starlette.types import Message, Scope

REQUEST_ID = b"x-request-id"
"""Of OpenAI's clients; Anthropic's read `request-id`."""

_ANTHROPICS = b"request-id"
_GENERATION_ID = b"x-generation-id"
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_SANE_NAMES = re.compile(r"[A-Za-z0-9_-]+(\s*,\s*[A-Za-z0-9_-]+)*")
_LONGEST_NAMES = 2048

_FOR_ANYONE = (
    # A key is said in a header and never in a cookie, so that no page can use one that it was not given.
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"*"),
)
_PREFLIGHT_S = 7200
"""How long a browser remembers; Chrome takes no more."""


def finish_headers(scope: Scope, message: Message) -> None:
    """Add them to the start of a response. The client's own `x-request-id` is echoed; without one, a generation's id is
    that of its request too.
    """
    headers: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
    known = dict(headers)
    generation_id = known.get(_GENERATION_ID)
    request_id = _given_id(scope) or generation_id or f"req-{secrets.token_hex(12)}".encode()
    if REQUEST_ID not in known:
        headers.append((REQUEST_ID, request_id))
    if _ANTHROPICS not in known:
        headers.append((_ANTHROPICS, generation_id or request_id))
    message["headers"] = [*headers, *_FOR_ANYONE]


def preflight_headers(allow: str, asked: Headers) -> dict[str, str]:
    """Of the answer to `OPTIONS`. The headers that a page would send are allowed by name: `*` leaves out the key's."""
    methods = ", ".join(sorted({*allow.split(", "), "OPTIONS"}))
    headers = {"allow": methods, "access-control-allow-methods": methods}
    names = asked.get("access-control-request-headers", "").strip()
    if len(names) <= _LONGEST_NAMES and _SANE_NAMES.fullmatch(names):
        headers["access-control-allow-headers"] = names
        headers["access-control-max-age"] = str(_PREFLIGHT_S)
        headers["vary"] = "access-control-request-headers"
    return headers


def _given_id(scope: Scope) -> bytes | None:
    given: bytes | None = next((value for name, value in scope["headers"] if name == REQUEST_ID), None)
    return given if given is not None and _SANE_ID.fullmatch(given) else None
