"""What an embedding is for, in Gemini's words. https://ai.google.dev/gemini-api/docs/embeddings"""

from collections.abc import Mapping

from turnpike.domain.embeddings import EmbeddingRequest
from turnpike.domain.errors import InvalidRequest

_MEANT: Mapping[str, str] = {
    "search_query": "RETRIEVAL_QUERY",
    "search_document": "RETRIEVAL_DOCUMENT",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}
"""By others' words for it."""
_KNOWN = frozenset(
    {*_MEANT.values(), "SEMANTIC_SIMILARITY", "CODE_RETRIEVAL_QUERY", "QUESTION_ANSWERING", "FACT_VERIFICATION"}
)


def task_type_of(request: EmbeddingRequest) -> str | None:
    """Raises InvalidRequest for one that Gemini does not know."""
    if request.input_type is None:
        return None
    kind = _MEANT.get(request.input_type, request.input_type.upper())
    if kind not in _KNOWN:
        known = ", ".join(sorted({*_MEANT, *(name.lower() for name in _KNOWN)}))
        raise InvalidRequest(f"this model's provider knows {known}", field="input_type")
    return kind
