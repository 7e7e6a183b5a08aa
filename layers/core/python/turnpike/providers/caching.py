"""Marks up to which a prompt may be cached, in whichever provider's form the client set them.

OpenRouter takes Anthropic's `cache_control: {type: "ephemeral", ttl}` on parts, on tools and on the request, and
`prompt_cache_breakpoint: {mode: "explicit", ttl}` on parts (reference 2.1). Anthropic and Bedrock take four marks.
"""

from collections.abc import Mapping
from typing import Any

MOST_MARKS = 4
"""https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching"""


def cache_ttl(part: Mapping[str, Any]) -> str | None:
    """ "5m" or "1h" where the part is marked; None where it is not. Longer times count as one hour."""
    mark = part.get("cache_control") or part.get("prompt_cache_breakpoint")
    if not isinstance(mark, Mapping):
        return None
    return "5m" if mark.get("ttl") in (None, "5m") else "1h"
