"""Moderation over real HTTP, against an endpoint on loopback."""

import pytest

from turnpike.domain.moderation import ModerationFailed
from turnpike.providers.moderation import HttpModerator
from turnpike.providers.transport import PooledTransport

from tests.plugin_server import KEY, Mishap, PluginServer

pytestmark = pytest.mark.anyio


def moderator(
    server: PluginServer, transport: PooledTransport, key: str = KEY
) -> tuple[HttpModerator, list[ModerationFailed]]:
    told: list[ModerationFailed] = []
    made = HttpModerator(
        transport, base_url=f"{server.url}/moderation", api_key=key, model="omni", on_failure=told.append, within_s=5
    )
    return made, told


async def test_each_text_gets_its_own_reasons(server: PluginServer, transport: PooledTransport) -> None:
    moderate, _ = moderator(server, transport)
    assert await moderate(["fine", "[flag:hate] and [flag:violence]", "fine"]) == [[], ["hate", "violence"], []]
    assert server.requests[0].content["model"] == "omni"


async def test_a_flag_without_a_category_is_a_flag(server: PluginServer, transport: PooledTransport) -> None:
    assert await moderator(server, transport)[0](["[flag:of-another-day]"]) == [["flagged"]]


async def test_many_texts_take_several_calls(server: PluginServer, transport: PooledTransport) -> None:
    texts = [f"[flag:hate] {n}" if n % 2 else str(n) for n in range(70)]
    found = await moderator(server, transport)[0](texts)
    assert found == [["hate"] if n % 2 else [] for n in range(70)]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("mishap", "said"),
    [
        (401, "refused this deployment's key"),
        (429, "failed (HTTP 429)"),
        (500, "failed (HTTP 500)"),
        ("junk", "sent what is no answer"),
        ("other", "sent what is no answer"),
        ("cut", "cannot be reached"),
    ],
)
async def test_who_cannot_say_lets_nothing_pass(
    mishap: Mishap, said: str, server: PluginServer, transport: PooledTransport
) -> None:
    moderate, told = moderator(server, transport)
    server.mishaps.append(mishap)
    with pytest.raises(ModerationFailed) as caught:
        await moderate(["word-of-the-test"])
    error = caught.value
    assert error.message.startswith(f"The moderation endpoint {said}")
    assert (error.status, told, error.__context__) == (503, [error], None)
    assert "word-of-the-test" not in error.message
