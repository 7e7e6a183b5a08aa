"""Customers' own provider keys, from the first `POST /byok` to the provider and the bill."""

from typing import Any

import httpx2
import pytest
from openrouter import OpenRouter
from openrouter.errors import NotFoundResponseError

from tests.e2e.asking import chat, chunks_of, error_of, generation, nano
from tests.e2e.deployment import Deployment
from tests.e2e.owning import COMPLETION_NANO_USD, PROMPT_NANO_USD, Owner, Owning, owning, secret
from tests.e2e.run import MARK, Run, eventually

WRONG = f"sk-wrong-{MARK}"
"""A key that the demo provider refuses."""


@pytest.fixture(scope="module")
def world(parts: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with owning(parts, tmp_path_factory.mktemp("owning")) as world:
        yield world


def ask(owner: Owner, model: str = "own/single", **members: Any) -> httpx2.Response:
    return owner.http.post("/chat/completions", json=chat(model, **members))


def answered(response: httpx2.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def price(usage: Any) -> int:
    return int(usage["prompt_tokens"] * PROMPT_NANO_USD + usage["completion_tokens"] * COMPLETION_NANO_USD)


def fee(usage: Any) -> int:
    """Five hundredths, rounded up."""
    return -(-price(usage) * 5 // 100)


def test_the_official_sdk_drives_it(run: Run, manager: OpenRouter) -> None:
    # Of a provider that this deployment has no key for, and disabled: other tests ask models of this account.
    made = manager.byok.create(provider="groq", key=secret("sdk"), name=f"From the SDK {MARK}", disabled=True).data
    assert (made.provider, made.disabled, made.label) == ("groq", True, "dem...-sdk")

    changed = manager.byok.update(id=made.id, key=secret("sdk-2"), is_required=True, allowed_models=["demo/chat"]).data
    assert (changed.label, changed.is_required, changed.allowed_models) == ("dem...dk-2", True, ["demo/chat"])
    assert changed.created_at == made.created_at
    assert manager.byok.get(id=made.id).data == changed
    listed = manager.byok.list(provider="groq", limit=10)
    assert listed is not None
    assert [key.id for key in listed.result.data] == [made.id]
    assert listed.result.total_count == 1
    assert manager.byok.delete(id=made.id).DELETED is True
    with pytest.raises(NotFoundResponseError):
        manager.byok.get(id=made.id)


@pytest.mark.parametrize("stream", [False, True])
def test_the_customers_key_reaches_the_provider_and_their_account_pays(world: Owning, stream: bool) -> None:
    owner, key = world.owner(f"pays-{stream}"), secret(f"pays-{stream}")
    owner.create(key)

    response = ask(owner, stream=stream)

    assert response.status_code == 200, response.text
    usage = (chunks_of(response.text)[-1] if stream else response.json())["usage"]
    assert world.seen()[key] == 1
    assert usage["is_byok"] is True
    assert nano(usage["cost"]) == fee(usage)
    assert nano(usage["cost_details"]["upstream_inference_cost"]) == price(usage)
    record = generation(owner.http, response.headers["x-generation-id"])
    assert record["is_byok"] is True
    assert [each["is_byok"] for each in record["provider_responses"]] == [True]
    assert (nano(record["total_cost"]), nano(record["upstream_inference_cost"])) == (fee(usage), price(usage))
    assert owner.usage() == fee(usage)
    about = owner.http.get("/key").json()["data"]
    assert (nano(about["usage"]), nano(about["byok_usage"])) == (fee(usage), price(usage))
    assert nano(about["byok_usage_daily"]) == price(usage)


def test_metadata_tells_whose_key_it_was(world: Owning) -> None:
    owner = world.owner("metadata")
    owner.create(secret("metadata"))

    response = owner.http.post(
        "/chat/completions", json=chat("own/shared"), headers={"x-openrouter-metadata": "enabled"}
    )

    metadata = answered(response)["openrouter_metadata"]
    assert metadata["is_byok"] is True
    assert [each["selected"] for each in metadata["endpoints"]["available"]] == [True, False, False]


def test_a_key_opens_a_provider_that_the_operator_has_none_for(world: Owning) -> None:
    owner, stranger = world.owner("opens"), world.owner("opens-not")
    assert error_of(ask(stranger, "own/only"), 400)["message"] == "own/only is not a valid model ID"
    owner.create(secret("opens"), "own-closed")

    assert answered(ask(owner, "own/only"))["usage"]["is_byok"] is True
    assert world.seen()[secret("opens")] == 1
    error_of(ask(stranger, "own/only"), 400)


def test_a_refused_key_gives_way_to_the_next_and_then_to_ours(world: Owning) -> None:
    owner = world.owner("gives-way")
    owner.create(WRONG)
    owner.create(secret("gives-way"))

    assert answered(ask(owner))["usage"]["is_byok"] is True
    assert world.seen()[secret("gives-way")] == 1

    other = world.owner("gives-way-to-ours")
    other.create(WRONG)
    response = ask(other)
    usage = answered(response)["usage"]
    assert usage["is_byok"] is False
    assert nano(usage["cost"]) == price(usage)
    record = generation(other.http, response.headers["x-generation-id"])
    told = [(each["status"], each["is_byok"]) for each in record["provider_responses"]]
    assert told == [(401, True), (200, False)]


@pytest.mark.parametrize("claim", ["is_required", "is_byok_only"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_required_key_that_is_refused_is_told_and_ours_is_not_used(world: Owning, claim: str, stream: bool) -> None:
    owner = world.owner(f"refused-{claim}-{stream}")
    key_id = owner.create(WRONG, **{claim: True})

    error = error_of(ask(owner, stream=stream), 403)

    assert "refused your own key sk-..." in error["message"]
    assert f"PATCH /byok/{key_id}" in error["message"]
    assert error["metadata"]["is_byok"] is True
    assert MARK not in error["message"]
    assert owner.usage() == 0
    # Another provider of the model may serve it all the same.
    assert answered(ask(owner, "own/shared"))["provider"] == "Own second"


def test_fallback_keys_come_behind_ours(world: Owning) -> None:
    owner, key = world.owner("fallback"), secret("fallback")
    owner.create(key, is_fallback=True)

    # Every second request for this model fails.
    assert answered(ask(owner, "own/flaky"))["usage"]["is_byok"] is False
    assert key not in world.seen()
    assert answered(ask(owner, "own/flaky"))["usage"]["is_byok"] is True
    assert world.seen()[key] == 1


def test_without_credit_a_customers_own_key_still_answers(world: Owning) -> None:
    with world.without_fee() as free:
        owner = free.owner("no-credit", "0.000000001")
        error_of(ask(owner), 402)
        owner.create(secret("no-credit"))
        response = eventually(lambda: _ok(ask(owner, stream=True)))
        usage = chunks_of(response.text)[-1]["usage"]
        assert (usage["cost"], usage["is_byok"]) == (0, True)
        assert world.seen()[secret("no-credit")] == 1

    # A fee needs credit.
    poor = world.owner("no-credit-for-a-fee", "0.000000001")
    poor.create(secret("no-credit-for-a-fee"))
    error_of(ask(poor), 402)


def _ok(response: httpx2.Response) -> httpx2.Response | None:
    return response if response.status_code == 200 else None


class TestLimits:
    def test_a_limit_leaves_out_what_the_customers_account_pays(self, world: Owning) -> None:
        owner = world.owner("uncounted", key={"limit": 0.0005})
        owner.create(secret("uncounted"), is_required=True)

        for _ in range(3):
            usage = answered(ask(owner, max_tokens=400))["usage"]
        about = eventually(lambda: _spent(owner, 3 * fee(usage)))
        assert nano(about["limit_remaining"]) == nano(0.0005) - 3 * fee(usage)
        assert nano(about["byok_usage"]) == 3 * price(usage)

    def test_a_limit_may_count_it(self, world: Owning) -> None:
        owner = world.owner("counted", key={"limit": 0.001, "include_byok_in_limit": True})
        owner.create(secret("counted"), is_required=True)

        usage = answered(ask(owner, max_tokens=300))["usage"]
        about = eventually(lambda: _spent(owner, fee(usage)))
        assert nano(about["limit_remaining"]) == nano(0.001) - fee(usage) - price(usage)
        error = error_of(ask(owner, max_tokens=600), 403)
        assert "Key limit exceeded" in error["message"]


def _spent(owner: Owner, nano_usd: int) -> Any:
    about = owner.http.get("/key").json()["data"]
    return about if nano(about["usage"]) == nano_usd else None


class TestChanges:
    def test_a_rotated_key_is_used_soon(self, world: Owning) -> None:
        owner = world.owner("rotates")
        key_id = owner.create(secret("rotates-1"), is_required=True)
        answered(ask(owner))

        owner.manager.byok.update(id=key_id, key=secret("rotates-2"))
        eventually(lambda: answered(ask(owner)) and world.seen().get(secret("rotates-2")))
        before = world.seen()[secret("rotates-1")]
        answered(ask(owner))
        assert world.seen()[secret("rotates-1")] == before

    def test_a_deleted_key_is_used_no_more(self, world: Owning) -> None:
        owner = world.owner("deletes")
        key_id = owner.create(secret("deletes"), is_required=True)
        answered(ask(owner))

        owner.manager.byok.delete(id=key_id)
        eventually(lambda: answered(ask(owner))["usage"]["is_byok"] is False)
        before = world.seen()[secret("deletes")]
        answered(ask(owner))
        assert world.seen()[secret("deletes")] == before

    def test_a_new_key_serves_soon(self, world: Owning) -> None:
        owner = world.owner("begins")
        assert answered(ask(owner))["usage"]["is_byok"] is False

        owner.create(secret("begins"))
        eventually(lambda: answered(ask(owner))["usage"]["is_byok"])

    def test_a_disabled_key_rests(self, world: Owning) -> None:
        owner = world.owner("rests")
        key_id = owner.create(secret("rests"), is_byok_only=True)
        assert answered(ask(owner))["usage"]["is_byok"] is True

        owner.manager.byok.update(id=key_id, disabled=True)
        eventually(lambda: answered(ask(owner))["usage"]["is_byok"] is False)


def test_keys_serve_whom_they_are_for(world: Owning) -> None:
    owner = world.owner("lists")
    made = owner.management.post("/keys", json={"name": "Other"}).json()
    owner.create(secret("lists"), is_required=True, allowed_api_key_hashes=[made["data"]["hash"]])

    error = error_of(ask(owner), 404)
    assert error["availability"]["excluded_by"] == ["byok_required"]
    headers = {"authorization": f"Bearer {made['key']}"}
    response = owner.http.post("/chat/completions", json=chat("own/single"), headers=headers)
    assert answered(response)["usage"]["is_byok"] is True


def test_a_key_that_cannot_be_opened_bills_nobody_else(world: Owning) -> None:
    owner = world.owner("sealed")
    world.forget_master_key(True)
    try:
        refused = owner.management.post("/byok", json={"provider": "own-first", "key": secret("sealed")})
        assert error_of(refused, 500)["message"].startswith("Provider keys cannot be stored")
        world.forget_master_key(False)
        owner.create(secret("sealed"))
        world.forget_master_key(True)
        error = error_of(ask(owner), 503)
        assert "cannot be opened" in error["message"]
        # The other provider's capacity is no matter of that key.
        assert answered(ask(owner, "own/shared"))["provider"] == "Own second"
    finally:
        world.forget_master_key(False)
    assert answered(ask(owner))["usage"]["is_byok"] is True


def test_what_is_stored_shows_no_secret(world: Owning) -> None:
    owner = world.owner("stored")
    owner.create(secret("stored"))

    stored = repr(world.parts.byok_items(owner.account_id))

    assert "dem...ored" in stored
    assert MARK not in stored
