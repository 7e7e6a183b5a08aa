"""OpenAI's embeddings, and those of who copied them. https://platform.openai.com/docs/api-reference/embeddings/create"""

from collections.abc import Mapping
from typing import Any

from tests.simulator.asked import bearer, body_of, check_key, unknown_of, words
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.operations.vectors import base64_of, tokens_of, vector_of
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import Target

_OPENAI = words("dimensions encoding_format input model user")
_MISTRAL = words("encoding_format input metadata model output_dimension output_dtype")
_MOST_INPUTS = 2048
DIMENSIONS = 8


def embed_as_openai(request: Request, target: Target, key: str) -> Reply:
    check_key(bearer(request), key, "Incorrect API key provided: sim-****.")
    return _answer(body_of(request), _OPENAI, "dimensions")


def embed_as_azure(request: Request, target: Target, key: str) -> Reply:
    check_key(request.headers.get("api-key") or bearer(request), key, "Access denied due to invalid subscription key.")
    return _answer({"model": target.model, **body_of(request)}, _OPENAI, "dimensions")


def embed_as_mistral(request: Request, target: Target, key: str) -> Reply:
    check_key(bearer(request), key, "Unauthorized")
    return _answer(body_of(request), _MISTRAL, "output_dimension")


def _answer(body: Mapping[str, Any], known: frozenset[str], dimension: str) -> Reply:
    unknown = unknown_of(body, known)
    if unknown:
        raise Trouble("invalid", f"Unknown parameter: '{unknown}'.", param=unknown)
    inputs = _inputs_of(body["input"])
    vectors = [vector_of(text, body.get(dimension, DIMENSIONS)) for text in inputs]
    tokens = sum(map(tokens_of, inputs))
    encoded: list[Any] = [base64_of(each) for each in vectors] if body.get("encoding_format") == "base64" else vectors
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(encoded)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_reply({"object": "list", "data": data, "model": body["model"], "usage": usage})


def _inputs_of(given: Any) -> list[str]:
    many = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    if not 0 < len(many) <= _MOST_INPUTS or not all(many):
        raise Trouble("invalid", "'$.input' is invalid. Please check the API reference.", param="input")
    # Tokens stand for a text of as many characters.
    return [each if isinstance(each, str) else "".join(chr(token) for token in each) for each in many]
