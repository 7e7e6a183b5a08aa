"""What Cohere's models are sent to embed and send back, at Cohere and at Bedrock alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.embeddings import EmbeddingRequest, Input, Vector
from turnpike.domain.errors import InvalidRequest
from turnpike.providers.vectors import Json, vector_of

MOST_AT_ONCE = 96
"""Texts: https://docs.cohere.com/v2/reference/embed"""

_INPUT_TYPES = ("search_document", "search_query", "classification", "clustering", "image")
_DEFAULT_TYPE = "search_document"
"""Cohere takes no request without one; what is asked of a vector is mostly that it can be found."""


def build_inputs(inputs: Sequence[Input], request: EmbeddingRequest) -> dict[str, Any]:
    """The members of a body besides the model. Raises InvalidRequest."""
    kind = request.input_type or _DEFAULT_TYPE
    if kind not in _INPUT_TYPES:
        raise InvalidRequest(f"this model's provider knows {', '.join(_INPUT_TYPES)}", field="input_type")
    given: dict[str, Any]
    if all(isinstance(each, str) for each in inputs):
        given = {"texts": list(inputs)}
    else:
        given = {"inputs": [{"content": _content_of(each)} for each in inputs]}
    # Always floats, which become what the client asked for.
    given |= {"input_type": kind, "embedding_types": ["float"]}
    return given if request.dimensions is None else {**given, "output_dimension": request.dimensions}


def read_vectors(body: Json) -> list[Vector]:
    """By type, as they are asked for; the older models at Bedrock send them alone."""
    found = body["embeddings"]
    return [vector_of(each) for each in (found["float"] if isinstance(found, Mapping) else found)]


def _content_of(given: Input) -> list[Json]:
    if isinstance(given, str):
        return [{"type": "text", "text": given}]
    return [_part_of(part) for part in given]


def _part_of(part: object) -> Json:
    if not isinstance(part, Mapping):
        raise InvalidRequest("this model's provider takes no tokens; send the text itself", field="input")
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    if part["type"] != "image_url" or not part["image_url"]["url"].startswith("data:"):
        raise InvalidRequest("this model's provider takes texts, and images as data URLs", field="input")
    return {"type": "image_url", "image_url": {"url": part["image_url"]["url"]}}
