"""From the body of `POST /embeddings` to the canonical request, and back."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from turnpike.api.edge import json_response
from turnpike.api.embeddings.schema import EmbeddingsBody
from turnpike.api.inference.cost import present_cost
from turnpike.api.inference.operation import OperationSkin, common_members
from turnpike.api.validation import parse
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings, Input
from turnpike.services.operation_call import OperationCall

_PARAMETERS = ("dimensions", "input_type")


def parse_embeddings_request(content: Mapping[str, Any], headers: Headers) -> EmbeddingRequest:
    """Raises InvalidRequest naming the field."""
    body = parse(EmbeddingsBody, content)
    return EmbeddingRequest(
        **common_members(body, headers),
        inputs=_inputs(content["input"]),
        encoding=body.encoding_format or "float",
        parameters={name: content[name] for name in _PARAMETERS if content.get(name) is not None},
    )


def _inputs(given: Any) -> list[Input]:
    """Of a validated `input`: a text or a list of tokens is one, any other list has several."""
    if isinstance(given, str) or isinstance(given[0], int):
        return [given]
    return [each["content"] if isinstance(each, dict) else each for each in given]


def present_embeddings(call: OperationCall[Embeddings], request: EmbeddingRequest, result: Embeddings) -> Response:
    usage = call.usage
    return json_response(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in enumerate(result.vectors)
            ],
            "model": call.endpoint.model_id,
            "id": call.id,
            "provider": call.provider.name,
            "usage": {
                "prompt_tokens": usage.prompt_tokens,
                "total_tokens": usage.prompt_tokens,
                **_present_details(call),
                **present_cost(call),
            },
        }
    )


def _present_details(call: OperationCall[Embeddings]) -> dict[str, Any]:
    """Only where there is more than text."""
    usage = call.usage
    others = {"image_tokens": usage.prompt_image_tokens, "audio_tokens": usage.prompt_audio_tokens}
    if not any(others.values()):
        return {}
    counts = {"text_tokens": usage.prompt_tokens - sum(others.values()), **others}
    return {"prompt_tokens_details": {name: count for name, count in counts.items() if count > 0}}


EMBEDDINGS = OperationSkin(parse_embeddings_request, present_embeddings)
