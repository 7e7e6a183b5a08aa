"""Embeddings and rerank of each wire format: what the simulator does not see, and how odd answers are read."""

from typing import Any

import orjson
import pytest

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.embeddings import EmbeddingRequest
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.domain.rerank import RerankRequest
from turnpike.ports.wires import OperationAdapter, Reply
from turnpike.providers.registry import FETCHED, OPERATIONS, WIRES, fetching_for, operation_adapter_for

PIXEL = "data:image/png;base64,AAAA"


def endpoint(model: str, base_url: str = "https://api.test/v1") -> Endpoint:
    return Endpoint("acme/model", "acme", model, base_url, Pricing(), 8192)


def adapter(operation: str, wire: str) -> OperationAdapter:
    return operation_adapter_for(operation, Provider("acme", "Acme", wire, "https://api.test"))


def embed(*inputs: Any, **changes: Any) -> EmbeddingRequest:
    return EmbeddingRequest(models=("acme/model",), inputs=inputs or ("Hello",), **changes)


def rank(*documents: Any, **changes: Any) -> RerankRequest:
    return RerankRequest(models=("acme/model",), query="q", documents=documents or ("a", "b"), **changes)


def reply(content: Any, **headers: str) -> Reply:
    return Reply(headers, content if isinstance(content, bytes) else orjson.dumps(content))


@pytest.mark.parametrize(("operation", "wire"), OPERATIONS)
def test_what_is_registered_is_there(operation: str, wire: str) -> None:
    assert wire in WIRES
    assert adapter(operation, wire).parse_error(429, {}, b"{}").error_type == "rate_limit_exceeded"


def test_what_may_have_addresses_in_it_has_somebody_who_gets_them() -> None:
    operations = {operation for operation, _ in OPERATIONS}
    assert {each for each in operations if fetching_for(each)} == set(FETCHED) == {"image", "transcription"}


@pytest.mark.parametrize("wire", [wire for operation, wire in OPERATIONS if operation == "transcription"])
def test_who_transcribes_says_what_it_gets_itself(wire: str) -> None:
    found: Any = adapter("transcription", wire)
    assert found.fetches("input_audio", "https://example.com/a.mp3") is False


@pytest.mark.parametrize(("operation", "wire"), [each for each in OPERATIONS if each[0] in ("embeddings", "rerank")])
@pytest.mark.parametrize("content", [b"<html>", [], {}, {"data": []}, {"embeddings": None}, {"results": [{}]}])
def test_what_is_no_answer_is_tried_elsewhere(operation: str, wire: str, content: Any) -> None:
    asked = embed() if operation == "embeddings" else rank()
    with pytest.raises(UpstreamError) as caught:
        adapter(operation, wire).parse_replies([reply(content)], asked, endpoint("cohere.embed"))
    assert caught.value.retryable


def test_azure_has_deployments_and_a_header_for_its_key() -> None:
    at = endpoint("text-embedding-3-small", "https://example.openai.azure.com")
    [built] = adapter("embeddings", "azure").build_requests(embed(), at, "key")
    path = "/openai/deployments/text-embedding-3-small/embeddings?api-version=2024-10-21"
    assert built.url == f"https://example.openai.azure.com{path}"
    assert built.headers["api-key"] == "key"
    assert "authorization" not in built.headers


@pytest.mark.parametrize("model", ["gemini-embedding-001", "models/gemini-embedding-001"])
def test_gemini_is_named_in_each_of_its_requests(model: str) -> None:
    [built] = adapter("embeddings", "google").build_requests(embed("a", "b"), endpoint(model), "AIzaKey")
    assert built.url == "https://api.test/v1/models/gemini-embedding-001:batchEmbedContents"
    assert built.headers["x-goog-api-key"] == "AIzaKey"
    assert [each["model"] for each in built.body["requests"]] == ["models/gemini-embedding-001"] * 2


def test_vertex_is_asked_for_one_prediction_at_a_time() -> None:
    at = endpoint("gemini-embedding-001", "https://aiplatform.googleapis.com/v1/projects/p/locations/global")
    vertex = operation_adapter_for("embeddings", Provider("google-vertex", "Google", "google", ""))
    asked = embed("a", "b", parameters={"dimensions": 8, "input_type": "search_query"})
    first, second = vertex.build_requests(asked, at, "ya29.token")
    assert first.url == f"{at.base_url}/publishers/google/models/gemini-embedding-001:predict"
    assert first.headers["authorization"] == "Bearer ya29.token"
    assert first.body == {
        "instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"}],
        "parameters": {"outputDimensionality": 8},
    }
    assert second.body["instances"][0]["content"] == "b"
    told = [{"values": [value], "statistics": {"truncated": False, "token_count": 3}} for value in (0.5, 1.0)]
    found = vertex.parse_replies([reply({"predictions": [{"embeddings": each}]}) for each in told], asked, at)
    assert (found.vectors, found.usage.prompt_tokens) == ([[0.5], [1.0]], 6)
    with pytest.raises(InvalidRequest, match="one text at a time; send at most 96"):
        vertex.build_requests(embed(*["a"] * 97), at, "ya29.token")


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "image_url", "image_url": {"url": PIXEL}}, ("image/png", "AAAA")),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}, ("audio/mpeg", "AAAA")),
        ({"type": "input_video", "input_video": {"data": "data:video/mp4;base64,AAAA"}}, ("video/mp4", "AAAA")),
        ({"type": "input_file", "input_file": {"data": "AAAA", "format": "pdf"}}, ("application/pdf", "AAAA")),
    ],
)
def test_gemini_reads_whatever_says_what_it_is(part: Any, sent: tuple[str, str]) -> None:
    [built] = adapter("embeddings", "google").build_requests(embed([part]), endpoint("gemini-embedding-2"), "key")
    [given] = built.body["requests"][0]["content"]["parts"]
    assert (given["inlineData"]["mimeType"], given["inlineData"]["data"]) == sent


def test_what_does_not_say_what_it_is_is_refused() -> None:
    part = {"type": "input_file", "input_file": {"data": "AAAA"}}
    with pytest.raises(InvalidRequest, match="say what it is"):
        adapter("embeddings", "google").build_requests(embed([part]), endpoint("gemini-embedding-2"), "key")


def test_gemini_may_count_images_apart() -> None:
    details = [{"modality": "TEXT", "tokenCount": 4}, {"modality": "IMAGE", "tokenCount": 258}]
    body = {
        "embeddings": [{"values": [1.0]}],
        "usageMetadata": {"promptTokenCount": 262, "promptTokenDetails": details},
    }
    found = adapter("embeddings", "google").parse_replies([reply(body)], embed(), endpoint("gemini-embedding-2")).usage
    assert (found.prompt_tokens, found.prompt_image_tokens) == (262, 258)


def test_what_one_of_several_replies_does_not_count_nobody_counted() -> None:
    counted = {"embedding": [1.0], "inputTextTokenCount": 3}
    titan = endpoint("amazon.titan-embed-text-v2:0")
    read = adapter("embeddings", "bedrock").parse_replies
    assert read([reply(counted), reply(counted)], embed("a", "b"), titan).usage.prompt_tokens == 6
    assert read([reply(counted), reply({"embedding": [1.0]})], embed("a", "b"), titan).usage is None


@pytest.mark.parametrize("told", ["", "x", "12", "9" * 30])
def test_bedrock_counts_in_a_header_too(told: str) -> None:
    answer = reply({"embeddings": [[1.0]]}, **{"x-amzn-bedrock-input-token-count": told})
    found = adapter("embeddings", "bedrock").parse_replies([answer], embed(), endpoint("cohere.embed-english-v3")).usage
    assert (found.prompt_tokens if found else None) == (12 if told == "12" else None)


def test_without_a_key_bedrock_is_signed_for_and_ranks_at_a_host_of_its_own() -> None:
    at = endpoint("amazon.rerank-v1:0", "https://bedrock-runtime.us-gov-west-1.amazonaws.com")
    [built] = adapter("rerank", "bedrock").build_requests(rank(top_n=1), at, "")
    assert built.url == "https://bedrock-agent-runtime.us-gov-west-1.amazonaws.com/rerank"
    assert built.signing is not None
    assert (built.signing.service, built.signing.region) == ("bedrock", "us-gov-west-1")
    configuration = built.body["rerankingConfiguration"]["bedrockRerankingConfiguration"]
    assert configuration == {
        "modelConfiguration": {"modelArn": "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.rerank-v1:0"},
        "numberOfResults": 1,
    }
    texts = [source["inlineDocumentSource"]["textDocument"]["text"] for source in built.body["sources"]]
    assert texts == ["a", "b"]


@pytest.mark.parametrize(("model", "version"), [("cohere.rerank-v3-5:0", 2), ("amazon.rerank-v1:0", None)])
def test_with_a_key_bedrocks_models_are_invoked(model: str, version: int | None) -> None:
    at = endpoint(model, "https://bedrock-runtime.us-east-1.amazonaws.com")
    [built] = adapter("rerank", "bedrock").build_requests(rank(), at, "key")
    assert built.url.endswith(f"/model/{model.replace(':', '%3A')}/invoke")
    assert built.body.get("api_version") == version
    assert built.signing is None


@pytest.mark.parametrize("index", [-1, 2])
def test_a_document_that_was_not_sent_is_no_result(index: int) -> None:
    answer = reply({"results": [{"index": index, "relevance_score": 1}]})
    with pytest.raises(UpstreamError):
        adapter("rerank", "cohere").parse_replies([answer], rank(), endpoint("rerank"))


def test_results_are_sorted_and_no_more_than_were_asked_for() -> None:
    results = [{"index": place, "relevance_score": place / 10} for place in range(3)]
    asked = rank("a", "b", "c", top_n=2)
    found = adapter("rerank", "cohere").parse_replies([reply({"results": results})], asked, endpoint("rerank"))
    assert [each.index for each in found.results] == [2, 1]
