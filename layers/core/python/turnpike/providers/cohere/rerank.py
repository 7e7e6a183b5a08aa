"""Cohere's rerank. https://docs.cohere.com/v2/reference/rerank"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import UpstreamError
from turnpike.domain.rerank import Ranking, RerankRequest
from turnpike.ports.wires import Reply
from turnpike.providers.cohere.adapter import CohereAdapter
from turnpike.providers.ranking import read_ranking
from turnpike.providers.request import ProviderRequest
from turnpike.providers.vectors import count_of


@dataclass(frozen=True, slots=True)
class CohereRerank:
    provider: str

    def build_requests(self, request: RerankRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        """Raises InvalidRequest for images."""
        return [
            ProviderRequest(
                url=f"{endpoint.base_url.rstrip('/')}/rerank",
                headers={"authorization": f"Bearer {api_key}", "content-type": "application/json"},
                body={
                    "model": endpoint.upstream_model,
                    "query": request.query,
                    "documents": request.texts,
                    "top_n": request.wanted,
                },
            )
        ]

    def parse_replies(self, replies: Sequence[Reply], request: RerankRequest, endpoint: Endpoint) -> Ranking:
        [reply] = replies
        return read_ranking(self.provider, reply.body, request, score="relevance_score", usage=_usage_of)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return CohereAdapter(self.provider).parse_error(status, headers, body)


def _usage_of(answer: Any) -> Usage | None:
    units = count_of(((answer.get("meta") or {}).get("billed_units") or {}).get("search_units"))
    return Usage(search_units=units) if units else None


def build_adapter(provider: str) -> CohereRerank:
    return CohereRerank(provider)
