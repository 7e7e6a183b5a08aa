"""The command `llm`, which takes an address and a key from a file of its own."""

import json

import pytest

from tests.clients.conftest import INSTALLED, Client
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
