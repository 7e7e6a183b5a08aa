"""Rerank at Bedrock: an API of its own at another host, which takes no API keys; with one, InvokeModel.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-how.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import UpstreamError
from turnpike.domain.rerank import Ranking, RerankRequest
from turnpike.ports.wires import Reply
from turnpike.providers.bedrock.adapter import region_of
from turnpike.providers.bedrock.errors import parse_error_answer
from turnpike.providers.bedrock.invoke import invoke, signed
from turnpike.providers.ranking import read_ranking
from turnpike.providers.request import ProviderRequest

_PARTITIONS = (("us-gov-", "aws-us-gov"), ("cn-", "aws-cn"))


@dataclass(frozen=True, slots=True)
class BedrockRerank:
    provider: str

    def build_requests(self, request: RerankRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        """Raises InvalidRequest for images."""
        if api_key:
            return [invoke(endpoint, api_key, _invoked(request, endpoint))]
        # A host of its own in the same region; anything else, such as a private endpoint of both, stays as it is.
        base_url = endpoint.base_url.rstrip("/").replace("://bedrock-runtime", "://bedrock-agent-runtime", 1)
        return [signed(f"{base_url}/rerank", endpoint, "", _reranked(request, endpoint))]

    def parse_replies(self, replies: Sequence[Reply], request: RerankRequest, endpoint: Endpoint) -> Ranking:
        [reply] = replies
        # The one writes as AWS does, the other as Cohere.
        score = "relevanceScore" if b'"relevanceScore"' in reply.body else "relevance_score"
        return read_ranking(self.provider, reply.body, request, score=score, usage=_no_usage)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_error_answer(self.provider, status, headers, body)


def _invoked(request: RerankRequest, endpoint: Endpoint) -> dict[str, Any]:
    """Cohere's form, which Amazon's own model has too."""
    version = {"api_version": 2} if "cohere." in endpoint.upstream_model else {}
    return {"query": request.query, "documents": request.texts, "top_n": request.wanted, **version}


def _reranked(request: RerankRequest, endpoint: Endpoint) -> dict[str, Any]:
    region = region_of(endpoint.base_url)
    partition = next((name for start, name in _PARTITIONS if region.startswith(start)), "aws")
    model = {"modelArn": f"arn:{partition}:bedrock:{region}::foundation-model/{endpoint.upstream_model}"}
    configuration = {"modelConfiguration": model, "numberOfResults": request.wanted}
    return {
        "queries": [{"type": "TEXT", "textQuery": {"text": request.query}}],
        "sources": [
            {"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": text}}}
            for text in request.texts
        ],
        "rerankingConfiguration": {
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": configuration,
        },
    }


def _no_usage(_: Any) -> Usage | None:
    """Neither API counts what it is going to bill."""
    return None


def build_adapter(provider: str) -> BedrockRerank:
    return BedrockRerank(provider)
