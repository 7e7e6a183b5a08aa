"""Gemini's embeddings, of the Gemini API. https://ai.google.dev/api/embeddings"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings, Input, Vector
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.operation import parts_of
from turnpike.ports.wires import Reply
from turnpike.providers.google.adapter import GoogleAdapter
from turnpike.providers.google.predictions import VertexEmbeddings
from turnpike.providers.google.quirks import quirks_of
from turnpike.providers.google.tasks import task_type_of
from turnpike.providers.media import parse_embedded
from turnpike.providers.request import ProviderRequest
from turnpike.providers.vectors import Json, count_of, read_embeddings, usage_of, vector_of

_MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class GoogleEmbeddings:
    provider: str

    def build_requests(self, request: EmbeddingRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        """Raises InvalidRequest for tokens, for an `input_type` that Gemini does not know, and for odd parts."""
        model = f"models/{endpoint.upstream_model.rpartition('models/')[2]}"
        more = _more_of(request)
        return [
            ProviderRequest(
                url=f"{endpoint.base_url.rstrip('/')}/{model}:batchEmbedContents",
                headers={**self._chats.credential(api_key), "content-type": "application/json"},
                body={"requests": [{"model": model, "content": {"parts": _parts_of(each)}, **more} for each in some]},
            )
            for some in parts_of(request.inputs, _MOST_AT_ONCE)
        ]

    def parse_replies(self, replies: Sequence[Reply], request: EmbeddingRequest, endpoint: Endpoint) -> Embeddings:
        return read_embeddings(self.provider, replies, request, _read)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return self._chats.parse_error(status, headers, body)

    @property
    def _chats(self) -> GoogleAdapter:
        return GoogleAdapter(self.provider, quirks_of(self.provider))


def _more_of(request: EmbeddingRequest) -> dict[str, Any]:
    task = task_type_of(request)
    more: dict[str, Any] = {} if task is None else {"taskType": task}
    return more if request.dimensions is None else {**more, "outputDimensionality": request.dimensions}


def _parts_of(given: Input) -> list[Json]:
    if isinstance(given, str):
        return [{"text": given}]
    return [_part_of(part) for part in given]


def _part_of(part: object) -> Json:
    if not isinstance(part, Mapping):
        raise InvalidRequest("this model's provider takes no tokens; send the text itself", field="input")
    if part["type"] == "text":
        return {"text": part["text"]}
    media_type, data = parse_embedded(part)
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _read(body: Json, _: Reply) -> tuple[Sequence[Vector], Usage | None]:
    vectors = [vector_of(each["values"]) for each in body["embeddings"]]
    counted = body.get("usageMetadata") or {}
    details = counted.get("promptTokenDetails") or counted.get("promptTokensDetails") or ()
    images = sum(count_of(each.get("tokenCount")) for each in details if each.get("modality") == "IMAGE")
    total = count_of(counted.get("promptTokenCount"))
    return vectors, usage_of(max(total - images, 0), image_tokens=min(images, total))


def build_adapter(provider: str) -> GoogleEmbeddings | VertexEmbeddings:
    """Vertex AI is who takes access tokens."""
    return VertexEmbeddings(provider) if quirks_of(provider).tokens else GoogleEmbeddings(provider)
