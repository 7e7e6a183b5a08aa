"""Requests that name a preset, in every skin, with a scripted provider and everything else in memory."""

from dataclasses import replace
from typing import Any

import pytest

from turnpike.api.presets.expand import ExpandPreset
from turnpike.domain.catalog import FixedCatalog
from turnpike.domain.chat import ChatRequest
from turnpike.domain.presets import Preset
from turnpike.services.find_preset import FindPreset
from turnpike.services.response_cache import AnswerFromCache

from tests.chat_client import Answer, Client
from tests.contracts.presets import changed, new_preset, new_version, said_anew
from tests.fake_presets import InMemoryPresets
from tests.fake_stores import InMemoryCachedAnswers
from tests.scenario import ACCOUNT, World, endpoint, text

pytestmark = pytest.mark.anyio

USER = {"role": "user", "content": "Hello"}
SKINS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/chat/completions", {"messages": [USER]}),
    "messages": ("/messages", {"messages": [USER]}),
    "responses": ("/responses", {"input": "Hello"}),
    "completions": ("/completions", {"prompt": "Hello"}),
}
EVERY_SKIN = pytest.mark.parametrize("skin", SKINS)
OTHER = "acme/other"


def tool(name: str, description: str = "") -> dict[str, Any]:
    function = {"name": name, "parameters": {"type": "object"}}
    return {"type": "function", "function": {**function, "description": description} if description else function}


def preset(system_prompt: str | None = None, **config: Any) -> Preset:
    said = {"model": "acme/chat", "max_tokens": 40, **config}
    config = {name: value for name, value in said.items() if value is not None}
    return new_preset(ACCOUNT, "mine", designated=new_version(config=config, system_prompt=system_prompt))


class Asker:
    """Asks models that one provider serves, with one preset in the account. `now_s` is the preset's clock."""

    def __init__(self, kept: Preset, **options: Any) -> None:
        self.store = InMemoryPresets(kept)
        self.now_s = 0.0
        self.world = World({"one": [text("Hi")]}, endpoint(), endpoint(model=OTHER))
        find = FindPreset(self.store, ttl_s=30, now=lambda: self.now_s)
        self.client = Client(self.world, expand=ExpandPreset(find), **options)

    async def ask(self, skin: str = "chat", headers: Any = None, **members: Any) -> Answer:
        path, body = SKINS[skin]
        return await self.client.post({**body, **members}, path=f"/api/v1{path}", headers=headers)

    async def request(self, skin: str = "chat", **members: Any) -> ChatRequest:
        """As the provider was asked."""
        answer = await self.ask(skin, **members)
        assert answer.status == 200, answer.body
        return self.world.upstream.calls[-1][1]


def said(request: ChatRequest) -> dict[str, Any]:
    """Its parameters, but for what skins that show no images say of themselves."""
    return {name: value for name, value in request.parameters.items() if (name, value) != ("modalities", ["text"])}


@EVERY_SKIN
@pytest.mark.parametrize(
    "named", [{"model": "@preset/mine"}, {"preset": "mine"}, {"model": "acme/chat@preset/mine"}], ids=str
)
async def test_it_is_named_in_three_ways(skin: str, named: dict[str, str]) -> None:
    asker = Asker(preset("Be brief.", temperature=0.3))
    answer = await asker.ask(skin, **named)

    assert answer.status == 200, answer.body
    assert answer.json["model"] == "acme/chat"
    [(_, request)] = asker.world.upstream.calls
    assert request.models == ("acme/chat",)
    assert [message["role"] for message in request.messages] == ["system", "user"]
    assert request.messages[0]["content"] == "Be brief."
    assert (said(request), request.max_tokens) == ({"temperature": 0.3}, 40)
    [(generation, _)] = asker.world.sent_events()
    found = asker.store.find(ACCOUNT, "mine")
    assert found is not None
    assert generation.preset_id == found.id


@EVERY_SKIN
async def test_a_stream_names_the_model_that_answers(skin: str) -> None:
    answer = await Asker(preset()).ask(skin, model="@preset/mine", stream=True)
    assert answer.status == 200
    assert b'"model":"acme/chat"' in answer.body
    assert b"@preset" not in answer.body


@EVERY_SKIN
async def test_the_requests_own_members_win(skin: str) -> None:
    limit = "max_output_tokens" if skin == "responses" else "max_tokens"
    asker = Asker(preset(temperature=0.3, top_p=0.5, provider={"sort": "price", "zdr": True}))
    request = await asker.request(
        skin, model=f"{OTHER}@preset/mine", temperature=0.9, provider={"sort": "latency"}, **{limit: 7}
    )

    assert request.models == (OTHER,)
    assert said(request) == {"temperature": 0.9, "top_p": 0.5}
    assert request.max_tokens == 7
    # Whole members, not what is in them.
    assert (request.provider.sort, request.provider.zdr) == ("latency", False)


@pytest.mark.parametrize("skin", ["messages", "completions"])
async def test_nothing_is_drawn_where_the_answer_has_no_place_for_it(skin: str) -> None:
    for config in ({}, {"modalities": ["image", "text"]}):
        assert (await Asker(preset(**config)).request(skin, preset="mine")).parameters["modalities"] == ["text"]
    assert (await Asker(preset()).request(skin, model="acme/chat", max_tokens=9)).parameters["modalities"] == ["text"]


@pytest.mark.parametrize("skin", ["messages", "completions"])
async def test_a_model_that_only_draws_is_a_404_that_names_the_model(skin: str) -> None:
    asker = Asker(preset())
    asker.world.catalog = FixedCatalog(
        [replace(model, output_modalities=("image",)) for model in asker.world.catalog.models],
        asker.world.catalog.providers,
    )
    error = (await asker.ask(skin, model="acme/chat", max_tokens=9)).json["error"]
    assert "The model gives image; GET /models?output_modalities=text lists others" in error["message"]
    assert asker.world.upstream.calls == []


@EVERY_SKIN
async def test_models_provider_and_plugins_come_from_the_preset(skin: str) -> None:
    config = {"models": [OTHER], "provider": {"sort": "price"}, "plugins": [{"id": "response-healing"}]}
    request = await Asker(preset(**config)).request(skin, preset="mine", provider=None, plugins=None)
    assert request.models == ("acme/chat", OTHER)
    assert request.provider.sort == "price"
    assert request.response_healing


@EVERY_SKIN
async def test_what_a_skin_has_no_words_for_comes_too(skin: str) -> None:
    config = {"seed": 7, "min_p": 0.1, "reasoning_effort": "low", "transforms": ["middle-out"]}
    request = await Asker(preset(**config)).request(skin, preset="mine")
    assert said(request) == {"seed": 7, "min_p": 0.1, "reasoning": {"effort": "low"}}
    assert request.context_compression is True


async def test_tools_are_united_by_name_the_presets_first() -> None:
    asker = Asker(preset(tools=[tool("a"), tool("b", "the preset's")], tool_choice="required"))
    request = await asker.request(preset="mine", tools=[tool("c"), tool("b", "the request's")], tool_choice="auto")
    assert request.parameters["tools"] == [tool("a"), tool("b", "the request's"), tool("c")]
    assert request.parameters["tool_choice"] == "auto"


async def test_tools_of_other_skins_are_united_too() -> None:
    asker = Asker(preset(tools=[tool("a")]))
    anthropics = {"name": "b", "input_schema": {"type": "object"}}
    request = await asker.request("messages", preset="mine", tools=[anthropics])
    assert request.parameters["tools"] == [tool("a"), tool("b")]
    openais = {"type": "function", "name": "b", "parameters": {"type": "object"}}
    request = await asker.request("responses", preset="mine", tools=[openais])
    assert request.parameters["tools"] == [tool("a"), tool("b")]


async def test_a_text_completion_takes_no_tools() -> None:
    config = {"tools": [tool("a")], "tool_choice": "required", "parallel_tool_calls": False, "seed": 1}
    request = await Asker(preset(**config)).request("completions", preset="mine")
    assert said(request) == {"seed": 1}


async def test_every_prompt_of_several_has_the_preset() -> None:
    asker = Asker(preset("Be brief.", seed=1))
    await asker.ask("completions", model="@preset/mine", prompt=["a", "b"])
    said = [[message["content"] for message in request.messages] for _, request in asker.world.upstream.calls]
    assert sorted(said) == [["Be brief.", "a"], ["Be brief.", "b"]]
    assert asker.store.reads == 1


@pytest.mark.parametrize(
    ("skin", "members"),
    [
        ("chat", {"messages": [{"role": "system", "content": "Be kind."}, USER]}),
        ("messages", {"system": "Be kind."}),
        ("responses", {"instructions": "Be kind."}),
    ],
)
async def test_its_system_prompt_goes_before_the_requests(skin: str, members: dict[str, Any]) -> None:
    request = await Asker(preset("Be brief.")).request(skin, preset="mine", **members)
    assert [message["content"] for message in request.messages[:2]] == ["Be brief.", "Be kind."]


async def test_tokens_are_counted_with_the_preset() -> None:
    asker = Asker(preset("Be brief. " * 100))
    counts = []
    for model in ("acme/chat", "@preset/mine"):
        body = {"model": model, "messages": [USER]}
        answer = await asker.client.post(body, path="/api/v1/messages/count_tokens")
        counts.append(answer.json["input_tokens"])
    assert counts[1] - counts[0] > 200


async def test_anthropics_clients_may_leave_max_tokens_to_it() -> None:
    assert (await Asker(preset()).request("messages", preset="mine")).max_tokens == 40
    without = await Asker(preset(max_tokens=None)).ask("messages", preset="mine")
    assert without.json["error"]["message"] == "max_tokens: Field required; it limits the answer"


async def test_fallbacks_of_anthropics_clients_are_the_requests_models() -> None:
    request = await Asker(preset(models=["acme/none"])).request("messages", preset="mine", fallbacks=[{"model": OTHER}])
    assert request.models == ("acme/chat", OTHER)


async def test_a_new_version_is_used_within_half_a_minute() -> None:
    was = preset(seed=1)
    asker = Asker(was)
    assert (await asker.request(preset="mine")).parameters == {"seed": 1}
    asker.store.replace(said_anew(was, config={"model": "acme/chat", "seed": 2}), was=was)
    asker.now_s = 29
    assert (await asker.request(preset="mine")).parameters == {"seed": 1}
    asker.now_s = 30
    assert (await asker.request(preset="mine")).parameters == {"seed": 2}


async def test_who_names_none_pays_nothing() -> None:
    asker = Asker(preset())
    for members in ({"model": "acme/chat"}, {"model": "acme/chat", "preset": None}):
        assert (await asker.request(**members)).preset_id is None
    assert asker.store.reads == 0


@EVERY_SKIN
@pytest.mark.parametrize(
    ("members", "status", "said"),
    [
        ({"model": "@preset/none"}, 404, "There is no preset none"),
        ({"preset": "none", "model": "acme/chat"}, 404, "There is no preset none"),
        ({"preset": 1}, 400, "preset: send the preset's slug, as text"),
        ({"preset": ""}, 400, "preset: this is no preset's slug"),
        ({"model": "@preset/a/b"}, 400, "preset: this is no preset's slug"),
        ({"model": "@preset/mine", "preset": "other"}, 400, "preset: the model names another preset"),
        ({"model": "none/such@preset/mine"}, 400, "none/such is not a valid model ID"),
        (
            {"models": ["acme/chat", "@preset/mine"], "max_tokens": 9},
            400,
            "models: @preset/mine is no model; a request",
        ),
        ({"models": ["acme/chat@preset/mine"], "preset": "mine"}, 400, "models: acme/chat@preset/mine is no model"),
    ],
    ids=str,
)
async def test_what_cannot_be_is_told(skin: str, members: dict[str, Any], status: int, said: str) -> None:
    answer = await Asker(preset()).ask(skin, **members)
    assert answer.status == status
    assert answer.json["error"]["message"].startswith(said)
    assert ("type" in answer.json) is (skin == "messages")


async def test_a_preset_without_a_model_needs_one_beside_it() -> None:
    asker = Asker(preset(model=None, seed=3))
    assert (await asker.request(model="acme/chat@preset/mine")).parameters == {"seed": 3}
    assert (await asker.request(models=[OTHER], preset="mine")).models == (OTHER,)
    answer = await asker.ask(model="@preset/mine")
    assert answer.status == 400
    assert answer.json["error"]["message"] == (
        "model: the preset mine names no model; name one beside it, as in author/name@preset/mine"
    )


async def test_one_that_is_disabled_answers_nobody() -> None:
    answer = await Asker(changed(preset(), status="disabled")).ask(preset="mine")
    assert (answer.status, answer.json["error"]["message"]) == (
        404,
        "The preset mine is disabled; its status has to be active",
    )


async def test_a_deployment_may_keep_none() -> None:
    answer = await Client(World({"one": [text("Hi")]})).post({"model": "@preset/mine", "messages": [USER]})
    assert answer.status == 404
    assert "TURNPIKE_PRESETS_TABLE" in answer.json["error"]["message"]


class TestResponseCache:
    def asker(self, kept: Preset) -> Asker:
        cache = AnswerFromCache(InMemoryCachedAnswers(), World({}).ledger, lambda _: None, now=lambda: 1_795_521_600.0)
        return Asker(kept, find_answer=cache)

    async def told(self, asker: Asker, **headers: str) -> tuple[str | None, str | None]:
        answer = await asker.ask(model="@preset/mine", headers=headers)
        assert answer.status == 200
        return answer.headers.get("x-openrouter-cache-status"), answer.headers.get("x-openrouter-cache-ttl")

    async def test_a_preset_turns_it_on(self) -> None:
        asker = self.asker(preset(cache_enabled=True, cache_ttl_seconds=60))
        assert await self.told(asker) == ("MISS", "60")
        assert await self.told(asker) == ("HIT", "60")

    async def test_a_preset_that_turns_it_off_is_obeyed(self) -> None:
        asker = self.asker(preset(cache_enabled=False))
        assert await self.told(asker, **{"x-openrouter-cache": "true"}) == (None, None)

    async def test_a_header_turns_it_off_and_sets_the_time(self) -> None:
        asker = self.asker(preset(cache_enabled=True, cache_ttl_seconds=60))
        assert await self.told(asker, **{"x-openrouter-cache": "false"}) == (None, None)
        on = {"x-openrouter-cache": "true"}
        assert await self.told(asker, **on) == ("MISS", "60")
        assert await self.told(asker, **on, **{"x-openrouter-cache-ttl": "90", "x-openrouter-cache-clear": "true"}) == (
            "MISS",
            "90",
        )

    async def test_a_header_is_enough_where_the_preset_says_nothing(self) -> None:
        asker = self.asker(preset())
        assert await self.told(asker) == (None, None)
        assert await self.told(asker, **{"x-openrouter-cache": "true"}) == ("MISS", "300")

    async def test_a_new_version_is_asked_anew(self) -> None:
        was = preset(cache_enabled=True)
        asker = self.asker(was)
        await self.told(asker)
        asker.store.replace(said_anew(was, config={**was.designated.config, "seed": 1}), was=was)
        asker.now_s = 30
        assert await self.told(asker) == ("MISS", "300")
