"""Rerank: documents in the order of what they have to do with a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.estimate import estimate_tokens
from turnpike.domain.operation import Operation, OperationRequest

Document = str | Mapping[str, str]
"""A text, or `text` and `image` (an address or a data URL), of which one may be missing."""

_DOCUMENTS_PER_UNIT = 100
_CHUNK_TOKENS = 500
"""A search unit is a query with up to 100 documents; a document that is longer than 500 tokens, with the query, counts
as several: https://docs.cohere.com/docs/how-does-cohere-pricing-work (512 at https://aws.amazon.com/bedrock/pricing/)."""
_LEAST_CHUNK_TOKENS = 50
_TOKENS_PER_IMAGE = 2_000


@dataclass(frozen=True, slots=True)
class Ranked:
    """`index` is the document's place in the request."""

    index: int
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best first."""

    results: Sequence[Ranked]
    usage: Usage | None
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest(OperationRequest[Ranking]):
    operation: ClassVar[Operation] = "rerank"
    media_field: ClassVar[str] = "documents"
    query: str
    documents: Sequence[Document]
    top_n: int | None = None

    @property
    def wanted(self) -> int:
        """How many results are to be told."""
        return min(self.top_n or len(self.documents), len(self.documents))

    @property
    def texts(self) -> Sequence[str]:
        """Raises InvalidRequest where a document is none: for wire formats that take nothing else."""
        found = []
        for place, document in enumerate(self.documents):
            if not isinstance(document, str) and "image" in document:
                raise InvalidRequest("this model's provider takes texts alone", field=f"documents.{place}.image")
            found.append(document if isinstance(document, str) else document["text"])
        return found

    @property
    def input_kinds(self) -> frozenset[str]:
        return frozenset(("image",)) if self._images else frozenset()

    @property
    def longest_input_tokens(self) -> int:
        return estimate_tokens(self.query) + max(map(_estimate, self.documents))

    @property
    def input_media(self) -> tuple[int, int]:
        return self._images, 0

    def most_used(self, endpoint: Endpoint) -> Usage:
        query = estimate_tokens(self.query)
        lengths = [_estimate(document) for document in self.documents]
        room = max(_CHUNK_TOKENS - query, _LEAST_CHUNK_TOKENS)
        chunks = sum(-(-length // room) for length in lengths)
        return Usage(prompt_tokens=sum(lengths) + query * len(lengths), search_units=-(-chunks // _DOCUMENTS_PER_UNIT))

    @property
    def _images(self) -> int:
        return sum("image" in document for document in self.documents if not isinstance(document, str))


def _estimate(document: Document) -> int:
    if isinstance(document, str):
        return estimate_tokens(document)
    images = _TOKENS_PER_IMAGE if "image" in document else 0
    return images + estimate_tokens(document.get("text", ""))
