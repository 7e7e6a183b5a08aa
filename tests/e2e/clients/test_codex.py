"""Codex, headless, through a whole turn with its own tools; by `[call …]` the prompt says which."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients.headless import Client
from tests.e2e.run import MARK, environ
from tests.e2e.simulated import FOUR_WIRES

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


_ALL = ("--sandbox", "danger-full-access")

Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def access(codex: Path, tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """As by itself, in Codex's sandbox; or without, on machines that let nobody build one, as many containers do."""
    home = str(tmp_path_factory.mktemp("sandbox"))
    tried = subprocess.run([codex, "sandbox", "--", "true"], env=environ(HOME=home, CODEX_HOME=home), cwd=home)
    without = (*_ALL, "--config", 'web_search="disabled"')
    return without if tried.returncode else ("--sandbox", "workspace-write")


@pytest.fixture
def run(client: Client, codex: Path, access: Sequence[str]) -> Run:
    """Of a model and a prompt the items of the turn, which must have come to its end; `more` continues another."""
    home = client.folder / "codex"
    home.mkdir()
    (home / "config.toml").write_text(_CONFIG.format(base_url=client.base_url))

    def run(model: str, prompt: str, *more: str, access: Sequence[str] = access) -> list[dict[str, Any]]:
        command = [codex, "exec", "--skip-git-repo-check", *access, "--json", "--model", model, *more, prompt]
        said = client.run(command, CODEX_HOME=str(home), OPENROUTER_API_KEY=client.api_key)
        events = [json.loads(line) for line in said.splitlines()]
        assert events[-1]["type"] == "turn.completed", events
        assert events[-1]["usage"]["output_tokens"] > 0
        return [event["item"] for event in events if event["type"] == "item.completed"]

    return run


def answer_of(items: list[dict[str, Any]]) -> str:
    assert items[-1]["type"] == "agent_message"
    return str(items[-1]["text"])


@pytest.mark.parametrize("wire", [*FOUR_WIRES, "openai_responses", "mistral"])
def test_a_turn_in_which_it_runs_a_command(client: Client, run: Run, wire: str) -> None:
    items = run(f"sim/{wire}", f'Say it, {MARK}. [call exec_command {{"cmd": "echo out-of-the-tool"}}]')
    [command] = [item for item in items if item["type"] == "command_execution"]
    assert (command["exit_code"], command["aggregated_output"]) == (0, "out-of-the-tool\n")
    assert answer_of(items).startswith("The tool answered: ")
    assert "out-of-the-tool" in client.asked()[-1]


def test_a_patch_which_it_takes_as_a_text(client: Client, run: Run) -> None:
    """Of a model that another provider serves, to which the tool is a function."""
    patch = "*** Begin Patch\n*** Add File: note.txt\n+What the model wrote.\n*** End Patch"
    items = run("sim/gpt-5.5", f"Patch, {MARK}. [call apply_patch {json.dumps({'input': patch})}]")
    assert (client.folder / "note.txt").read_text() == "What the model wrote.\n"
    assert [item["type"] for item in items if item["type"] != "reasoning"] == ["file_change", "agent_message"]
    assert answer_of(items).startswith("The tool answered: ")
    [asked, _] = client.asked()
    assert "*** Begin Patch" in asked
    assert '"input_schema"' in asked


def test_a_script_which_it_takes_as_a_text_in_a_namespace(client: Client, run: Run) -> None:
    script = json.dumps({"input": "text('six times seven is ' + 6 * 7)"})
    items = run("sim/gpt-6.2-sol", f"Count, {MARK}. [call functions__exec {script}]")
    assert "six times seven is 42" in answer_of(items)
    assert '"type": "custom_tool_call_output"' in client.asked()[-1]


@pytest.mark.parametrize("model", ["sim/searching-responses", "sim/searching-chat"])
def test_with_full_access_the_provider_searches_the_web(client: Client, run: Run, model: str) -> None:
    items = run(model, f"Look it up, {MARK}. [call nothing {{}}]", access=_ALL)
    [search, opened] = [item for item in items if item["type"] == "web_search"]
    assert "Look it up" in search["query"]
    assert opened["id"] != search["id"]
    assert answer_of(items).startswith('By openai_responses you said: "Look it up')
    [asked] = client.asked()
    [tool] = [tool for tool in json.loads(asked)["tools"] if tool["type"] == "web_search"]
    assert tool["external_web_access"] is True
    run(model, f"And now, {MARK}? [call nothing {{}}]", "resume", "--last", access=_ALL)
    given = json.loads(client.asked()[-1])["input"]
    assert [item["action"]["type"] for item in given if item["type"] == "web_search_call"] == ["search", "open_page"]
