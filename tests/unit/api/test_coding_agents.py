"""What coding agents send, in the shapes in which they send it: read whole, answered in events that they can read.

`make e2e` drives the agents themselves (tests/e2e/clients); these are the shapes of Claude Code 2.1 and Codex 0.171.
"""

from typing import Any

import pytest

from turnpike.domain.chat import Delta, Usage

from tests import message_stream, response_stream
from tests.chat_client import Answer, Client
from tests.scenario import ScriptedUpstream, World

pytestmark = pytest.mark.anyio

MARK: Any = {"cache_control": {"type": "ephemeral"}}
SCHEMA: Any = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}

CLAUDE_CODE: Any = {
    "model": "acme/chat",
    "max_tokens": 32_000,
    "stream": True,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": '{"device_id":"d","session_id":"s"}'},
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1"},
        {"type": "text", "text": "You are an agent.", **MARK},
        {"type": "text", "text": "Use your tools.", **MARK},
    ],
    "tools": [
        {"name": "Bash", "description": "Runs a command.", "input_schema": SCHEMA},
        {"name": "Write", "description": "Writes a file.", "input_schema": SCHEMA},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>"}, {"type": "text", "text": "Go"}]},
        {"role": "system", "content": "Available agent types: none"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}},
                {"type": "tool_use", "id": "toolu_2", "name": "Write", "input": {"command": "x"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "note.txt", "is_error": False},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "Written", **MARK},
            ],
        },
    ],
}
BETAS = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,effort-2025-11-24"

EXEC: Any = {
    "type": "function",
    "name": "exec_command",
    "description": "Runs it.",
    "strict": False,
    "parameters": SCHEMA,
}
PATCH: Any = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin_patch hunk+ end_patch"},
}
AGENTS: Any = {
    "type": "namespace",
    "name": "agents",
    "description": "Sub-agents.",
    "tools": [{**EXEC, "name": "spawn"}],
}
SEARCH: Any = {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": SCHEMA}
WEB: Any = {"type": "web_search", "external_web_access": False, "search_content_types": ["text", "image"]}


def codex_item(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "id": f"msg_{role}", "role": role, "content": [{"type": "input_text", "text": text}]}


def codex(*items: Any, **members: Any) -> dict[str, Any]:
    return {
        "model": "acme/chat",
        "input": [*items, codex_item("developer", "You are an agent."), codex_item("user", "Go")],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "thread",
        "client_metadata": {"thread_id": "thread"},
        **members,
    }


CODEX = {
    "a model that it does not know": codex(tools=[EXEC, AGENTS, WEB]),
    "a model that it knows": codex(tools=[EXEC, PATCH, SEARCH, WEB], text={"verbosity": "low"}),
    "a model with tools in its prompt": codex(
        {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [EXEC, AGENTS, PATCH, SEARCH]},
        reasoning={"effort": "low", "context": "all_turns"},
        parallel_tool_calls=False,
    ),
}


async def ask(path: str, body: Any, called: str, **headers: str) -> tuple[Answer, ScriptedUpstream]:
    """With a model that calls one of the tools."""
    call = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": called, "arguments": '{"command":"ls"}'},
    }
    script = [Delta(content="Well."), Delta(tool_calls=[call]), Delta(finish_reason="tool_calls")]
    world = World({"one": [[*script, Delta(usage=Usage(10, 5))]]})
    answer = await Client(world).post(body, path=path, headers=headers)
    assert answer.status == 200, answer.body
    return answer, world.upstream


@pytest.mark.parametrize("path", ["/api/v1/messages", "/v1/messages"])
async def test_claude_code(path: str) -> None:
    answer, upstream = await ask(path, CLAUDE_CODE, "Bash", **{"anthropic-beta": BETAS})
    told = message_stream.fold(message_stream.read_events(answer.body))
    assert [block["type"] for block in told["content"]] == ["text", "tool_use"]
    assert (told["content"][1]["input"], told["stop_reason"]) == ({"command": "ls"}, "tool_use")
    [(_, asked)] = upstream.calls
    assert [message["role"] for message in asked.messages] == ["system", "user", "system", "assistant", "tool", "tool"]
    assert asked.messages[3]["reasoning_details"][0]["signature"] == "c2ln"
    assert asked.parameters["reasoning"] == {"effort": "high"}
    assert asked.user == CLAUDE_CODE["metadata"]["user_id"]
    assert "interleaved-thinking-2025-05-14" in asked.betas


async def test_claude_code_counts_its_tokens_first() -> None:
    counted = {name: CLAUDE_CODE[name] for name in ("model", "messages", "system", "tools", "thinking")}
    answer = await Client(World({"one": []})).post(counted, path="/api/v1/messages/count_tokens")
    assert answer.json["input_tokens"] > 50


@pytest.mark.parametrize("kind", CODEX)
async def test_codex(kind: str) -> None:
    answer, upstream = await ask("/api/v1/responses", CODEX[kind], "exec_command")
    told = response_stream.fold(response_stream.read_events(answer.body))
    assert [item["type"] for item in told["output"]] == ["message", "function_call"]
    assert (told["output"][1]["name"], told["status"]) == ("exec_command", "completed")
    [(_, asked)] = upstream.calls
    names = [tool["function"]["name"] for tool in asked.parameters["tools"]]
    assert names[0] == "exec_command"
    assert ("agents__spawn" in names) is (AGENTS in CODEX[kind].get("tools", [AGENTS]))
    assert "web_search" not in names
    assert [message["role"] for message in asked.messages] == ["developer", "user"]


@pytest.mark.parametrize(
    ("called", "kind", "named"),
    [("apply_patch", "custom_tool_call", "apply_patch"), ("agents__spawn", "function_call", "spawn")],
)
async def test_codex_gets_its_calls_in_its_own_form(called: str, kind: str, named: str) -> None:
    answer, _ = await ask("/api/v1/responses", CODEX["a model with tools in its prompt"], called)
    [_, call] = response_stream.fold(response_stream.read_events(answer.body))["output"]
    assert (call["type"], call["name"]) == (kind, named)
