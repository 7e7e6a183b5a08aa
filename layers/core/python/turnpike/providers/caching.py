"""Marks up to which a prompt may be cached, in whichever provider's form the client set them.

OpenRouter takes Anthropic's `cache_control: {type: "ephemeral", ttl}` on parts, on tools and on the request, and
`prompt_cache_breakpoint: {mode: "explicit", ttl}` on parts (reference 2.1). Anthropic and Bedrock take four marks.
"""

import re
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


_TAKES_BREAKPOINTS = re.compile(r"gpt-(5\.([6-9]|\d\d)|[6-9]|\d\d)")

EXPLICIT = {"mode": "explicit"}
"""The value of OpenAI's own mark, `prompt_cache_breakpoint`."""


def takes_breakpoints(upstream_model: str) -> bool:
    """Whether OpenAI's API takes marks for this model, GPT-5.6 and later; earlier ones refuse them.

    https://developers.openai.com/api/docs/guides/prompt-caching#prompt-cache-breakpoints
    """
    return _TAKES_BREAKPOINTS.search(upstream_model) is not None
