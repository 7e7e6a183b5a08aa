"""Free models: twenty requests a minute for an account, then a refusal that says when to come again."""

import time

from tests.e2e.asking import chat, error_of, http_client
from tests.e2e.deployment import Deployment

ACCOUNT = "acct-of-free-models"


def test_the_twenty_first_request_of_a_minute_is_refused(parts: Deployment) -> None:
    api_key = parts.call("seed", ACCOUNT, "1")["api_key"]
    with parts.serving("serve_completions") as (_, url), http_client(f"{url}/api/v1", api_key) as http:
        left_s = 60 - time.time() % 60
        if left_s < 20:
            time.sleep(left_s)  # The next minute would let twenty more through.
        for _ in range(20):
            answer = http.post("/chat/completions", json=chat("demo/chat:free", max_tokens=1))
            assert answer.status_code == 200
            assert "x-ratelimit-limit" not in answer.headers
        refused = http.post("/chat/completions", json=chat("demo/chat:free", max_tokens=1))
        assert http.post("/chat/completions", json=chat(max_tokens=1)).status_code == 200

    error = error_of(refused, 429)
    assert error["message"] == "Rate limit exceeded: free-models-per-min."
    assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == ("20", "0")
    assert int(refused.headers["x-ratelimit-reset"]) % 60_000 == 0
    assert 0 < int(refused.headers["retry-after"]) <= 60
    (count,) = [item for item in parts.ledger_items(ACCOUNT) if item["sk"]["S"].startswith("FREE#")]
    assert count["used"] == {"N": "20"}
