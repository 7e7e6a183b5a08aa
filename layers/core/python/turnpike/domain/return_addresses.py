"""Where a payment page may lead its visitor back to: the operator's own sites, and nowhere else.

Otherwise a management key could make a page of the operator's at the payment provider that ends anywhere.
"""

import re
from urllib.parse import SplitResult, urlsplit

from turnpike.domain.errors import InvalidRequest

_PLAIN = re.compile(r"[!#-\[\]_a-z{}~]+", re.ASCII)
"""Printable, without what browsers read differently from each other and from us: spaces, quotes, backslashes, the
caret, the backtick and the bar. Braces stay: the provider fills in its session's id at a name in braces."""

_PORTS = {"https": 443, "http": 80}
_LOOPBACK = ("127.0.0.1", "localhost")

Origin = tuple[str, str, int]


def parse_origin(address: str) -> str:
    """`https://app.example.com`, without a path; plain HTTP only on this machine. Raises ValueError."""
    parts = _split(address)
    if parts is None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{address!r} is not an origin such as https://app.example.com")
    return address.rstrip("/")


class ReturnAddresses:
    def __init__(self, origins: list[str]) -> None:
        """As `parse_origin` gives them; the first one is where a page leads that was not told otherwise."""
        self._origins = origins
        self._allowed = {_origin_of(urlsplit(origin)) for origin in origins}

    def check(self, address: str | None, *, field: str, outcome: str) -> str:
        """The address, or the default one for this outcome. Raises InvalidRequest."""
        if address is None:
            if not self._origins:
                raise InvalidRequest(
                    "Field required, on a site that the operator allows (TURNPIKE_CHECKOUT_ORIGINS)", field=field
                )
            return f"{self._origins[0]}/?checkout={outcome}"
        parts = _split(address)
        if parts is None:
            raise InvalidRequest("must be an https address", field=field)
        if _origin_of(parts) not in self._allowed:
            raise InvalidRequest("is on no site that the operator allows (TURNPIKE_CHECKOUT_ORIGINS)", field=field)
        return address


def _split(address: str) -> SplitResult | None:
    """None for what is no plain web address, or one that everybody on the way can read."""
    if not _PLAIN.fullmatch(address):
        return None
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    # A name before the host, as in https://good.example@evil.example, is a way to look like somebody else.
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc or port == 0:
        return None
    return parts if parts.scheme == "https" or host in _LOOPBACK else None


def _origin_of(parts: SplitResult) -> Origin:
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]
