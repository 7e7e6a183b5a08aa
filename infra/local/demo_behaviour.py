"""How the demo provider is told to behave: by the query part of the upstream model's id."""

from dataclasses import dataclass, fields
from functools import lru_cache
from urllib.parse import parse_qsl

MODEL = "chat"
"""The one that talks; `chat?ttft_ms=200&chunks=40` is the same with a behaviour."""
EMBEDDING = "embed"
"""The one that makes vectors; of the behaviours it has `ttft_ms` and `status`."""
IMAGE = "draw"
"""The one that draws; of the behaviours it has `ttft_ms` and `status`, and `chunk_ms` before each event of a stream."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Every field is an option of the same name, with an integer for a value but for `finish`."""

    ttft_ms: int = 0
    """Wait before anything is answered, errors included."""
    chunk_ms: int = 0
    """Pause between chunks; an answer in one piece takes as long as all of them."""
    chunks: int = -1
    """Number of words in a text; negative for as many as it has."""
    together: int = 0
    """The whole stream in one write."""
    reasoning: int = 0
    """`reasoning_content` before the content."""
    no_usage: int = 0
    empty: int = 0
    """No content, no tokens, and no finish reason unless `finish` gives one."""
    finish: str = ""
    """The finish reason, instead of the true one."""
    status: int = 200
    """Fail with this HTTP status."""
    retry_after: int = -1
    """Seconds, in the header of a failure; negative for no header."""
    flaky: int = 0
    """Every n-th request fails with 503."""
    cut_after: int = -1
    """Close the connection after so many chunks; half-way through an answer in one piece."""
    error_after: int = -1
    """An error in the stream after so many chunks, and its end; status 500 for an answer in one piece."""
    junk: int = 0
    """Status 200, and a body that is not JSON."""
    hang: int = 0
    """Never answer."""


_KINDS = {field.name: field.type for field in fields(Behaviour)}


@lru_cache(maxsize=256)
def parse_behaviour(model: str) -> Behaviour | None:
    """None for a model or an option that does not exist."""
    name, _, query = model.partition("?")
    options: dict[str, int | str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        try:
            options[key] = value if _KINDS[key] is str else int(value)
        except (KeyError, ValueError):
            return None
    return Behaviour(**options) if name == MODEL else None  # type: ignore[arg-type]  # checked by _KINDS
