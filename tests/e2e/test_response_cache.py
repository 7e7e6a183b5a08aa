"""The response cache: the second of two requests that are the same costs nothing, and says where it comes from."""

import httpx2
import pytest

from tests.e2e.run import MARK, Run

BODY = {"model": "demo/chat", "messages": [{"role": "user", "content": f"Say it twice {MARK}"}]}


def ask(run: Run, *, stream: bool, **headers: str) -> httpx2.Response:
    return httpx2.post(
        f"{run.base_url}/chat/completions",
        json={**BODY, "stream": stream},
        headers={"authorization": f"Bearer {run.api_key}", **headers},
    )


@pytest.mark.parametrize("stream", [True, False])
def test_the_second_request_is_a_hit(run: Run, stream: bool) -> None:
    on = {"X-OpenRouter-Cache": "true", "X-OpenRouter-Cache-TTL": "120"}
    first, second = ask(run, stream=stream, **on), ask(run, stream=stream, **on)

    assert [first.status_code, second.status_code] == [200, 200]
    assert first.headers["x-openrouter-cache-status"] == "MISS"
    assert first.headers["x-openrouter-cache-ttl"] == "120"
    assert second.headers["x-openrouter-cache-status"] == "HIT"
    assert second.headers["x-openrouter-cache-source-id"] == first.headers["x-generation-id"]
    generation = httpx2.get(
        f"{run.base_url}/generation",
        params={"id": second.headers["x-generation-id"]},
        headers={"authorization": f"Bearer {run.api_key}"},
    )
    assert generation.status_code == 200, generation.text
    record = generation.json()["data"]
    assert (record["total_cost"], record["tokens_prompt"], record["tokens_completion"]) == (0, 0, 0)
    assert record["response_cache_source_id"] == first.headers["x-generation-id"]
    assert "x-openrouter-cache-status" not in ask(run, stream=stream).headers
