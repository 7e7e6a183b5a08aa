"""What `POST /chat/completions` refuses, and what becomes of the failures of providers."""

from typing import Any

import httpx2
import openai as openai_sdk
import pytest
from openai import OpenAI
from openrouter import OpenRouter, errors

from tests.e2e.asking import chat, error_of, user
from tests.e2e.run import MARK, Run

JUNK_KEY = f"sk-or-v1-{MARK}"


def once(openai: OpenAI) -> OpenAI:
    """Without the SDK's retries, which would only repeat the failure."""
    return openai.with_options(max_retries=0)


def test_unknown_key_is_401(run: Run) -> None:
    with (
        OpenAI(base_url=run.base_url, api_key=JUNK_KEY) as client,
        pytest.raises(openai_sdk.AuthenticationError) as caught,
    ):
        client.chat.completions.create(model="demo/chat", messages=user())

    assert caught.value.status_code == 401
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == 401


def test_unknown_key_is_401_for_the_openrouter_sdk(run: Run) -> None:
    with (
        OpenRouter(server_url=run.base_url, api_key=JUNK_KEY) as client,
        pytest.raises(errors.UnauthorizedResponseError) as caught,
    ):
        client.chat.send(model="demo/chat", messages=user())

    assert caught.value.data.error.code == 401


@pytest.mark.parametrize("header", [None, "Bearer", "Basic YTpi", "Bearer junk", "Bearer a b", "🔑"])
def test_no_or_junk_credentials_are_401(run: Run, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header.encode()}
    response = httpx2.post(f"{run.base_url}/chat/completions", json=chat(), headers=headers, trust_env=False)

    error = error_of(response, 401)
    assert error["metadata"]["error_type"] == "authentication"


def test_management_key_cannot_ask_models(management_http: httpx2.Client) -> None:
    assert "API key" in error_of(management_http.post("/chat/completions", json=chat()), 403)["message"]


def test_unknown_model_is_400_with_availability(openai: OpenAI) -> None:
    model = f"demo/{MARK}"
    with pytest.raises(openai_sdk.BadRequestError) as caught:
        openai.chat.completions.create(model=model, messages=user())

    error: Any = caught.value.body
    assert error["message"] == f"{model} is not a valid model ID"
    assert error["availability"]["code"] == "model_not_found"
    assert error["availability"]["retryable"] is False
    assert error["availability"]["requested_models"] == [model]


def test_unknown_model_is_400_for_the_openrouter_sdk(openrouter: OpenRouter) -> None:
    with pytest.raises(errors.BadRequestResponseError) as caught:
        openrouter.chat.send(model="demo/none", messages=user())

    assert caught.value.data.error.code == 400


def test_unmet_conditions_are_404_with_their_reason(openai: OpenAI) -> None:
    with pytest.raises(openai_sdk.NotFoundError) as caught:
        openai.chat.completions.create(
            model="demo/chat", messages=user(), extra_body={"provider": {"only": ["openai"]}}
        )

    error: Any = caught.value.body
    assert error["availability"]["code"] == "constraint_filtered"
    assert error["availability"]["excluded_by"] == ["allowed_providers"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "nobody", "content": "?"}]}, "messages.0"),
        ({"model": None}, "model"),
        ({"temperature": "warm"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"tools": [{"type": "function"}]}, "tools.0.function"),
        ({"provider": {"onyl": ["demo"]}}, "provider.onyl"),
    ],
)
def test_wrong_member_is_named(http: httpx2.Client, change: dict[str, Any], field: str) -> None:
    error = error_of(http.post("/chat/completions", json={**chat(), **change}), 400)

    assert error["message"].startswith(f"{field}: ")
    assert error["metadata"]["error_type"] == "invalid_request"


def test_rate_limit_of_the_only_provider_is_429(openai: OpenAI) -> None:
    with pytest.raises(openai_sdk.RateLimitError) as caught:
        once(openai).chat.completions.create(model="demo/busy", messages=user())

    error: Any = caught.value.body
    assert caught.value.response.headers["retry-after"] == "2"
    assert error["availability"]["code"] == "capacity_exhausted"
    assert error["availability"]["retryable"] is True


@pytest.mark.parametrize("stream", [False, True])
def test_every_provider_failing_is_a_server_error(openai: OpenAI, stream: bool) -> None:
    with pytest.raises(openai_sdk.InternalServerError) as caught:
        once(openai).chat.completions.create(model="demo/down", messages=user(), stream=stream)

    error: Any = caught.value.body
    assert caught.value.status_code in (502, 503)
    assert error["availability"]["code"] == "temporarily_unavailable"
    assert error["availability"]["affected_providers"] == ["demo", "demo-broken"]
    assert len(error["metadata"]["previous_errors"]) == 1


def test_failed_request_has_an_id_and_costs_nothing(http: httpx2.Client) -> None:
    response = http.post("/chat/completions", json=chat("demo/down"))

    generation_id = response.headers["x-generation-id"]
    record = http.get("/generation", params={"id": generation_id}).json()["data"]
    assert record["total_cost"] == 0
    assert [attempt["status"] for attempt in record["provider_responses"]].count(500) == 1
