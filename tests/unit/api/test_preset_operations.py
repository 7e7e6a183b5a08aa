"""Operations that name a preset: its models and preferences, and nothing that only chats have."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from turnpike.api.presets.expand import ExpandPreset
from turnpike.domain.catalog import FixedCatalog
from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import Embeddings
from turnpike.domain.images import Image, Images
from turnpike.domain.presets import Preset
from turnpike.domain.rerank import Ranked, Ranking
from turnpike.domain.speech import SpeechPiece
from turnpike.domain.transcription import Transcript
from turnpike.services.find_preset import FindPreset

from tests.chat_client import Answer, Client
from tests.contracts.presets import new_preset, new_version
from tests.fake_presets import InMemoryPresets
from tests.scenario import ACCOUNT, World, endpoint

pytestmark = pytest.mark.anyio

OTHER = "acme/other"
CHATTY: Mapping[str, Any] = {
    "provider": {"only": ["two", "one"], "order": ["two"]},
    "max_tokens": 40,
    "seed": 7,
    "plugins": [{"id": "response-healing"}],
    "tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}}],
}
OPERATIONS: dict[str, tuple[str, str, Any, dict[str, Any]]] = {
    "embeddings": ("/embeddings", "embeddings", Embeddings([[1.0]], Usage(7)), {"input": "Hello"}),
    "rerank": (
        "/rerank",
        "rerank",
        Ranking([Ranked(0, 0.9)], Usage(search_units=1)),
        {"query": "q", "documents": ["a"]},
    ),
    "images": (
        "/images",
        "image",
        Images([Image("AAAA", "image/png")], Usage(10, 110, completion_images=1)),
        {"prompt": "A panda"},
    ),
    "speech": ("/audio/speech", "speech", SpeechPiece(b"sound"), {"input": "Hello", "voice": "alloy"}),
    "transcriptions": (
        "/audio/transcriptions",
        "transcription",
        Transcript("Hi", Usage(prompt_audio_ms=900)),
        {"input_audio": {"data": "AAAA", "format": "mp3"}},
    ),
}
EVERY = pytest.mark.parametrize("operation", OPERATIONS)


def preset(system_prompt: str | None = None, **config: Any) -> Preset:
    said = {"model": "acme/chat", **config}
    config = {name: value for name, value in said.items() if value is not None}
    return new_preset(ACCOUNT, "mine", designated=new_version(config=config, system_prompt=system_prompt))


class Asker:
    """Asks one operation of two models that two providers serve, with one preset in the account."""

    def __init__(self, operation: str, kept: Preset) -> None:
        self.path, gives, result, self.body = OPERATIONS[operation]
        served = [
            endpoint(provider, model=model, upstream_model="gpt-image-2")
            for model in ("acme/chat", OTHER)
            for provider in ("one", "two")
        ]
        self.world = World({"one": [[result]], "two": [[result]]}, *served)
        models = [replace(model, output_modalities=(gives,)) for model in self.world.catalog.models]
        self.world.catalog = FixedCatalog(models, self.world.catalog.providers)
        self.kept = kept
        self.client = Client(self.world, expand=ExpandPreset(FindPreset(InMemoryPresets(kept), ttl_s=30)))

    async def ask(self, **members: Any) -> Answer:
        return await self.client.post({**self.body, **members}, path=f"/api/v1{self.path}")


@EVERY
@pytest.mark.parametrize(
    "named", [{"model": "@preset/mine"}, {"preset": "mine"}, {"model": "acme/chat@preset/mine"}], ids=str
)
async def test_its_models_and_preferences_are_the_request_s(operation: str, named: dict[str, str]) -> None:
    asker = Asker(operation, preset("Be brief.", **CHATTY))
    answer = await asker.ask(**named)
    assert answer.status == 200, answer.body
    [(asked, request)] = asker.world.upstream.calls
    assert (asked, request.models) == ("two", ("acme/chat",))
    assert request.parameters.keys().isdisjoint(CHATTY)
    [(generation, _)] = asker.world.sent_events()
    assert generation.preset_id == asker.kept.id


@EVERY
async def test_the_request_s_own_members_win(operation: str) -> None:
    asker = Asker(operation, preset(models=["acme/none"], **CHATTY))
    answer = await asker.ask(preset="mine", model=OTHER, models=["acme/chat"], provider={"only": ["one"]})
    assert answer.status == 200, answer.body
    [(asked, request)] = asker.world.upstream.calls
    assert (asked, request.models) == ("one", (OTHER, "acme/chat"))


@EVERY
@pytest.mark.parametrize(
    ("members", "status", "said"),
    [
        ({"model": "@preset/none"}, 404, "There is no preset none"),
        ({"preset": 1}, 400, "preset: send the preset's slug, as text"),
        ({"model": "acme/chat", "models": ["@preset/mine"]}, 400, "models: @preset/mine is no model; a request names"),
    ],
    ids=str,
)
async def test_what_cannot_be_is_told(operation: str, members: dict[str, Any], status: int, said: str) -> None:
    answer = await Asker(operation, preset()).ask(**members)
    assert (answer.status, answer.json["error"]["message"][: len(said)]) == (status, said)


@EVERY
@pytest.mark.parametrize("named", [{"model": "acme/chat"}, {"preset": "mine"}], ids=str)
async def test_a_plugin_of_the_request_s_own_is_refused_rather_than_ignored(
    operation: str, named: dict[str, str]
) -> None:
    asker = Asker(operation, preset(**CHATTY))
    for plugin in ("moderation", "web", "unheard-of"):
        answer = await asker.ask(**named, plugins=[{"id": "web", "enabled": False}, {"id": plugin}])
        said = f"plugins.1.id: the plugin {plugin} works on chats alone, and does nothing here"
        assert (answer.status, answer.json["error"]["message"][: len(said)]) == (400, said)
    assert asker.world.upstream.calls == []


@EVERY
@pytest.mark.parametrize("plugins", [None, [], [{"id": "moderation", "enabled": False}]], ids=str)
async def test_a_plugin_that_is_switched_off_does_nothing(operation: str, plugins: Any) -> None:
    answer = await Asker(operation, preset()).ask(model="acme/chat", plugins=plugins)
    assert answer.status == 200, answer.body


@EVERY
async def test_a_preset_for_chats_alone_serves_nothing_else(operation: str) -> None:
    """Its model is there, and does nothing but chat."""
    asker = Asker(operation, preset())
    models = [replace(model, output_modalities=("text",)) for model in asker.world.catalog.models]
    asker.world.catalog = FixedCatalog(models, asker.world.catalog.providers)
    answer = await asker.ask(preset="mine")
    assert answer.status == 404
    assert "The model gives text" in answer.json["error"]["message"]


async def test_a_form_names_one_in_a_field() -> None:
    asker = Asker("transcriptions", preset())
    form = (
        b'--b\r\ncontent-disposition: form-data; name="preset"\r\n\r\nmine\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nx\r\n--b--\r\n'
    )
    answer = await asker.client.post(
        form,
        path="/api/v1/audio/transcriptions",
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert answer.status == 200, answer.body
    [(_, request)] = asker.world.upstream.calls
    assert request.models == ("acme/chat",)


@pytest.mark.parametrize(
    ("path", "file", "fields"),
    [("/audio/transcriptions", b"file", {}), ("/images/edits", b"image", {b"prompt": b"A panda"})],
)
async def test_a_form_s_plugins_are_read(path: str, file: bytes, fields: dict[bytes, bytes]) -> None:
    part = b'--b\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    given = {b"model": b"acme/chat", b"plugins": b'[{"id": "moderation"}]', **fields}
    form = b"".join(part % (name, b"", value) for name, value in given.items())
    form += part % (file, b'; filename="a.mp3"', b"x") + b"--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = await Asker("images", preset()).client.post(form, path=f"/api/v1{path}", headers=headers)
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith("plugins.0.id: the plugin moderation works on chats alone")


async def test_a_deployment_may_keep_none() -> None:
    answer = await Client(World({})).post({"model": "@preset/mine", "input": "Hello"}, path="/api/v1/embeddings")
    assert (answer.status, "TURNPIKE_PRESETS_TABLE" in answer.json["error"]["message"]) == (404, True)
