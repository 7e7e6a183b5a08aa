"""Exa: https://exa.ai/docs/reference/search"""

from collections.abc import Sequence
from typing import Any

from turnpike.domain.web_search import LONGEST_TEXT, Query, SearchResult
from turnpike.providers.search.requests import SearchRequest, result_of


class Exa:
    base_url = "https://api.exa.ai"

    def build_request(self, query: Query, *, base_url: str, api_key: str) -> SearchRequest:
        body: dict[str, Any] = {
            "query": query.text,
            "type": "auto",
            "numResults": query.max_results,
            "contents": {"text": {"maxCharacters": LONGEST_TEXT}},
        }
        if query.include_domains:
            body["includeDomains"] = list(query.include_domains)
        if query.exclude_domains:
            body["excludeDomains"] = list(query.exclude_domains)
        return SearchRequest(f"{base_url}/search", {"x-api-key": api_key}, body)

    def parse_results(self, answer: Any) -> Sequence[SearchResult]:
        return [result_of(raw, raw.get("text")) for raw in answer["results"]]
