"""`POST /embeddings` with the SDKs that people use, and with nothing but the demo provider."""

import math
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from openai import APIStatusError, OpenAI
from openrouter import OpenRouter

from tests.e2e.asking import error_of, generation, nano
from tests.e2e.run import MARK

MODEL = "demo/embed"
TEXTS = [f"A cat sat on the mat {MARK}", f"The cat sat on a mat {MARK}", f"Quarterly earnings fell sharply {MARK}"]
TOKEN_NANO_USD = 20


def closeness(one: list[float], other: list[float]) -> float:
    return math.sumprod(one, other) if hasattr(math, "sumprod") else sum(a * b for a, b in zip(one, other, strict=True))


def test_the_openai_sdk_gets_vectors_by_its_own_default_and_as_floats(openai: OpenAI) -> None:
    # The SDK asks for base64 unless it is told otherwise, and decodes it.
    default = openai.embeddings.create(model=MODEL, input=TEXTS)
    floats = openai.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
    assert [each.index for each in default.data] == [0, 1, 2]
    for one, other in zip(default.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, rel=1e-6)
    near, far = (closeness(default.data[0].embedding, default.data[place].embedding) for place in (1, 2))
    assert near > 0.8 > 0.5 > far
    assert default.model == MODEL


def test_its_cost_is_in_the_answer_the_record_and_the_account(openai: OpenAI, http: httpx2.Client) -> None:
    answer: Any = openai.embeddings.create(model=MODEL, input=TEXTS[0], user="ann")
    tokens = -(-len(TEXTS[0]) // 4)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == tokens
    assert nano(answer.usage.cost) == tokens * TOKEN_NANO_USD
    record = generation(http, answer.id)
    assert (record["api_type"], record["model"], record["external_user"]) == ("embeddings", MODEL, "ann")
    assert nano(record["total_cost"]) == tokens * TOKEN_NANO_USD
    assert (record["tokens_prompt"], record["tokens_completion"], record["streamed"]) == (tokens, 0, False)


def test_the_openrouter_sdk(openrouter: OpenRouter) -> None:
    answer: Any = openrouter.embeddings.generate(model=MODEL, input=TEXTS[:2], dimensions=16)
    assert [len(each.embedding) for each in answer.data] == [16, 16]
    listed = openrouter.embeddings.list_models()
    assert MODEL in [model.id for model in listed.result.data]


def test_tokens_are_taken_as_well(openai: OpenAI) -> None:
    answer = openai.embeddings.create(model=MODEL, input=[[72, 105], [1, 2, 3]])
    assert len(answer.data) == 2
    one = openai.embeddings.create(model=MODEL, input=[72, 105])
    assert one.data[0].embedding == answer.data[0].embedding


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "input: Field required"),
        ({"input": ""}, "input: String should have at least 1 character"),
        ({"input": []}, "input: List should have at least 1 item"),
        ({"input": ["a", ""]}, "input.1: String should have at least 1 character"),
        ({"input": ["a"] * 2049}, "input: List should have at most 2048 items"),
        ({"input": "a", "dimensions": 0}, "dimensions: Input should be greater than or equal to 1"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format: Input should be 'float' or 'base64'"),
        (
            {"input": [{"content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]},
            "No endpoints found that support image input",
        ),
    ],
)
def test_what_cannot_be_done_is_said(http: httpx2.Client, members: dict[str, Any], says: str) -> None:
    answer = http.post("/embeddings", json={"model": MODEL, **members})
    status = 404 if "No endpoints" in says else 400
    assert says in error_of(answer, status)["message"]


def test_a_model_for_chats_says_which_do(openai: OpenAI) -> None:
    with pytest.raises(APIStatusError) as caught:
        openai.embeddings.create(model="demo/chat", input=f"Hello {MARK}")
    assert caught.value.status_code == 404
    assert "GET /models?output_modalities=embeddings" in str(caught.value.body)


def test_models_that_embed_do_not_chat(openai: OpenAI) -> None:
    with pytest.raises(APIStatusError) as caught:
        openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    assert caught.value.status_code == 404


def test_a_wrong_key_is_refused_before_anything_is_read(http: httpx2.Client) -> None:
    answer = http.post("/embeddings", content=b"{", headers={"authorization": "Bearer nobody"})
    assert answer.status_code == 401


def test_the_same_text_has_the_same_vector(openai: OpenAI) -> None:
    found = [openai.embeddings.create(model=MODEL, input=TEXTS[0]).data[0].embedding for _ in range(3)]
    assert all(one == other for one, other in pairwise(found))
