"""Tavily: https://docs.tavily.com/documentation/api-reference/endpoint/search"""

from collections.abc import Sequence
from typing import Any

from turnpike.domain.web_search import Query, SearchResult
from turnpike.providers.search.requests import SearchRequest, result_of

_LONGEST_QUERY = 400
"""Characters; longer ones are refused: https://docs.tavily.com/documentation/best-practices/best-practices-search"""


class Tavily:
    base_url = "https://api.tavily.com"

    def build_request(self, query: Query, *, base_url: str, api_key: str) -> SearchRequest:
        body: dict[str, Any] = {
            "query": query.text[:_LONGEST_QUERY],
            "search_depth": "basic",
            "max_results": query.max_results,
        }
        # Whole domains alone are meant here; paths are left to the check of what comes back.
        if query.include_domains:
            body["include_domains"] = [_domain_of(pattern) for pattern in query.include_domains]
        excluded = [pattern for pattern in query.exclude_domains if "/" not in pattern]
        if excluded:
            body["exclude_domains"] = excluded
        return SearchRequest(f"{base_url}/search", {"authorization": f"Bearer {api_key}"}, body)

    def parse_results(self, answer: Any) -> Sequence[SearchResult]:
        return [result_of(raw, raw.get("content")) for raw in answer["results"]]


def _domain_of(pattern: str) -> str:
    return pattern.partition("://")[2].partition("/")[0] if "://" in pattern else pattern.partition("/")[0]
