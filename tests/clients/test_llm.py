"""The command `llm`, which reads an address and a key from a file, and its plugin that has an address built in."""

import json
from urllib.parse import urlsplit

import pytest

from tests.clients.conftest import INSTALLED, Client
from tests.clients.redirect import redirected
from tests.e2e.simulated import FOUR_WIRES

LLM = INSTALLED / "venv" / "bin" / "llm"
FUNCTION = """
def get_weather(city: str) -> str:
    return f"21 degrees in {city}"
"""


@pytest.mark.parametrize("wire", FOUR_WIRES)
def test_a_stream_a_tool_and_a_schema(client: Client, wire: str) -> None:
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

    assert 'you said: "Hello"' in run("Hello")
    assert "The tool answered: 21 degrees in Paris" in run("Weather?", "--functions", FUNCTION)
    assert json.loads(run("Where?", "--schema", "city, country", "--no-stream")) == {
        "city": "Paris",
        "country": "France",
    }


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
@pytest.mark.parametrize("wire", FOUR_WIRES)
def test_the_plugin_for_openrouter(client: Client, wire: str, api: str) -> None:
    """What it asks of OpenRouter's address is answered here: it is the address that no setting of it changes."""
    port = urlsplit(client.base_url).port
    assert port
    with redirected("openrouter.ai", port, client.folder) as redirect:
        variables = {
            **redirect.variables(),
            "LLM_USER_PATH": str(client.folder),
            "OPENROUTER_KEY": client.api_key,
        }

        def run(*arguments: str) -> str:
            options = ["-m", f"openrouter/sim/{wire}", *(["-o", api, "1"] if api == "chat_completions" else [])]
            return client.run([LLM, *arguments, *options], **variables)

        assert f"sim/{wire}" in client.run([LLM, "models"], **variables)
        assert 'you said: "Hello"' in run("Hello")
        assert "The tool answered: 21 degrees in Paris" in run("Weather?", "--functions", FUNCTION)
        answered = run("Where?", "--schema", "city, country", "--no-stream")
        assert json.loads(answered) == {"city": "Paris", "country": "France"}
    assert len(client.asked()) == 4
