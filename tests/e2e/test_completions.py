"""OpenAI's legacy text completions with OpenAI's SDK, over every wire format."""

from typing import Any

import httpx2
import pytest
from openai import BadRequestError, OpenAI
from openai.types import Completion

from tests.e2e.asking import error_of, generation, nano, price
from tests.e2e.run import MARK
from tests.e2e.simulated import WIRES, Simulated, name_of

STREAMED_OR_NOT = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def ask(client: OpenAI, model: str, prompt: Any, *, stream: bool, **members: Any) -> tuple[dict[int, str], Completion]:
    """The texts by index, and what came last."""
    request: Any = {"model": model, "prompt": prompt, **members}
    create = client.completions.create
    chunks = list(create(stream=True, **request)) if stream else [create(**request)]
    texts: dict[int, str] = {}
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        texts[choice.index] = texts.get(choice.index, "") + choice.text
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert all(chunk.usage is None for chunk in chunks[:-1])
    return texts, chunks[-1]


@pytest.mark.parametrize("wire", WIRES)
@STREAMED_OR_NOT
def test_a_prompt_is_gone_on_from_at_the_price_of_a_chat(sim: Simulated, wire: str, stream: bool) -> None:
    texts, last = ask(sim.openai, f"sim/{wire}", f"Hello {MARK}", stream=stream)
    answer: Any = last

    assert texts[0].startswith(f'By {WIRES[wire].mount} you said: "Hello {MARK}".')
    assert (answer.choices[0].finish_reason, answer.provider) == ("stop", name_of(wire))
    record = generation(sim.http, answer.id)
    assert nano(record["total_cost"]) == nano(answer.usage.cost) > 0
    assert record["tokens_completion"] == answer.usage.completion_tokens
    assert record["streamed"] is stream


@STREAMED_OR_NOT
def test_several_prompts_are_answered_together_and_billed_one_by_one(
    openai: OpenAI, http: httpx2.Client, stream: bool
) -> None:
    prompts = [f"First {MARK}", f"Second {MARK}"]
    texts, last = ask(openai, "demo/chat", prompts, stream=stream, n=2, echo=True, max_tokens=20)
    answer: Any = last

    for index, text in texts.items():
        assert text.startswith(f'{prompts[index // 2]}You said: "{prompts[index // 2]}".')
    records = [generation(http, choice.id) for choice in answer.choices]
    assert len({record["id"] for record in records}) == 4
    assert sum(nano(record["total_cost"]) for record in records) == nano(answer.usage.cost) == price(answer.usage)


@STREAMED_OR_NOT
def test_one_that_fails_is_a_choice_that_costs_nothing(sim: Simulated, stream: bool) -> None:
    wire = "openai_compatible"
    sim.plan(wire, {"status": 500})
    texts, last = ask(sim.openai, f"sim/{wire}", [f"One {MARK}", f"Two {MARK}"], stream=stream)
    answer: Any = last

    failed = [choice for choice in answer.choices if choice.finish_reason == "error"]
    [good] = [choice for choice in answer.choices if choice.finish_reason == "stop"]
    assert len(failed) == 1
    assert failed[0].error["code"] >= 500
    assert texts[good.index].startswith("By openai_compatible")
    assert nano(generation(sim.http, good.id)["total_cost"]) == nano(answer.usage.cost) > 0


@STREAMED_OR_NOT
def test_the_middle_is_filled_in_where_the_provider_does_it(sim: Simulated, stream: bool) -> None:
    texts, last = ask(sim.openai, "sim/mistral", f"def {MARK}(", stream=stream, suffix="return 1", max_tokens=9, seed=3)

    assert texts[0].startswith(f'By mistral you said: "def {MARK}([...]return 1')
    assert last.choices[0].finish_reason == "length"
    [request] = sim.requests()
    assert request["path"].endswith("/fim/completions")
    assert (request["body"]["prompt"], request["body"]["suffix"]) == (f"def {MARK}(", "return 1")


def test_what_cannot_be_is_told(openai: OpenAI, http: httpx2.Client) -> None:
    with pytest.raises(BadRequestError, match="token ids"):
        openai.completions.create(model="demo/chat", prompt=[1, 2, 3])
    error = error_of(http.post("/completions", json={"model": "demo/chat", "prompt": "a", "suffix": "b"}), 400)
    assert error["availability"]["excluded_by"] == ["suffix"]
    assert "put what follows into the prompt" in error["message"]
