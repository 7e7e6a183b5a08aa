"""What is sent to Azure, for both of OpenAI's APIs. Its answers are in tests/replay."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.domain.pricing import Pricing
from turnpike.providers.azure.adapter import build_adapter, build_responses_adapter
from turnpike.providers.azure.failures import parse_wait
from turnpike.providers.folding import completion_of

from tests.replay.recordings import find

CHAT = build_adapter("azure")
RESPONSES = build_responses_adapter("azure")
USER = {"role": "user", "content": "Hello"}
TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.c2ln"
RESOURCE = "https://res.openai.azure.com"


def endpoint(base_url: str = f"{RESOURCE}/openai/v1", model: str = "openai/gpt-5.4", name: str = "prod 1") -> Endpoint:
    return Endpoint(
        model_id=model,
        provider="azure",
        upstream_model=name,
        base_url=base_url,
        pricing=Pricing(Decimal(1), Decimal(1)),
        context_length=1000,
    )


def request(*messages: dict[str, Any], **changes: Any) -> ChatRequest:
    values: dict[str, Any] = {"models": ("openai/x",), "messages": messages or (USER,), "parameters": {}}
    return ChatRequest(**(values | changes))


def chat(asked: ChatRequest, **changes: Any) -> Any:
    built = CHAT.build_request(asked, replace(endpoint(), **changes), "key")
    return orjson.loads(orjson.dumps(built.body))


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (f"{RESOURCE}/openai/v1", f"{RESOURCE}/openai/v1/chat/completions"),
        (f"{RESOURCE}/openai/v1/", f"{RESOURCE}/openai/v1/chat/completions"),
        (
            "https://res.services.ai.azure.com/openai/v1",
            "https://res.services.ai.azure.com/openai/v1/chat/completions",
        ),
        (
            f"{RESOURCE}/openai/v1?api-version=preview",
            f"{RESOURCE}/openai/v1/chat/completions?api-version=preview",
        ),
        ("https://gateway.test/team/openai/v1", "https://gateway.test/team/openai/v1/chat/completions"),
        (RESOURCE, f"{RESOURCE}/openai/deployments/prod%201/chat/completions?api-version=2024-10-21"),
        (f"{RESOURCE}/openai", f"{RESOURCE}/openai/deployments/prod%201/chat/completions?api-version=2024-10-21"),
        (
            f"{RESOURCE}/openai/deployments/",
            f"{RESOURCE}/openai/deployments/prod%201/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://res.cognitiveservices.azure.com",
            "https://res.cognitiveservices.azure.com/openai/deployments/prod%201/chat/completions"
            "?api-version=2024-10-21",
        ),
        (
            f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview",
            f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview",
        ),
        (
            "https://gateway.test/team/openai/deployments",
            "https://gateway.test/team/openai/deployments/prod%201/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_a_deployment_is_found_at_every_form_of_address(base_url: str, url: str) -> None:
    assert CHAT.build_request(request(), endpoint(base_url), "key").url == url


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (f"{RESOURCE}/openai/v1/", f"{RESOURCE}/openai/v1/responses"),
        (f"{RESOURCE}/openai/v1?api-version=preview", f"{RESOURCE}/openai/v1/responses?api-version=preview"),
        (RESOURCE, f"{RESOURCE}/openai/v1/responses"),
        (f"{RESOURCE}/openai/deployments/x?api-version=2024-10-21", f"{RESOURCE}/openai/v1/responses"),
        ("https://gateway.test/team/openai", "https://gateway.test/team/openai/v1/responses"),
    ],
)
def test_responses_are_the_v1_apis(base_url: str, url: str) -> None:
    assert RESPONSES.build_request(request(), endpoint(base_url), "key").url == url


@pytest.mark.parametrize("adapter", [CHAT, RESPONSES])
def test_keys_and_tokens_have_headers_of_their_own(adapter: Any) -> None:
    with_key = adapter.build_request(request(stream=True), endpoint(), "key").headers
    assert with_key == {"api-key": "key", "content-type": "application/json", "accept": "text/event-stream"}
    with_token = adapter.build_request(request(), endpoint(), TOKEN).headers
    assert with_token["authorization"] == f"Bearer {TOKEN}"
    assert "api-key" not in with_token


@pytest.mark.parametrize("adapter", [CHAT, RESPONSES])
def test_a_built_request_shows_no_secrets(adapter: Any) -> None:
    shown = repr(adapter.build_request(request({**USER, "content": "my diagnosis"}), endpoint(), "sk-secret"))
    assert "secret" not in shown
    assert "diagnosis" not in shown


@pytest.mark.parametrize("adapter", [CHAT, RESPONSES])
def test_only_images_are_fetched(adapter: Any) -> None:
    assert [adapter.fetches(kind, "https://x.test/a") for kind in ("image_url", "file", "video_url")] == [
        True,
        False,
        False,
    ]


def test_a_chat_is_asked_for_as_openai_is() -> None:
    parameters = {"temperature": 0.5, "reasoning": {"effort": "minimal"}, "prompt_cache_key": "k"}
    asked = request({"role": "developer", "content": "Be brief."}, USER, parameters=parameters, max_tokens=50)
    assert chat(replace(asked, stream=True, user="u-1")) == {
        "model": "prod 1",
        "messages": [{"role": "developer", "content": "Be brief."}, USER],
        "temperature": 0.5,
        "reasoning_effort": "low",
        "prompt_cache_key": "k",
        "max_completion_tokens": 50,
        "user": "u-1",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_azure_does_not_know_is_left_out() -> None:
    foreign = {
        "top_k": 1,
        "min_p": 0.1,
        "top_a": 0.1,
        "repetition_penalty": 1,
        "image_config": {},
        "cache_control": {"type": "ephemeral"},
        "web_search_options": {},
    }
    assert chat(request(parameters=foreign)) == chat(request())


def test_other_models_have_a_limit_of_the_usual_name() -> None:
    asked = request(
        {"role": "developer", "content": "Be brief."}, max_tokens=50, parameters={"reasoning": {"effort": "max"}}
    )
    built = chat(asked, model_id="deepseek/deepseek-v3.2")
    assert built["max_tokens"] == 50
    assert "max_completion_tokens" not in built
    assert built["reasoning_effort"] == "high"
    assert built["messages"][0]["role"] == "system"


def test_responses_are_asked_for_by_the_models_family() -> None:
    marked = {"type": "text", "text": "Long", "cache_control": {"type": "ephemeral"}}
    asked = request({"role": "user", "content": [marked]}, parameters={"reasoning": {"effort": "minimal"}})
    built = RESPONSES.build_request(asked, endpoint(model="openai/gpt-5.6-sol", name="gpt-5.6-sol"), "key").body
    assert built["reasoning"] == {"effort": "low", "summary": "auto"}
    # Its marks for caching are OpenAI's alone.
    assert built["input"][0]["content"] == [{"type": "input_text", "text": "Long"}]


def test_reasoning_has_a_format_of_its_own() -> None:
    decoder = RESPONSES.stream_decoder()
    exchange = find("azure/azure_responses[0]")
    (choice,) = completion_of([*decoder.feed(exchange.body), *decoder.finish()]).choices
    details = choice.message["reasoning_details"]
    assert {each["format"] for each in details} == {"azure-openai-responses-v1"}
    built = RESPONSES.build_request(request(dict(choice.message), USER), endpoint(), "key").body["input"]
    assert built[0] == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "**Greeting**"}],
        "encrypted_content": "AZURE-complete",
        "id": "rs_az1",
    }
    # What OpenAI itself encrypted, Azure cannot read.
    foreign = [{**each, "format": "openai-responses-v1"} for each in details]
    answer = {"role": "assistant", "content": "Hi", "reasoning_details": foreign}
    (item,) = RESPONSES.build_request(request(answer), endpoint(), "key").body["input"]
    assert item["type"] == "message"


@pytest.mark.parametrize("adapter", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please retry after 6 seconds.", 6),
        ("Please retry after 1 second. Contact us.", 1),
        ("Try again in 2 minutes.", 120),
        ("Please retry after 86400 seconds.", 86400),
        ("Please retry after 99 hours.", 86400),
        ("Please retry later.", None),
    ],
)
def test_a_limits_wait_is_in_its_text(adapter: Any, message: str, seconds: int | None) -> None:
    assert parse_wait(message) == seconds
    content = orjson.dumps({"error": {"code": "429", "message": message}})
    assert adapter.parse_error(429, {}, content).retry_after_s == seconds
    assert adapter.parse_error(429, {"retry-after": "3"}, content).retry_after_s == 3
    assert adapter.parse_error(429, {"retry-after-ms": "2500"}, content).retry_after_s == 3


def test_an_answers_id_is_not_the_prompts_chunks() -> None:
    decoder = CHAT.stream_decoder()
    deltas = decoder.feed(find("azure/azure_chat_streams[0]").body)
    assert deltas[0].upstream_id == "chatcmpl-az1"
    assert all(delta.content or delta.finish_reason or delta.usage or delta.upstream_id for delta in deltas)
