"""What is no chat, read as it was recorded."""

import json
import struct
from base64 import b64decode
from typing import Any

import pytest

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.embeddings import EmbeddingRequest, Encoding
from turnpike.domain.pricing import Pricing
from turnpike.domain.rerank import RerankRequest
from turnpike.ports.wires import Reply
from turnpike.providers.openai_compatible.embeddings import OpenAICompatibleEmbeddings
from turnpike.providers.registry import operation_adapter_for

from tests.replay.recordings import Exchange, find_other

ENDPOINT = Endpoint("acme/model", "openai", "text-embedding-3-small", "https://api.test/v1", Pricing(), 8192)


def reply_of(exchange: Exchange) -> Reply:
    return Reply(exchange.headers, exchange.body)


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_openais_base64_is_passed_on_or_translated(encoding: Encoding) -> None:
    exchange = find_other("openai", "embeddings_base64")
    assert exchange.request is not None
    sent = exchange.request["body"]
    adapter = OpenAICompatibleEmbeddings("openai")
    asked = EmbeddingRequest(models=("openai/text-embedding-3-small",), inputs=[sent["input"]], encoding="base64")
    [built] = adapter.build_requests(asked, ENDPOINT, "key")
    assert built.body == {**sent, "input": [sent["input"]]}

    asked = EmbeddingRequest(models=asked.models, inputs=asked.inputs, encoding=encoding)
    result = adapter.parse_replies([reply_of(exchange)], asked, ENDPOINT)
    answer: Any = json.loads(exchange.body)
    recorded = answer["data"][0]["embedding"]
    floats = list(struct.unpack("<1536f", b64decode(recorded)))
    assert result.vectors == [recorded if encoding == "base64" else floats]
    assert sum(each * each for each in floats) == pytest.approx(1, abs=1e-3)
    assert result.usage is not None
    assert result.usage.prompt_tokens == answer["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize(
    ("folder", "stem", "wire", "documents", "ranked", "units"),
    [
        ("cohere", "cohere_reranking_1", "cohere", 2, [(1, 0.10183054), (0, 0.03762639)], 1),
        # Bedrock counts nothing.
        (
            "bedrock",
            "amazon_bedrock_reranking_1",
            "bedrock",
            6,
            [(0, 0.5110583305358887), (5, 0.30241215229034424)],
            None,
        ),
    ],
)
def test_a_ranking_is_read(
    folder: str, stem: str, wire: str, documents: int, ranked: list[tuple[int, float]], units: int | None
) -> None:
    exchange = find_other(folder, stem)
    provider = Provider(folder, folder, wire, "https://api.test")
    adapter = operation_adapter_for("rerank", provider)
    asked = RerankRequest(models=("acme/rank",), query="talk about rain", documents=["a"] * documents)
    result = adapter.parse_replies([reply_of(exchange)], asked, ENDPOINT)
    assert [(each.index, each.score) for each in result.results] == ranked
    assert (result.usage.search_units if result.usage else None) == units
