"""Gemini's embeddings, of Vertex AI, whose API for them is the one that all of its models had before.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings, Vector
from turnpike.domain.errors import UpstreamError
from turnpike.ports.wires import Reply
from turnpike.providers.google.adapter import GoogleAdapter
from turnpike.providers.google.quirks import quirks_of
from turnpike.providers.google.tasks import task_type_of
from turnpike.providers.request import ProviderRequest
from turnpike.providers.vectors import Json, count_of, one_by_one, read_embeddings, usage_of, vector_of


@dataclass(frozen=True, slots=True)
class VertexEmbeddings:
    """One text at a time: Gemini's models take no more."""

    provider: str

    def build_requests(self, request: EmbeddingRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        """Raises InvalidRequest for what is no text, and for more texts than can be asked for one by one."""
        texts, task = one_by_one(request.texts), task_type_of(request)
        name = endpoint.upstream_model.rpartition("models/")[2]
        more = {} if request.dimensions is None else {"parameters": {"outputDimensionality": request.dimensions}}
        kind = {} if task is None else {"task_type": task}
        return [
            ProviderRequest(
                url=f"{endpoint.base_url.rstrip('/')}/{self._chats.quirks.models_path}/{name}:predict",
                headers={**self._chats.credential(api_key), "content-type": "application/json"},
                body={"instances": [{"content": text, **kind}], **more},
            )
            for text in texts
        ]

    def parse_replies(self, replies: Sequence[Reply], request: EmbeddingRequest, endpoint: Endpoint) -> Embeddings:
        return read_embeddings(self.provider, replies, request, _read)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return self._chats.parse_error(status, headers, body)

    @property
    def _chats(self) -> GoogleAdapter:
        return GoogleAdapter(self.provider, quirks_of(self.provider))


def _read(body: Json, _: Reply) -> tuple[Sequence[Vector], Usage | None]:
    found = [each["embeddings"] for each in body["predictions"]]
    tokens = sum(count_of((each.get("statistics") or {}).get("token_count")) for each in found)
    return [vector_of(each["values"]) for each in found], usage_of(tokens)
