"""Presets, from a management key's first request to the model that answers."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from openai import NotFoundError, OpenAI
from openrouter import OpenRouter
from openrouter.errors import NotFoundResponseError

from tests.e2e.asking import WEATHER, error_of, generation, user
from tests.e2e.run import MARK, eventually
from tests.e2e.simulated import WIRES, Simulated


@pytest.fixture
def slug(management_http: httpx2.Client) -> Iterator[str]:
    """One that nobody asked for before: an environment remembers for half a minute what it has read."""
    slug = f"e2e-{secrets.token_hex(4)}"
    yield slug
    assert management_http.delete(f"/presets/{slug}").json() == {"deleted": True}


def put(client: httpx2.Client, path: str, body: dict[str, Any], method: str = "POST") -> Any:
    response = client.request(method, path, json=body)
    assert response.status_code in (200, 201), response.text
    return response.json()["data"]


def test_a_preset_is_created_used_changed_and_gone_back_from(
    management_http: httpx2.Client, openai: OpenAI, http: httpx2.Client, slug: str
) -> None:
    def answer(**members: Any) -> Any:
        return openai.chat.completions.create(**{"model": f"@preset/{slug}", "messages": user(), **members})

    created = put(
        management_http,
        "/presets",
        {"slug": slug, "config": {"model": "demo/chat", "max_tokens": 3}, "system_prompt": f"Be brief. {MARK}"},
    )
    first = answer()
    assert (first.model, first.choices[0].finish_reason) == ("demo/chat", "length")
    assert first.usage.completion_tokens == 3
    assert generation(http, first.id)["preset_id"] == created["id"]
    assert answer(max_tokens=5).usage.completion_tokens == 5
    # Longer by the preset's words to the model.
    plain = answer(model="demo/chat", max_tokens=3)
    assert first.usage.prompt_tokens > plain.usage.prompt_tokens

    changed = put(management_http, f"/presets/{slug}", {"config": {"model": "demo/chat", "max_tokens": 4}}, "PATCH")
    assert changed["designated_version"]["version"] == 2


def test_embeddings_name_one_too(management_http: httpx2.Client, http: httpx2.Client, slug: str) -> None:
    config = {"model": "demo/embed", "temperature": 0.5}
    created = put(management_http, "/presets", {"slug": slug, "config": config, "system_prompt": "Be brief."})
    answer = http.post("/embeddings", json={"preset": slug, "input": "Hello"}).json()
    assert answer["model"] == "demo/embed"
    assert generation(http, answer["id"])["preset_id"] == created["id"]


def test_a_version_that_was_gone_back_to_is_used(management_http: httpx2.Client, openai: OpenAI, slug: str) -> None:
    put(management_http, "/presets", {"slug": slug, "config": {"model": "demo/chat", "max_tokens": 3}})
    put(management_http, f"/presets/{slug}", {"config": {"model": "demo/chat", "max_tokens": 4}}, "PATCH")
    put(management_http, f"/presets/{slug}", {"designated_version": 1}, "PATCH")
    streamed = list(openai.chat.completions.create(model=f"@preset/{slug}", messages=user(), stream=True))
    assert streamed[-1].usage is not None
    assert streamed[-1].usage.completion_tokens == 3
    assert {chunk.model for chunk in streamed} == {"demo/chat"}


def test_a_change_takes_effect_while_requests_come(sim: Simulated) -> None:
    def tokens() -> int:
        answer = sim.openai.chat.completions.create(model="@preset/changing", messages=user())
        assert answer.usage is not None
        return answer.usage.completion_tokens

    for limit in (3, 4):
        body = {"model": "sim/openai_compatible", "max_tokens": limit}
        put(sim.http, "/presets/changing/chat/completions", body)
        eventually(lambda limit=limit: tokens() == limit)


def test_openrouters_sdk_keeps_a_request_and_reads_it_back(
    openrouter: OpenRouter, manager: OpenRouter, openai: OpenAI, slug: str
) -> None:
    kept = openrouter.presets.create_presets_chat_completions(
        slug=slug, model="demo/chat", temperature=0.5, messages=[{"role": "system", "content": f"Be brief. {MARK}"}]
    ).data
    assert kept.designated_version is not None
    assert (kept.status, kept.designated_version.system_prompt) == ("active", f"Be brief. {MARK}")
    again = openrouter.presets.create_presets_responses(slug=slug, model="demo/chat", input="x", temperature=0.6).data
    assert again.designated_version is not None
    assert again.designated_version.version == 2

    assert manager.presets.get(slug=slug).data == again
    listed = manager.presets.list()
    assert listed is not None
    assert slug in [preset.slug for preset in listed.result.data]
    versions = manager.presets.list_versions(slug=slug)
    assert versions is not None
    assert [version.version for version in versions.result.data if version] == [1, 2]
    assert manager.presets.get_version(slug=slug, version="1").data == kept.designated_version
    answer = openai.chat.completions.create(model="demo/chat", messages=user(), extra_body={"preset": slug})
    assert answer.model == "demo/chat"


def test_one_that_there_is_not_is_named(openai: OpenAI, manager: OpenRouter, http: httpx2.Client) -> None:
    with pytest.raises(NotFoundError, match="There is no preset none-such"):
        openai.chat.completions.create(model="@preset/none-such", messages=user())
    with pytest.raises(NotFoundResponseError):
        manager.presets.get(slug="none-such")
    error = error_of(http.post("/presets", json={"slug": "x"}), 403)
    assert "management keys" in error["message"]


def test_every_wire_gets_both_system_prompts_and_all_tools(sim: Simulated, management_http: httpx2.Client) -> None:
    other = {**WEATHER, "function": {**WEATHER["function"], "name": "get_time"}}
    slug = "every-wire"
    body = {"messages": [{"role": "system", "content": f"First {MARK}"}], "tools": [other]}
    put(sim.http, f"/presets/{slug}/chat/completions", body)
    for wire in WIRES:
        sim.forget()
        answer: Any = sim.openai.chat.completions.create(
            model=f"sim/{wire}@preset/{slug}",
            messages=[{"role": "system", "content": f"Second {MARK}"}, *user()],
            tools=[WEATHER],
            tool_choice="none",
        )
        assert answer.model == f"sim/{wire}"
        [request] = sim.requests()
        sent = str(request["body"])
        assert "refused" not in request
        assert 0 <= sent.find(f"First {MARK}") < sent.find(f"Second {MARK}"), wire


@pytest.mark.parametrize("skin", ["messages", "responses", "completions"])
def test_every_skin_takes_one(sim: Simulated, skin: str) -> None:
    put(sim.http, "/presets/skins/messages", {"model": "sim/openai_compatible", "max_tokens": 5, "temperature": 0.5})
    model, prompt = "@preset/skins", f"Hello {MARK}"
    answer: Any
    if skin == "messages":
        # Its SDK insists on a limit.
        answer = sim.http.post("/messages", json={"model": model, "messages": user()}).json()
    elif skin == "responses":
        answer = sim.openai.responses.create(model=model, input=prompt).to_dict()
    else:
        answer = sim.openai.completions.create(model=model, prompt=prompt).to_dict()
    assert answer["model"] == "sim/openai_compatible"
    [request] = sim.requests()
    sent = request["body"]
    assert (sent.get("max_completion_tokens", sent.get("max_tokens")), sent["temperature"]) == (5, 0.5)
