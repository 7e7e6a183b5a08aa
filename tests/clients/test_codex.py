"""Codex, headless, through a whole turn with its own tools; by `[call …]` the prompt says which."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.clients.conftest import INSTALLED, Client
from tests.e2e.simulated import FOUR_WIRES

CODEX = INSTALLED / "node_modules" / ".bin" / "codex"
_CONFIG = """
model_provider = "turnpike"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.turnpike]
name = "Turnpike"
base_url = "{base_url}"
env_key = "OPENROUTER_API_KEY"
wire_api = "responses"
"""


def run(
    client: Client, model: str, prompt: str, sandbox: str = "workspace-write", more: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The items of the turn, which must have come to its end. `more` continues an earlier one."""
    home = client.folder / "codex"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(_CONFIG.format(base_url=client.base_url))
    options = ["--skip-git-repo-check", "--sandbox", sandbox, "--json", "--model", model]
    said = client.run([CODEX, "exec", *options, *more, prompt], CODEX_HOME=str(home), OPENROUTER_API_KEY=client.api_key)
    events = [json.loads(line) for line in said.splitlines()]
    assert events[-1]["type"] == "turn.completed", events
    assert events[-1]["usage"]["output_tokens"] > 0
    return [event["item"] for event in events if event["type"] == "item.completed"]


def answer_of(items: list[dict[str, Any]]) -> str:
    assert items[-1]["type"] == "agent_message"
    return str(items[-1]["text"])


@pytest.mark.parametrize("wire", [*FOUR_WIRES, "openai_responses", "mistral"])
def test_a_turn_in_which_it_runs_a_command(client: Client, wire: str) -> None:
    items = run(client, f"sim/{wire}", 'Say it. [call exec_command {"cmd": "echo out-of-the-tool"}]')
    [command] = [item for item in items if item["type"] == "command_execution"]
    assert (command["exit_code"], command["aggregated_output"]) == (0, "out-of-the-tool\n")
    assert answer_of(items).startswith("The tool answered: ")
    assert "out-of-the-tool" in client.asked()[-1]


def test_a_patch_which_it_takes_as_a_text(client: Client) -> None:
    """Of a model that another provider serves, to which the tool is a function."""
    patch = "*** Begin Patch\n*** Add File: note.txt\n+What the model wrote.\n*** End Patch"
    items = run(client, "openai/gpt-5.5", f"Patch. [call apply_patch {json.dumps({'input': patch})}]")
    assert (client.folder / "note.txt").read_text() == "What the model wrote.\n"
    assert [item["type"] for item in items if item["type"] != "reasoning"] == ["file_change", "agent_message"]
    assert answer_of(items).startswith("The tool answered: ")
    [asked, _] = client.asked()
    assert "*** Begin Patch" in asked
    assert '"input_schema"' in asked


def test_a_script_which_it_takes_as_a_text_in_a_namespace(client: Client) -> None:
    script = json.dumps({"input": "text('six times seven is ' + 6 * 7)"})
    items = run(client, "openai/gpt-6.2-sol", f"Count. [call functions__exec {script}]")
    assert "six times seven is 42" in answer_of(items)
    assert '"type": "custom_tool_call_output"' in client.asked()[-1]


@pytest.mark.parametrize("model", ["sim/searching-responses", "sim/searching-chat"])
def test_with_full_access_the_provider_searches_the_web(client: Client, model: str) -> None:
    items = run(client, model, "Look it up. [call nothing {}]", "danger-full-access")
    [search, opened] = [item for item in items if item["type"] == "web_search"]
    assert "Look it up." in search["query"]
    assert opened["id"] != search["id"]
    assert answer_of(items).startswith('By openai_responses you said: "Look it up.')
    [asked] = client.asked()
    [tool] = [tool for tool in json.loads(asked)["tools"] if tool["type"] == "web_search"]
    assert tool["external_web_access"] is True
    run(client, model, "And now? [call nothing {}]", "danger-full-access", ("resume", "--last"))
    given = json.loads(client.asked()[-1])["input"]
    assert [item["action"]["type"] for item in given if item["type"] == "web_search_call"] == ["search", "open_page"]
