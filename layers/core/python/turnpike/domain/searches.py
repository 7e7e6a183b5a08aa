"""Searches of the web that a provider makes by itself."""

import re

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest

OPTIONS = "web_search_options"
"""The parameter that asks for one, as OpenAI's chat completions have it."""

TOOL = "openrouter:web_search"
"""The type of OpenRouter's tool that asks for one."""

MOST = 5
"""Searches, or fetched pages, that a model may make where the client sets no limit. The provider is told, and they are
held for: without a limit a prompt could have it search on for what nobody can pay.
"""

TOKENS_PER_SEARCH = 10_000
"""What the results of one add to the prompt, about: a recorded search of Claude's added 13,600."""


def searches_with(request: ChatRequest, endpoint: Endpoint) -> bool:
    """Whether an endpoint is asked to search, and does."""
    return OPTIONS in request.parameters and OPTIONS in endpoint.supported_parameters


def limit_of(request: ChatRequest) -> int | None:
    """How many searches a client allows at most, in whichever words; which of them counts is for the wire format."""
    options, web = request.parameters.get(OPTIONS), request.plugins.web
    given = (
        web.max_uses if web else None,
        options.get("max_uses") if isinstance(options, dict) else None,
        request.parameters.get("max_tool_calls"),
    )
    return max((limit for limit in given if isinstance(limit, int) and limit > 0), default=None)


def expected_searches(limit: int | None, endpoint: Endpoint) -> int:
    """How many to hold for. Where the model does not decide it, it is one."""
    if endpoint.dialect is None:
        return 1
    return MOST if limit is None else limit


def plain_domain(pattern: str) -> str | None:
    """The domain that a pattern means together with its subdomains; None for one that means anything else."""
    domain = pattern.removeprefix("https://").removeprefix("http://").removeprefix("*.").rstrip("/")
    return domain if domain and not set(domain) & set("*/?#:") else None


def domain_and_path(pattern: str) -> str | None:
    """The same, or what is below a path of it, in which one `*` may stand; None for anything else."""
    domain = re.sub(r"^\w+://", "", pattern.strip()).removeprefix("*.").removesuffix("/*").rstrip("/")
    host, _, path = domain.partition("/")
    return domain if host and "*" not in host and path.count("*") <= 1 else None
