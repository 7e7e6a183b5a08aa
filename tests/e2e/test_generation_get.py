"""`GET /generation?id=`."""

import uuid

import httpx2
import pytest
from openrouter import OpenRouter, errors

from tests.e2e.asking import chat, error_of, generation, nano, user
from tests.e2e.run import MARK


def test_openrouter_reads_what_it_asked(openrouter: OpenRouter) -> None:
    answer = openrouter.chat.send(model="demo/chat", messages=user(), http_referer=f"https://app.example/{MARK}")
    assert answer.usage is not None
    record = openrouter.generations.get_generation(id=answer.id).data

    assert record.id == answer.id
    assert record.model == "demo/chat"
    assert record.provider_name == "Demo"
    assert record.streamed is False
    assert record.finish_reason == "stop"
    assert record.tokens_prompt == answer.usage.prompt_tokens
    assert record.tokens_completion == answer.usage.completion_tokens
    assert nano(record.total_cost) == nano(answer.usage.cost or 0)
    assert record.http_referer == f"https://app.example/{MARK}"
    assert record.origin == "https://app.example"
    assert (record.native_tokens_prompt, record.native_tokens_completion) == (
        record.tokens_prompt,
        record.tokens_completion,
    )
    assert (record.is_byok, record.cancelled, record.router, record.cache_discount) == (False, False, None, None)
    assert record.generation_time is not None
    assert [attempt.status for attempt in record.provider_responses or []] == [200]


def test_every_request_is_readable_at_once(http: httpx2.Client) -> None:
    for number in range(20):
        response = http.post("/chat/completions", json=chat(stream=bool(number % 2)))
        assert generation(http, response.headers["x-generation-id"])["streamed"] == bool(number % 2)


def test_fallback_shows_every_attempt(http: httpx2.Client) -> None:
    body = chat("demo/fallback", provider={"order": ["demo-broken"]})
    record = generation(http, http.post("/chat/completions", json=body).json()["id"])

    attempts = [(attempt["provider_name"], attempt["status"]) for attempt in record["provider_responses"]]
    assert attempts == [("Demo (broken)", 500), ("Demo", 200)]
    assert record["provider_name"] == "Demo"
    assert len({attempt["endpoint_id"] for attempt in record["provider_responses"]}) == 2


def test_router_is_told_beside_the_model_that_it_chose(http: httpx2.Client) -> None:
    answer = http.post("/chat/completions", json=chat("openrouter/auto")).json()
    record = generation(http, answer["id"])

    assert record["router"] == "openrouter/auto"
    assert record["model"] == answer["model"] != "openrouter/auto"


def test_an_answer_that_breaks_off_is_recorded_with_what_it_cost_upstream(http: httpx2.Client) -> None:
    response = http.post("/chat/completions", json=chat("demo/midstream-error", stream=True))
    record = generation(http, response.headers["x-generation-id"])

    assert (record["finish_reason"], record["total_cost"]) == ("error", 0)
    assert record["upstream_inference_cost"] > 0


def test_prompts_are_not_kept(http: httpx2.Client) -> None:
    text = f"told in confidence {uuid.uuid4().hex}"
    generation_id = http.post("/chat/completions", json=chat(text=text)).json()["id"]

    assert text not in str(generation(http, generation_id))
    assert MARK not in str(generation(http, generation_id))


def test_unknown_generation_is_404(openrouter: OpenRouter) -> None:
    with pytest.raises(errors.NotFoundResponseError):
        openrouter.generations.get_generation(id="gen-1-unknown")


def test_id_is_required(http: httpx2.Client) -> None:
    assert error_of(http.get("/generation"), 400)["message"].startswith("id: ")
