"""Vercel's AI SDK with OpenRouter's provider for it, unchanged but for address and key, in one run of Node.js."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.asking import COMPLETION_NANO_USD, nano
from tests.e2e.run import MARK, STATE, environ
from tests.e2e.simulated import FOUR_WIRES, WIRES, Simulated

_SCRIPT = Path(__file__).parent / "ai_sdk" / "ask.mjs"
_MODULES = STATE / "ai_sdk"
"""Where make installs them."""
_ENDS_WITHIN_S = 60

Facts = Mapping[str, Any]


@pytest.fixture(scope="module")
def told(simulated_run: Simulated) -> Mapping[str, Facts]:
    """What the script says of each wire format."""
    variables = {
        "OPENROUTER_BASE_URL": str(simulated_run.openai.base_url).rstrip("/"),
        "OPENROUTER_API_KEY": simulated_run.openai.api_key,
        "MODELS": ",".join(f"sim/{wire}" for wire in FOUR_WIRES),
        "PROMPT": f"Where? {MARK}",
    }
    done = subprocess.run(
        # From its standard input, a script finds its modules below the working directory.
        ["node", "--input-type=module", "-"],
        input=_SCRIPT.read_text(),
        cwd=_MODULES,
        env=environ(**variables),
        capture_output=True,
        text=True,
        timeout=_ENDS_WITHIN_S,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {facts["model"].removeprefix("sim/"): facts for facts in lines}


@pytest.fixture(params=FOUR_WIRES)
def facts(request: pytest.FixtureRequest, told: Mapping[str, Facts]) -> Facts:
    return told[request.param]


def test_an_answer_whole_and_in_pieces_with_its_cost(facts: Facts) -> None:
    mount = WIRES[facts["model"].removeprefix("sim/")].mount
    assert facts["text"].startswith(f'By {mount} you said: "Where? {MARK}"')
    streamed = facts["streamed"]
    assert streamed["text"] == facts["text"]
    assert streamed["pieces"] > 10
    assert nano(streamed["cost"]) == nano(facts["cost"]) > COMPLETION_NANO_USD


def test_tools_run_in_two_steps(facts: Facts) -> None:
    for run in (facts["run"], facts["streamedRun"]):
        assert run["steps"] == 2
        assert run["text"].startswith("The tool answered: 21 degrees in Paris")
    assert facts["run"]["calls"] == [{"city": "Paris"}]


def test_thoughts_and_calls_stream_in_their_own_parts(facts: Facts) -> None:
    kinds = facts["streamedRun"]["kinds"]
    assert kinds.index("reasoning-delta") < kinds.index("tool-input-delta") < kinds.index("tool-result")
    assert kinds.index("tool-result") < kinds.index("text-delta")
    assert "error" not in kinds


def test_an_object_fits_its_schema(facts: Facts) -> None:
    assert facts["object"] == {"city": "Paris", "country": "France"}
