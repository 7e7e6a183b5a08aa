"""From the body of `POST /rerank` to the canonical request, and back."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from turnpike.api.edge import json_response
from turnpike.api.inference.cost import present_cost
from turnpike.api.inference.operation import OperationSkin, common_members
from turnpike.api.rerank.schema import RerankBody
from turnpike.api.validation import parse
from turnpike.domain.rerank import Document, Ranking, RerankRequest
from turnpike.services.operation_call import OperationCall


def parse_rerank_request(content: Mapping[str, Any], headers: Headers) -> RerankRequest:
    """Raises InvalidRequest naming the field."""
    body = parse(RerankBody, content)
    return RerankRequest(
        **common_members(body, headers),
        query=body.query,
        documents=[
            each if isinstance(each, str) else each.model_dump(exclude_none=True, include={"text", "image"})
            for each in body.documents
        ],
        top_n=body.top_n,
    )


def present_ranking(call: OperationCall[Ranking], request: RerankRequest, result: Ranking) -> Response:
    return json_response(
        {
            "id": call.id,
            "model": call.endpoint.model_id,
            "provider": call.provider.name,
            "results": [
                {
                    "index": each.index,
                    "relevance_score": each.score,
                    "document": _present_document(request.documents[each.index]),
                }
                for each in result.results
            ],
            "usage": {**_present_counts(call), **present_cost(call)},
        }
    )


def _present_document(document: Document) -> Mapping[str, str]:
    return {"text": document} if isinstance(document, str) else document


def _present_counts(call: OperationCall[Ranking]) -> dict[str, int]:
    """What the provider charges by: search units, or tokens."""
    usage = call.usage
    counts = {"search_units": usage.search_units, "total_tokens": usage.prompt_tokens}
    return {name: count for name, count in counts.items() if count}


RERANK = OperationSkin(parse_rerank_request, present_ranking)
