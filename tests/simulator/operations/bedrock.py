"""Bedrock's embeddings by InvokeModel, and its Rerank.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
"""

from tests.simulator.asked import Json, bearer, body_of, check_key, unknown_of, words
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.operations.cohere import read_inputs, vectors_of
from tests.simulator.operations.vectors import scores_of, tokens_of, vector_of
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import Target

_TITAN = words("dimensions embeddingTypes inputText normalize")
_RANK = words("api_version documents query top_n")
_WRONG_KEY = "The security token included in the request is invalid."
DIMENSIONS = 12


def invoke(request: Request, target: Target, key: str) -> Reply:
    """A model that embeds or ranks, by what its body is made of."""
    _check_credential(request, key)
    body = body_of(request)
    if "inputText" in body:
        _refuse_unknown(body, _TITAN)
        text = body["inputText"]
        vector = vector_of(text, body.get("dimensions", DIMENSIONS))
        answer: Json = {"embedding": vector, "inputTextTokenCount": tokens_of(text)}
        return json_reply({**answer, "embeddingsByType": {"float": vector}})
    if "query" in body:
        _refuse_unknown(body, _RANK)
        ranked = scores_of(body["query"], body["documents"])[: body["top_n"]]
        return json_reply({"results": [{"index": place, "relevance_score": score} for score, place in ranked]})
    texts = read_inputs(body)
    answer = {"id": "sim", "response_type": "embeddings_by_type", "embeddings": {"float": vectors_of(body, texts)}}
    return json_reply(answer, headers={"x-amzn-bedrock-input-token-count": str(sum(map(tokens_of, texts)))})


def rerank_as_bedrock(request: Request, target: Target, key: str) -> Reply:
    if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
        raise Trouble("auth", "Bedrock API keys cannot be used here.")
    body = body_of(request)
    [query] = body["queries"]
    configuration = body["rerankingConfiguration"]["bedrockRerankingConfiguration"]
    model = configuration["modelConfiguration"]["modelArn"]
    if not model.startswith("arn:aws:bedrock:us-east-1::foundation-model/"):
        raise Trouble("invalid", "The model ARN is invalid.")
    texts = [source["inlineDocumentSource"]["textDocument"]["text"] for source in body["sources"]]
    ranked = scores_of(query["textQuery"]["text"], texts)[: configuration["numberOfResults"]]
    return json_reply({"results": [{"index": place, "relevanceScore": score} for score, place in ranked]})


def _check_credential(request: Request, key: str) -> None:
    if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
        check_key(bearer(request), key, _WRONG_KEY)


def _refuse_unknown(body: Json, known: frozenset[str]) -> None:
    unknown = unknown_of(body, known)
    if unknown:
        raise Trouble("invalid", f"Malformed input request: extraneous key [{unknown}] is not permitted")
