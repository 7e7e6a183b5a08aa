"""Cohere's embeddings and rerank. https://docs.cohere.com/v2/reference/embed, https://docs.cohere.com/v2/reference/rerank"""

from typing import Any

from tests.simulator.asked import bearer, body_of, check_key, unknown_of, words
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.operations.vectors import scores_of, text_of_parts, tokens_of, vector_of
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import Target

_EMBED = words("embedding_types images input_type inputs max_tokens model output_dimension priority texts truncate")
_RERANK = words("documents max_tokens_per_doc model priority query top_n")
_TYPES = words("classification clustering image search_document search_query")
_MOST_TEXTS = 96
DIMENSIONS = 6


def embed_as_cohere(request: Request, target: Target, key: str) -> Reply:
    check_key(bearer(request), key, "invalid api token")
    body = body_of(request)
    if not body.get("model"):
        raise Trouble("invalid", "invalid request: model is required")
    _refuse_unknown(body, _EMBED)
    texts = read_inputs(body)
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": sum(map(tokens_of, texts))}}
    return json_reply(
        {"id": "sim-embed", "embeddings": {"float": vectors_of(body, texts)}, "texts": texts, "meta": meta}
    )


def read_inputs(body: dict[str, Any]) -> list[str]:
    if body["input_type"] not in _TYPES or body["embedding_types"] != ["float"]:
        raise Trouble("invalid", "invalid request: input_type or embedding_types")
    if ("texts" in body) == ("inputs" in body):
        raise Trouble("invalid", "invalid request: exactly one of texts and inputs is required")
    texts = body.get("texts") or [text_of_parts(each["content"]) for each in body["inputs"]]
    if len(texts) > _MOST_TEXTS or not all(isinstance(text, str) for text in texts):
        raise Trouble("invalid", f"invalid request: at most {_MOST_TEXTS} texts")
    return texts


def vectors_of(body: dict[str, Any], texts: list[str]) -> list[list[float]]:
    return [vector_of(text, body.get("output_dimension", DIMENSIONS)) for text in texts]


def rerank_as_cohere(request: Request, target: Target, key: str) -> Reply:
    check_key(bearer(request), key, "invalid api token")
    body = body_of(request)
    if not body.get("model"):
        raise Trouble("invalid", "invalid request: model is required")
    _refuse_unknown(body, _RERANK)
    ranked = scores_of(body["query"], body["documents"])[: body["top_n"]]
    results = [{"index": index, "relevance_score": score} for score, index in ranked]
    units = -(-len(body["documents"]) // 100)
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": units}}
    return json_reply({"id": "sim-rerank", "results": results, "meta": meta})


def _refuse_unknown(body: dict[str, Any], known: frozenset[str]) -> None:
    unknown = unknown_of(body, known)
    if unknown:
        raise Trouble("invalid", f"invalid request: unknown field {unknown}")
