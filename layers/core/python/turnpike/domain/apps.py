"""Which app a request comes from, by what its headers say of it."""

import hashlib
from urllib.parse import urlsplit

LONGEST_LABEL = 128
"""Bytes of UTF-8: what clients make up is part of items that are paid for by the kilobyte."""
_DIGEST = 8


def origin_of(referer: str | None) -> str | None:
    """`https://app.example:8080` of any address there; None of what is no address."""
    try:
        scheme, host, *_ = urlsplit(referer or "")
    except ValueError:  # Such as brackets that never close.
        return None
    return f"{scheme}://{host.rpartition('@')[2].lower()}" if scheme and host else None


def app_of(referer: str | None, title: str | None) -> str | None:
    """The origin of its address, which is what tells apps apart, or else its title; None where it says neither."""
    return label_of(origin_of(referer) or title or referer)


def label_of(text: str | None) -> str | None:
    """Free text, short enough to be kept. What is cut ends in a digest, so that two that differ still do."""
    text = (text or "").strip()
    whole = text.encode()
    if len(whole) <= LONGEST_LABEL:
        return text or None
    kept = whole[: LONGEST_LABEL - _DIGEST - 1].decode(errors="ignore")
    return f"{kept}~{hashlib.sha256(whole).hexdigest()[:_DIGEST]}"
