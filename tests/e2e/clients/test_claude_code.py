"""Claude Code, headless, through a whole turn with its own tools; by `[call …]` the prompt says which."""

import json
from pathlib import Path

import pytest

from tests.e2e.clients.headless import Client
from tests.e2e.run import MARK
from tests.e2e.simulated import FOUR_WIRES


def call(name: str, **arguments: str) -> str:
    return f"[call {name} {json.dumps(arguments)}]"


@pytest.mark.parametrize("wire", [*FOUR_WIRES, "openai_responses", "mistral"])
def test_a_turn_in_which_it_runs_a_command_and_writes_a_file(client: Client, claude: Path, wire: str) -> None:
    written = client.folder / "note.txt"
    bash = call("Bash", command="echo out-of-the-tool", description="Say it")
    write = call("Write", file_path=str(written), content="What the model wrote.\n")
    prompt = f"Do both, {MARK}. {bash} {write}"
    said = client.run(
        [claude, "-p", prompt, "--allowedTools", "Bash", "Write", "--output-format", "json"],
        ANTHROPIC_BASE_URL=client.base_url.removesuffix("/v1"),
        ANTHROPIC_AUTH_TOKEN=client.api_key,
        ANTHROPIC_MODEL=f"sim/{wire}",
        ANTHROPIC_DEFAULT_HAIKU_MODEL="sim/google",
        CLAUDE_CONFIG_DIR=str(client.folder / "config"),
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_AUTOUPDATER="1",
        DISABLE_TELEMETRY="1",
    )
    outcome = json.loads(said)
    assert (outcome["is_error"], outcome["num_turns"]) == (False, 3)
    assert outcome["result"].startswith("The tool answered: ")
    assert written.read_text() == "What the model wrote.\n"
    assert "out-of-the-tool" in client.asked()[-1]
    [used] = [used for name, used in outcome["modelUsage"].items() if name == f"sim/{wire}"]
    assert used["outputTokens"] > 0
