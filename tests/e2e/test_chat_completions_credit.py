"""What an account with little credit gets for it: an answer as long as it lasts, and otherwise a 402 that says why."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from openai import APIStatusError, OpenAI
from openrouter import OpenRouter, errors

from tests.e2e.asking import COMPLETION_NANO_USD, chat, chunks_of, error_of, http_client, user
from tests.e2e.deployment import Deployment

CREDIT_NANO_USD = 1_000_000
"""Less than the allowance for an answer without a maximum, which is 2,048 tokens at 600."""


@pytest.fixture(scope="module")
def base_url(parts: Deployment) -> Iterator[str]:
    # Nothing settles what is asked here, so that credit, once held, stays held.
    with parts.serving("serve_completions") as (_, address):
        yield f"{address}/api/v1"


def key_of_account_with(parts: Deployment, nano_usd: int) -> str:
    account = f"acct-with-{nano_usd}"
    key: str = parts.call("seed", account, f"{nano_usd / 10**9:.9f}")["api_key"]
    return key


@pytest.fixture(scope="module")
def api_key(parts: Deployment) -> str:
    return key_of_account_with(parts, CREDIT_NANO_USD)


@pytest.fixture(scope="module")
def http(base_url: str, api_key: str) -> Iterator[httpx2.Client]:
    with http_client(base_url, api_key) as client:
        yield client


def affordable(message: str) -> int:
    found = re.match(
        r"This request requires more credits, or fewer max_tokens\. "
        r"You requested up to 8192 tokens, but can only afford (\d+)\.",
        message,
    )
    assert found, message
    return int(found[1])


@pytest.mark.parametrize("stream", [False, True])
def test_more_than_the_balance_is_402(http: httpx2.Client, stream: bool) -> None:
    error = error_of(http.post("/chat/completions", json=chat(max_tokens=8192, stream=stream)), 402)

    assert error["metadata"]["error_type"] == "payment_required"
    # The prompt of a few words takes the rest.
    assert 0.9 * CREDIT_NANO_USD < affordable(error["message"]) * COMPLETION_NANO_USD < CREDIT_NANO_USD


def test_402_in_both_sdks(base_url: str, api_key: str) -> None:
    with (
        OpenAI(base_url=base_url, api_key=api_key) as openai,
        pytest.raises(APIStatusError, match="can only afford") as caught,
    ):
        openai.chat.completions.create(model="demo/chat", messages=user(), max_tokens=8192)
    assert caught.value.status_code == 402

    with (
        OpenRouter(server_url=base_url, api_key=api_key) as openrouter,
        pytest.raises(errors.PaymentRequiredResponseError, match="can only afford"),
    ):
        openrouter.chat.send(model="demo/chat", messages=user(), max_tokens=8192)


def test_what_it_names_can_be_afforded(http: httpx2.Client) -> None:
    """The last test that uses this account: nothing is left of it."""
    refused = error_of(http.post("/chat/completions", json=chat(max_tokens=8192)), 402)
    most = affordable(refused["message"])

    assert f"afford {most}" in error_of(http.post("/chat/completions", json=chat(max_tokens=most + 1)), 402)["message"]
    assert http.post("/chat/completions", json=chat(max_tokens=most)).status_code == 200
    error_of(http.post("/chat/completions", json=chat(max_tokens=most)), 402)


def test_without_a_maximum_nobody_who_can_pay_is_turned_away(parts: Deployment, base_url: str) -> None:
    with http_client(base_url, key_of_account_with(parts, 900_000)) as http:
        answer = http.post("/chat/completions", json=chat()).json()

    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(("stream", "credit"), [(False, 20_000), (True, 20_001)])
def test_answer_is_as_long_as_the_credit(parts: Deployment, base_url: str, stream: bool, credit: int) -> None:
    with http_client(base_url, key_of_account_with(parts, credit)) as http:
        response = http.post("/chat/completions", json=chat(stream=stream))
        if stream:
            *_, finish, last = chunks_of(response.text)
        else:
            finish = last = response.json()

    assert finish["choices"][0]["finish_reason"] == "length"
    assert 16 <= last["usage"]["completion_tokens"] <= credit // COMPLETION_NANO_USD


def test_credit_for_no_answer_at_all_is_402(parts: Deployment, base_url: str) -> None:
    with http_client(base_url, key_of_account_with(parts, 1_000)) as http:
        error_of(http.post("/chat/completions", json=chat()), 402)
        assert http.post("/chat/completions", json=chat("demo/chat:free")).status_code == 200
