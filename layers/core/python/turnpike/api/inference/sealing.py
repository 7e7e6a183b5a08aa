"""What providers want back in the next turn, where a skin's answers have no members for it: sealed into one text.

Clients keep and return what they do not understand; they may read it, and what they change counts as not there.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson

_SEALED = "turnpike.1."
"""Providers' own signatures and encrypted texts are base64, which has no dots."""


def seal(content: Any) -> str:
    return _SEALED + urlsafe_b64encode(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).decode().rstrip("=")


def unseal(text: str) -> Any:
    """None for what we did not write, and for what was changed since."""
    if not text.startswith(_SEALED):
        return None
    body = text.removeprefix(_SEALED)
    try:
        return orjson.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:
        return None
