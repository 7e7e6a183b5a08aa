"""The command `llm`, which reads an address and a key from a file, and its plugin that has an address built in."""

import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest

from tests.e2e.clients.headless import Client
from tests.e2e.clients.redirect import redirected
from tests.e2e.run import MARK, STATE
from tests.e2e.simulated import FOUR_WIRES, WIRES

LLM = STATE / "llm" / "bin" / "llm"
HELLO = f"Hello {MARK}"
FUNCTION = """
def get_weather(city: str) -> str:
    return f"21 degrees in {city}"
"""


@pytest.mark.parametrize("wire", FOUR_WIRES)
def test_a_tool_whose_answer_streams_and_a_schema(client: Client, wire: str) -> None:
    (client.folder / "extra-openai-models.yaml").write_text(
        json.dumps(
            [
                {
                    "model_id": "here",
                    "model_name": f"sim/{wire}",
                    "api_base": client.base_url,
                    "api_key_name": "here",
                    "supports_tools": True,
                    "supports_schema": True,
                }
            ]
        )
    )

    def run(*arguments: str) -> str:
        options = ["-m", "here", "--key", client.api_key]
        return client.run([LLM, *arguments, *options], LLM_USER_PATH=str(client.folder))

    assert "The tool answered: 21 degrees in Paris" in run(f"Weather? {MARK}", "--functions", FUNCTION)
    assert json.loads(run(f"Where? {MARK}", "--schema", "city, country", "--no-stream")) == {
        "city": "Paris",
        "country": "France",
    }


@pytest.fixture
def openrouter(client: Client) -> Iterator[Mapping[str, str]]:
    """Variables with which what the plugin asks of OpenRouter's address is answered here: no setting changes it."""
    port = urlsplit(client.base_url).port
    assert port
    with redirected("openrouter.ai", port, client.folder) as redirect:
        yield {
            **redirect.variables(),
            "LLM_USER_PATH": str(client.folder),
            "OPENROUTER_KEY": client.api_key,
        }


def test_the_plugin_for_openrouter_lists_the_models_and_streams(client: Client, openrouter: Mapping[str, str]) -> None:
    listed = client.run([LLM, "models"], **openrouter)
    assert [wire for wire in WIRES if f"OpenRouter: openrouter/sim/{wire}\n" not in listed] == []
    assert f'you said: "{HELLO}"' in client.run([LLM, HELLO, "-m", "openrouter/sim/anthropic"], **openrouter)


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
@pytest.mark.parametrize("wire", FOUR_WIRES)
def test_a_tool_and_a_schema_through_the_plugin_for_openrouter(
    client: Client, openrouter: Mapping[str, str], wire: str, api: str
) -> None:
    options = ["-m", f"openrouter/sim/{wire}", *(["-o", api, "1"] if api == "chat_completions" else [])]
    answered = client.run([LLM, f"Weather? {MARK}", "--functions", FUNCTION, *options], **openrouter)
    assert "The tool answered: 21 degrees in Paris" in answered
    shaped = client.run([LLM, f"Where? {MARK}", "--schema", "city, country", "--no-stream", *options], **openrouter)
    assert json.loads(shaped) == {"city": "Paris", "country": "France"}
    assert len(client.asked()) == 3
