"""OpenAI's embeddings. https://platform.openai.com/docs/api-reference/embeddings/create"""

from typing import Any

from tests.simulator.asked import bearer, body_of, check_key, unknown_of, words
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.operations.vectors import base64_of, tokens_of, vector_of
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import Target

_KNOWN = words("dimensions encoding_format input model user")
_MOST_INPUTS = 2048
DIMENSIONS = 8


def embed_as_openai(request: Request, target: Target, key: str) -> Reply:
    check_key(bearer(request), key, "Incorrect API key provided: sim-****.")
    body = body_of(request)
    unknown = unknown_of(body, _KNOWN)
    if unknown:
        raise Trouble("invalid", f"Unknown parameter: '{unknown}'.", param=unknown)
    return json_reply(answer_of(body))


def answer_of(body: dict[str, Any]) -> dict[str, Any]:
    inputs = _inputs_of(body["input"])
    dimensions = body.get("dimensions", DIMENSIONS)
    vectors = [vector_of(text, dimensions) for text in inputs]
    tokens = sum(map(tokens_of, inputs))
    encoded: list[Any] = [base64_of(each) for each in vectors] if body.get("encoding_format") == "base64" else vectors
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(encoded)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _inputs_of(given: Any) -> list[str]:
    many = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    if not 0 < len(many) <= _MOST_INPUTS or not all(many):
        raise Trouble("invalid", "'$.input' is invalid. Please check the API reference.", param="input")
    # Tokens stand for a text of as many characters.
    return [each if isinstance(each, str) else "".join(chr(token) for token in each) for each in many]
