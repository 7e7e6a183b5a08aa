"""Brave: https://api-dashboard.search.brave.com/api-reference/web/search/get"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from turnpike.domain.web_search import Query, SearchResult
from turnpike.providers.search.requests import SearchRequest, result_of

_LONGEST_QUERY, _MOST_WORDS = 400, 50
"""Operators included; longer ones are refused."""
_MOST_RESULTS = 20


class Brave:
    base_url = "https://api.search.brave.com/res/v1"

    def build_request(self, query: Query, *, base_url: str, api_key: str) -> SearchRequest:
        picky = bool(query.include_domains or query.exclude_domains)
        # It takes domains as operators of the query, for one each; the rest is left to the check of what comes back,
        # for which there has to be more to choose from.
        count = _MOST_RESULTS if picky else query.max_results
        asked = urlencode({"q": _query(query), "count": count, "text_decorations": "false"})
        return SearchRequest(f"{base_url}/web/search?{asked}", {"x-subscription-token": api_key})

    def parse_results(self, answer: Any) -> Sequence[SearchResult]:
        # Without any results there is no `web`.
        found = (answer.get("web") or {}).get("results") or []
        return [result_of(raw, raw.get("description"), *(raw.get("extra_snippets") or ())) for raw in found]


def _query(query: Query) -> str:
    """https://search.brave.com/help/operators"""
    operators = [f"-site:{pattern}" for pattern in query.exclude_domains if _is_plain(pattern)]
    if len(query.include_domains) == 1 and _is_plain(query.include_domains[0]):
        operators.insert(0, f"site:{query.include_domains[0]}")
    words = query.text.split()
    while operators and (len(" ".join(operators)) > _LONGEST_QUERY // 2 or len(operators) > _MOST_WORDS // 2):
        operators.pop()
    text = " ".join(words[: _MOST_WORDS - len(operators)])
    room = _LONGEST_QUERY - sum(len(operator) + 1 for operator in operators)
    return " ".join([text[:room].strip(), *operators])


def _is_plain(pattern: str) -> bool:
    return not any(each in pattern for each in "*/ ")
