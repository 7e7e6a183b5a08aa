"""Embeddings of every wire format that has them: asked with the OpenAI SDK, answered by who speaks it strictly."""

import base64
import struct
from typing import Any

import pytest
from openai import APIStatusError

from tests.e2e.asking import generation, nano
from tests.e2e.run import MARK
from tests.e2e.simulated import EMBEDDING, PROMPT_NANO_USD, Simulated, name_of
from tests.e2e.test_wires import PIXEL_URL
from tests.simulator.operations.vectors import tokens_of, vector_of

EVERY = pytest.mark.parametrize("name", EMBEDDING)
TEXTS = [f"One {MARK}", f"Another {MARK}", f"And one more {MARK}"]


@EVERY
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_vectors_arrive_and_are_charged(sim: Simulated, name: str, encoding: Any) -> None:
    answer: Any = sim.openai.embeddings.create(model=f"sim/embed-{name}", input=TEXTS, encoding_format=encoding)

    tokens = sum(map(tokens_of, TEXTS))
    for text, each in zip(TEXTS, answer.data, strict=True):
        found = each.embedding
        floats = found if encoding == "float" else list(struct.unpack(f"<{len(base64.b64decode(found)) // 4}f",
                                                                      base64.b64decode(found)))  # fmt: skip
        assert floats == vector_of(text, len(floats))
    assert (answer.usage.prompt_tokens, nano(answer.usage.cost)) == (tokens, tokens * PROMPT_NANO_USD)
    record = generation(sim.http, answer.id)
    assert record["api_type"] == "embeddings"
    assert record["provider_name"] == name_of(EMBEDDING[name][0])
    assert nano(record["total_cost"]) == tokens * PROMPT_NANO_USD


@EVERY
def test_the_dimensions_are_asked_for_in_each_ones_own_words(sim: Simulated, name: str) -> None:
    answer = sim.openai.embeddings.create(model=f"sim/embed-{name}", input=TEXTS[0], dimensions=3)
    assert answer.data[0].embedding == vector_of(TEXTS[0], 3)


@pytest.mark.parametrize(
    ("name", "given", "member", "sent"),
    [
        ("cohere", "search_query", "input_type", "search_query"),
        ("cohere", None, "input_type", "search_document"),
        ("google", "search_query", "taskType", "RETRIEVAL_QUERY"),
        ("google", "SEMANTIC_SIMILARITY", "taskType", "SEMANTIC_SIMILARITY"),
        ("bedrock-cohere", "clustering", "input_type", "clustering"),
        # Who knows nothing of it is not asked for it, and answers all the same.
        ("openai_compatible", "search_query", "input_type", None),
    ],
)
def test_the_input_type(sim: Simulated, name: str, given: str | None, member: str, sent: str | None) -> None:
    extra = {"input_type": given} if given else {}
    sim.openai.embeddings.create(model=f"sim/embed-{name}", input=TEXTS[0], extra_body=extra)
    [request] = sim.requests()
    body = request["body"]["requests"][0] if name == "google" else request["body"]
    assert body.get(member) == sent


@pytest.mark.parametrize(("name", "requests"), [("openai_compatible", 1), ("cohere", 2), ("google", 1), ("titan", 96)])
def test_what_a_provider_takes_less_of_at_once_is_asked_for_in_parts(sim: Simulated, name: str, requests: int) -> None:
    texts = [f"{place} {MARK}" for place in range(96 if name == "titan" else 100)]
    answer: Any = sim.openai.embeddings.create(model=f"sim/embed-{name}", input=texts, encoding_format="float")
    assert len(sim.requests()) == requests
    assert [each.embedding[:4] for each in answer.data] == [vector_of(text, 4) for text in texts]
    assert answer.usage.prompt_tokens == sum(map(tokens_of, texts))


@pytest.mark.parametrize("name", ["cohere", "google", "bedrock-cohere"])
def test_a_picture_and_a_text_become_one_vector(sim: Simulated, name: str) -> None:
    parts = [{"type": "text", "text": f"A pixel {MARK}"}, {"type": "image_url", "image_url": {"url": PIXEL_URL}}]
    given: Any = [{"content": parts}]
    answer = sim.openai.embeddings.create(model=f"sim/embed-{name}", input=given)
    assert len(answer.data) == 1
    [request] = sim.requests()
    assert PIXEL_URL.partition(",")[2] in str(request["body"])
    assert generation(sim.http, answer.id)["num_media_prompt"] == 1  # type: ignore[attr-defined]  # Not OpenAI's.


@pytest.mark.parametrize(
    ("name", "given", "more", "says"),
    [
        ("mistral", [[1, 2]], {}, "input.0: this model's provider takes texts alone"),
        ("cohere", [[1, 2]], {}, "takes no tokens; send the text itself"),
        ("cohere", "a", {"input_type": "query"}, "input_type: this model's provider knows search_document"),
        ("google", "a", {"input_type": "query"}, "input_type: this model's provider knows classification"),
        ("titan", ["a"] * 97, {}, "input: this model's provider takes one text at a time; send at most 96"),
        (
            "openai_compatible",
            [{"content": [{"type": "image_url", "image_url": {"url": PIXEL_URL}}]}],
            {},
            "input.0: this model's provider takes texts and tokens alone",
        ),
        (
            "google",
            [{"content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}],
            {},
            "send the file itself as a data URL",
        ),
    ],
)
def test_what_a_provider_does_not_take_is_said(sim: Simulated, name: str, given: Any, more: Any, says: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        sim.openai.embeddings.create(model=f"sim/embed-{name}", input=given, extra_body=more)
    assert caught.value.status_code == 400
    assert says in str(caught.value.body)
    assert sim.requests() == []


@EVERY
@pytest.mark.parametrize(
    ("trouble", "status", "error_type"),
    [
        ("rate_limit", 429, "rate_limit_exceeded"),
        ("overloaded", 503, "provider_overloaded"),
        ("auth", 502, "provider_unavailable"),
        ("context_length", 400, "context_length_exceeded"),
    ],
)
def test_errors_are_told_in_one_language(sim: Simulated, name: str, trouble: str, status: int, error_type: str) -> None:
    wire, model = EMBEDDING[name]
    sim.plan(wire, {"trouble": trouble}, model=model)
    with pytest.raises(APIStatusError) as caught:
        sim.openai.embeddings.create(model=f"sim/embed-{name}", input=TEXTS)
    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["metadata"]["error_type"] == error_type


@pytest.mark.parametrize("fault", [{"garbage": 0}, {"empty": 1}, {"cut": 1}])
def test_a_broken_answer_is_nobodys_bill(sim: Simulated, fault: dict[str, int]) -> None:
    sim.plan("cohere", fault, model="embed-v4.0")
    with pytest.raises(APIStatusError) as caught:
        sim.openai.embeddings.create(model="sim/embed-cohere", input=TEXTS)
    assert caught.value.status_code == 502
    record = generation(sim.http, caught.value.response.headers["x-generation-id"])
    assert (record["total_cost"], record["provider_name"]) == (0, None)


def test_the_next_model_is_asked(sim: Simulated) -> None:
    sim.plan("cohere", {"trouble": "server"}, model="embed-v4.0")
    extra = {"models": ["sim/embed-google"]}
    answer = sim.openai.embeddings.create(model="sim/embed-cohere", input=TEXTS[0], extra_body=extra)
    assert answer.model == "sim/embed-google"


def test_a_wire_format_without_embeddings_is_no_candidate(sim: Simulated) -> None:
    extra = {"provider": {"only": ["sim-anthropic"]}}
    with pytest.raises(APIStatusError) as caught:
        sim.openai.embeddings.create(model="sim/embed-cohere", input=TEXTS[0], extra_body=extra)
    assert caught.value.status_code == 404
