"""/presets through the app: the shapes of the reference, and what a preset may say."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openrouter import components

from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.api.presets.bodies import keep_chat, keep_messages, keep_responses
from turnpike.api.presets.config import parse_config, template_of
from turnpike.api.presets.routes import routes
from turnpike.domain.api_keys import ApiKey, KeyRole, hash_secret, label_of
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import MOST_PRESETS, MOST_VERSIONS
from turnpike.services.authenticate import Authenticate
from turnpike.services.manage_presets import ManagePresets

from tests.asgi import AsgiClient
from tests.contracts.presets import new_preset
from tests.fake_presets import InMemoryPresets
from tests.fakes import InMemoryApiKeys
from tests.junk import JUNK, places, with_junk

NOW = 1_795_500_000  # 2026-11-24T06:00:00Z
MINE, OTHERS = AccountId("acct-mine"), AccountId("acct-others")
MANAGEMENT, INFERENCE, FOREIGN = (f"sk-or-v1-{letter * 64}" for letter in "abc")
TOOL: Mapping[str, Any] = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CONFIG: dict[str, Any] = {
    "model": "acme/chat",
    "models": ["acme/other"],
    "provider": {"sort": "price", "max_price": {"prompt": "1"}},
    "plugins": [{"id": "response-healing"}],
    "temperature": 0.5,
    "max_tokens": 100,
    "stop": ["END"],
    "tools": [TOOL],
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "cache_enabled": True,
    "cache_ttl_seconds": 60,
}


class Office:
    """The app over fakes, at a clock that is set by hand."""

    def __init__(self, *, is_on: bool = True) -> None:
        self.now_s = NOW
        self.store = InMemoryPresets()
        api_keys = InMemoryApiKeys(
            stored_key(MANAGEMENT, MINE, "management"),
            stored_key(INFERENCE, MINE, "inference"),
            stored_key(FOREIGN, OTHERS, "management"),
        )
        guard = Guard(Authenticate(api_keys, ttl_s=0, now=lambda: NOW))
        manage = ManagePresets(self.store, now=lambda: self.now_s)
        self.app = Edge(routes(guard, (lambda: manage) if is_on else None))
        self.client = AsgiClient(self.app, MANAGEMENT)

    def as_key(self, secret: str) -> AsgiClient:
        return AsgiClient(self.app, secret)

    async def create(self, slug: str = "mine", **fields: Any) -> Mapping[str, Any]:
        response = await self.client.post("/presets", {"slug": slug, "config": CONFIG, **fields})
        assert response.status_code == 201, response.text
        return told(response)


def told(response: Any) -> Mapping[str, Any]:
    assert response.status_code in (200, 201), response.text
    components.GetPresetResponse.model_validate(response.json())
    data: Mapping[str, Any] = response.json()["data"]
    return data


def refused(response: Any, status: int = 400) -> str:
    assert response.status_code == status, response.text
    message: str = response.json()["error"]["message"]
    return message


def stored_key(secret: str, account_id: AccountId, role: KeyRole) -> ApiKey:
    return ApiKey(hash_secret(secret), account_id, role.title(), label_of(secret), role)


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.mark.anyio
class TestManaging:
    async def test_a_new_preset_is_as_the_reference_has_it(self, office: Office) -> None:
        created = await office.create(name="Mine", description="For all", system_prompt="Be brief.")

        version = created["designated_version"]
        assert created == {
            "id": created["id"],
            "slug": "mine",
            "name": "Mine",
            "description": "For all",
            "status": "active",
            "creator_user_id": MINE,
            "workspace_id": MINE,
            "designated_version_id": version["id"],
            "created_at": "2026-11-24T06:00:00Z",
            "updated_at": "2026-11-24T06:00:00Z",
            "status_updated_at": None,
            "designated_version": {
                "id": version["id"],
                "preset_id": created["id"],
                "version": 1,
                "system_prompt": "Be brief.",
                "config": CONFIG,
                "creator_id": MINE,
                "created_at": "2026-11-24T06:00:00Z",
                "updated_at": "2026-11-24T06:00:00Z",
            },
        }
        assert told(await office.client.get("/presets/mine")) == created

    async def test_a_slug_is_taken_once(self, office: Office) -> None:
        await office.create()
        again = await office.client.post("/presets", {"slug": "mine"})
        assert refused(again, 409) == "there is a preset of this slug"

    async def test_every_change_of_what_it_says_is_a_version(self, office: Office) -> None:
        first = await office.create(system_prompt="Be brief.")
        office.now_s += 60
        second = told(await office.client.patch("/presets/mine", {"config": {"model": "acme/new"}}))
        third = told(await office.client.patch("/presets/mine", {"system_prompt": None}))

        assert (second["designated_version"]["version"], second["designated_version"]["config"]) == (
            2,
            {"model": "acme/new"},
        )
        assert second["designated_version"]["system_prompt"] == "Be brief."
        assert second["updated_at"] == "2026-11-24T06:01:00Z"
        assert third["designated_version"]["system_prompt"] is None
        listed = (await office.client.get("/presets/mine/versions")).json()
        components.ListPresetVersionsResponse.model_validate(listed)
        assert listed["total_count"] == 3
        assert listed["data"] == [each["designated_version"] for each in (first, second, third)]
        one = (await office.client.get("/presets/mine/versions/1")).json()
        components.GetPresetVersionResponse.model_validate(one)
        assert one["data"] == first["designated_version"]

    async def test_what_changes_nothing_is_no_version(self, office: Office) -> None:
        created = await office.create()
        office.now_s += 60
        assert told(await office.client.patch("/presets/mine", {"config": CONFIG})) == created

    async def test_an_older_version_can_be_gone_back_to(self, office: Office) -> None:
        first = await office.create()
        await office.client.patch("/presets/mine", {"config": {"model": "acme/new"}})
        back = told(await office.client.patch("/presets/mine", {"designated_version": 1}))
        assert back["designated_version"] == first["designated_version"]
        next_one = told(await office.client.patch("/presets/mine", {"config": {"model": "acme/third"}}))
        assert next_one["designated_version"]["version"] == 3
        missing = await office.client.patch("/presets/mine", {"designated_version": 9})
        assert refused(missing, 404) == "Version not found"

    async def test_names_and_states_change_without_a_version(self, office: Office) -> None:
        created = await office.create()
        office.now_s += 60
        changed = told(
            await office.client.patch("/presets/mine", {"name": "New", "description": "D", "status": "disabled"})
        )
        assert (changed["name"], changed["description"], changed["status"]) == ("New", "D", "disabled")
        assert changed["status_updated_at"] == "2026-11-24T06:01:00Z"
        assert changed["designated_version"] == created["designated_version"]

    async def test_a_deleted_one_is_gone(self, office: Office) -> None:
        await office.create()
        assert (await office.client.delete("/presets/mine")).json() == {"deleted": True}
        for path in ("/presets/mine", "/presets/mine/versions", "/presets/mine/versions/1"):
            assert refused(await office.client.get(path), 404) == "Preset not found"
        assert refused(await office.client.delete("/presets/mine"), 404) == "Preset not found"
        assert (await office.create())["designated_version"]["version"] == 1

    async def test_a_list_comes_in_pages(self, office: Office) -> None:
        for slug in ("a", "b", "c"):
            office.now_s += 1
            await office.create(slug)
        page = (await office.client.get("/presets?offset=1&limit=1")).json()
        components.ListPresetsResponse.model_validate(page)
        assert ([each["slug"] for each in page["data"]], page["total_count"]) == (["b"], 3)
        assert "designated_version" not in page["data"][0]
        assert refused(await office.client.get("/presets?limit=101")) == "limit: must be from 1 to 100"

    async def test_other_accounts_see_nothing(self, office: Office) -> None:
        await office.create()
        foreign = office.as_key(FOREIGN)
        assert (await foreign.get("/presets")).json() == {"data": [], "total_count": 0}
        refused(await foreign.get("/presets/mine"), 404)
        refused(await foreign.patch("/presets/mine", {"name": "Theirs"}), 404)
        refused(await foreign.delete("/presets/mine"), 404)
        assert (await office.client.get("/presets/mine")).status_code == 200

    async def test_any_key_reads_and_makes_one_of_a_request_and_no_more(self, office: Office) -> None:
        await office.create()
        inference = office.as_key(INFERENCE)
        for path in ("/presets", "/presets/mine", "/presets/mine/versions", "/presets/mine/versions/1"):
            assert (await inference.get(path)).status_code == 200
        assert told(await inference.post("/presets/mine/chat/completions", {"temperature": 0}))
        for refusal in (
            await inference.post("/presets", {"slug": "other"}),
            await inference.patch("/presets/mine", {"name": "x"}),
            await inference.delete("/presets/mine"),
        ):
            assert refused(refusal, 403).startswith("Only management keys")

    async def test_a_deployment_may_keep_none(self) -> None:
        client = Office(is_on=False).client
        for response in (await client.get("/presets"), await client.post("/presets/x/messages", {})):
            assert "TURNPIKE_PRESETS_TABLE" in refused(response, 404)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"slug": "a/b"}, "slug: it may have 64 letters, digits and . _ ~ -, and begins with a letter or a digit"),
            ({"slug": "a" * 65}, "slug: it may have"),
            ({"config": {"temprature": 1}}, "config.temprature: is nothing that a preset can set; it sets "),
            ({"config": {"messages": []}}, "config.messages: is nothing that a preset can set"),
            ({"config": {"temperature": 3}}, "config.temperature: Input should be less than or equal to 2"),
            ({"config": {"provider": {"onyl": []}}}, "config.provider.onyl: Extra inputs are not permitted"),
            (
                {"config": {"provider": {"max_price": {"prompt": "x"}}}},
                "config.provider.max_price.prompt: give",
            ),
            ({"config": {"plugins": [{"id": "none-such"}]}}, "config.plugins.0.id: "),
            ({"config": {"tools": [{"type": "function"}]}}, "config.tools.0.function: Field required"),
            ({"config": {"model": "@preset/other"}}, "config.model: a preset cannot refer to a preset"),
            ({"config": {"models": ["a/b@preset/other"]}}, "config.models: a/b@preset/other is no model"),
            ({"config": {"cache_ttl_seconds": 0}}, "config.cache_ttl_seconds: Input should be greater"),
            ({"config": {"cache_enabled": "yes"}}, "config.cache_enabled: Input should be a valid boolean"),
            ({"config": []}, "config: Input should be a valid dictionary"),
            ({"system_prompt": ""}, "system_prompt: String should have at least 1 character"),
            ({"system_prompt": "x" * 100_001}, "a preset may have 100 KB in all; send less"),
            ({"name": ""}, "name: "),
            ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ],
    )
    async def test_what_cannot_be_is_refused_when_it_is_written(
        self, office: Office, fields: dict[str, Any], said: str
    ) -> None:
        response = await office.client.post("/presets", {"slug": "mine", **fields})
        assert refused(response).startswith(said)
        if "slug" not in fields:
            await office.create()
            assert refused(await office.client.patch("/presets/mine", fields)).startswith(said)

    async def test_an_empty_change_and_two_at_once_are_refused(self, office: Office) -> None:
        await office.create()
        assert refused(await office.client.patch("/presets/mine", {})) == "No update fields provided"
        both = await office.client.patch("/presets/mine", {"designated_version": 1, "config": {}})
        assert refused(both).startswith("designated_version: go back to a version or change what is said")

    async def test_there_is_a_most_of_presets_and_of_versions(self, office: Office) -> None:
        for number in range(MOST_PRESETS - 1):
            office.store.create(new_preset(MINE, f"preset-{number}"))
        office.store.create(new_preset(MINE, "worn", latest=MOST_VERSIONS))
        assert "200 presets" in refused(await office.client.post("/presets", {"slug": "mine"}))
        assert "200 presets" in refused(await office.client.post("/presets/mine/messages", {}))
        assert "1000 versions" in refused(await office.client.patch("/presets/worn", {"config": {"seed": 1}}))


@pytest.mark.anyio
class TestKeepingRequests:
    async def test_a_chat_is_kept_without_its_conversation(self, office: Office) -> None:
        body = {
            **{"model": "acme/chat", "temperature": 0.7, "provider": {"sort": "price"}, "tools": [TOOL]},
            **{"max_completion_tokens": 50, "reasoning_effort": "low", "plugins": [{"id": "response-healing"}]},
            **{"stream": True, "user": "u", "session_id": "s", "seed": None, "unknown": 1, "prompt_cache_key": "k"},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": [{"type": "text", "text": "And kind."}]},
                {"role": "user", "content": "Hello"},
                {"role": "system", "content": "Not this."},
            ],
        }
        kept = told(await office.client.post("/presets/mine/chat/completions", body))
        assert (kept["name"], kept["designated_version"]["version"]) == ("mine", 1)
        assert kept["designated_version"]["system_prompt"] == "Be brief.\n\nAnd kind."
        assert kept["designated_version"]["config"] == {
            **{"model": "acme/chat", "temperature": 0.7, "provider": {"sort": "price"}, "tools": [TOOL]},
            **{"max_tokens": 50, "reasoning": {"effort": "low"}, "plugins": [{"id": "response-healing"}]},
        }

    async def test_a_second_request_is_a_second_version(self, office: Office) -> None:
        for model, version in (("acme/chat", 1), ("acme/new", 2), ("acme/new", 2)):
            kept = told(await office.client.post("/presets/mine/chat/completions", {"model": model}))
            assert kept["designated_version"]["version"] == version
            assert kept["designated_version"]["config"] == {"model": model}

    async def test_anthropics_messages_are_kept_as_a_chat(self, office: Office) -> None:
        body = {
            **{"model": "acme/chat", "max_tokens": 1024, "system": "Review.", "stop_sequences": ["END"], "top_k": 3},
            **{"thinking": {"type": "enabled", "budget_tokens": 2048}, "fallbacks": [{"model": "acme/other"}]},
            "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "messages": [{"role": "user", "content": "Hello"}],
        }
        kept = told(await office.client.post("/presets/mine/messages", body))["designated_version"]
        assert kept["system_prompt"] == "Review."
        assert kept["config"] == {
            **{"model": "acme/chat", "models": ["acme/other"], "max_tokens": 1024, "stop": ["END"], "top_k": 3},
            **{"reasoning": {"max_tokens": 2048}, "tools": [TOOL], "tool_choice": "required"},
            "parallel_tool_calls": False,
        }

    async def test_responses_are_kept_as_a_chat(self, office: Office) -> None:
        body = {
            **{"model": "acme/chat", "input": "Refund!", "instructions": "Classify.", "max_output_tokens": 9},
            **{"reasoning": {"effort": "high"}, "text": {"verbosity": "low", "format": {"type": "json_object"}}},
            "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
        }
        kept = told(await office.client.post("/presets/mine/responses", body))["designated_version"]
        assert kept["system_prompt"] == "Classify."
        assert kept["config"] == {
            **{"model": "acme/chat", "max_tokens": 9, "reasoning": {"effort": "high"}, "verbosity": "low"},
            **{"response_format": {"type": "json_object"}, "tools": [TOOL]},
        }

    @pytest.mark.parametrize("skin", ["chat/completions", "messages", "responses"])
    async def test_a_parameter_alone_will_do(self, office: Office, skin: str) -> None:
        kept = told(await office.client.post(f"/presets/mine/{skin}", {"temperature": 0.2}))
        assert kept["designated_version"]["config"] == {"temperature": 0.2}
        assert kept["designated_version"]["system_prompt"] is None

    @pytest.mark.parametrize(
        ("skin", "body", "said"),
        [
            ("chat/completions", {"temperature": 3}, "temperature: Input should be less than or equal to 2"),
            ("chat/completions", {"messages": [{"role": "x"}]}, "messages.0: 'role' should be one of"),
            ("chat/completions", {"model": "@preset/other"}, "model: a preset cannot refer to a preset"),
            ("chat/completions", {"preset": "other"}, "preset: a preset cannot refer to a preset"),
            ("messages", {"fallbacks": [{"model": 1}]}, "fallbacks.0.model: Input should be a valid string"),
            ("messages", {"models": ["a/b"], "fallbacks": [{"model": "a/c"}]}, "fallbacks: send either"),
            ("messages", {"system": "x" * 100_001}, "a preset may have 100 KB in all"),
            ("messages", {"tools": [{"name": "x" * 65, "input_schema": {}}]}, "tools.0.function.name: "),
            ("responses", {"store": True}, "store: nothing is stored here"),
        ],
    )
    async def test_what_could_not_be_asked_is_not_kept(
        self, office: Office, skin: str, body: dict[str, Any], said: str
    ) -> None:
        assert refused(await office.client.post(f"/presets/mine/{skin}", body)).startswith(said)
        refused(await office.client.get("/presets/mine"), 404)

    async def test_its_slug_is_checked(self, office: Office) -> None:
        assert refused(await office.client.post("/presets/-/messages", {})).startswith("slug: it may have")


def test_a_number_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="too large"):
        keep_chat({"seed": 2**64})


CHAT_BODY = {**{name: value for name, value in CONFIG.items() if not name.startswith("cache_")}}


@given(place=st.sampled_from(list(places(CONFIG))), junk=JUNK, leave_out=st.booleans())
def test_what_is_stored_can_always_be_asked(place: tuple[Any, ...], junk: Any, leave_out: bool) -> None:
    config = with_junk(CONFIG, place, junk, leave_out=leave_out)
    try:
        kept = parse_config(config)
    except InvalidRequest:
        return
    assert template_of(kept).messages


@given(place=st.sampled_from(list(places(CHAT_BODY))), junk=JUNK, leave_out=st.booleans())
def test_what_is_kept_of_a_request_can_always_be_asked(place: tuple[Any, ...], junk: Any, leave_out: bool) -> None:
    body = with_junk(CHAT_BODY, place, junk, leave_out=leave_out)
    for keep in (keep_chat, keep_messages, keep_responses):
        with suppress(InvalidRequest):
            content = keep(body)
            assert parse_config(content.config) == content.config
            assert template_of(content.config).messages
