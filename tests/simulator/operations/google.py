"""Gemini's embeddings. https://ai.google.dev/api/embeddings"""

from typing import Any

from tests.simulator.asked import body_of, unknown_of, words
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.operations.vectors import tokens_of, vector_of
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import Target

_KNOWN = words("content model outputDimensionality taskType title")
_TASKS = words(
    "RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY CLASSIFICATION CLUSTERING QUESTION_ANSWERING "
    "FACT_VERIFICATION CODE_RETRIEVAL_QUERY"
)
_MOST_REQUESTS = 100
DIMENSIONS = 10


def embed_as_google(request: Request, target: Target, key: str) -> Reply:
    if request.headers.get("x-goog-api-key") != key:
        raise Trouble("invalid", "API key not valid. Please pass a valid API key.")
    asked = body_of(request)["requests"]
    if not 0 < len(asked) <= _MOST_REQUESTS:
        raise Trouble("invalid", f"* BatchEmbedContentsRequest.requests: at most {_MOST_REQUESTS} requests")
    texts = [_read(each, str(target.model)) for each in asked]
    vectors = [
        {"values": vector_of(text, each.get("outputDimensionality", DIMENSIONS))}
        for each, text in zip(asked, texts, strict=True)
    ]
    return json_reply({"embeddings": vectors, "usageMetadata": {"promptTokenCount": sum(map(tokens_of, texts))}})


def _read(asked: dict[str, Any], model: str) -> str:
    unknown = unknown_of(asked, _KNOWN)
    if unknown:
        raise Trouble("invalid", f'Invalid JSON payload received. Unknown name "{unknown}": Cannot find field.')
    if asked["model"] != f"models/{model}":
        raise Trouble("invalid", "* EmbedContentRequest.model: not the model of the address")
    if asked.get("taskType", "CLUSTERING") not in _TASKS:
        raise Trouble("invalid", "Invalid value at 'requests[0].task_type'")
    parts = asked["content"]["parts"]
    return " ".join(part["text"] if "text" in part else part["inlineData"]["mimeType"] for part in parts)
