"""What the demo provider says: a chat request in, an answer in pieces out. Deterministic; no I/O."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, cycle, islice
from typing import Any

import orjson

from infra.local.demo_schema import example_of

Body = Mapping[str, Any]
"""A request of OpenAI's chat completions, as parsed from JSON."""

_QUOTED_CHARS = 200
_FRAGMENT_CHARS = 12
_THOUGHTS = "The user said something. A demo does not think; it repeats that and says where it comes from."
_ABOUT = (
    "This answer comes from the demo provider built into Turnpike, and nothing left this machine. "
    "Set a provider's key, such as OPENAI_API_KEY, and start again to reach real models."
)


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    fragments: tuple[str, ...]
    """The arguments, a JSON object, in the pieces in which they are streamed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The pieces of an answer, each of them one token and one chunk of a stream."""

    prompt_tokens: int
    reasoning: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = "stop"

    @property
    def completion_tokens(self) -> int:
        """Reasoning included, as OpenAI counts."""
        return len(self.reasoning) + len(self.content) + sum(len(call.fragments) for call in self.tool_calls)


def build_answer(body: Body, *, reasoning: bool = False, chunks: int | None = None, empty: bool = False) -> Answer:
    """Answer a request. `chunks` is the number of words; `empty` leaves out everything, even the finish reason."""
    messages: Sequence[Body] = body["messages"]
    texts = [_text(message.get("content")) for message in messages]
    prompt_tokens = max(math.ceil(sum(map(len, texts)) / 4), 1)
    if empty:
        return Answer(prompt_tokens, finish_reason=None)
    by_user = [text for message, text in zip(messages, texts, strict=True) if message.get("role") == "user"]
    said = by_user[-1] if by_user else ""
    thoughts = _words(_THOUGHTS) if reasoning else ()
    if calls := _tool_calls(body, said):
        return Answer(prompt_tokens, thoughts, (), calls, "tool_calls")
    return _limited(body, prompt_tokens, thoughts, _content(body, texts[-1], said, chunks))


def _limited(body: Body, prompt_tokens: int, reasoning: tuple[str, ...], content: tuple[str, ...]) -> Answer:
    """The maximum counts reasoning first, which is how a small one can leave no content at all."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if not limit or len(reasoning) + len(content) <= limit:
        return Answer(prompt_tokens, reasoning, content)
    reasoning = reasoning[:limit]
    return Answer(prompt_tokens, reasoning, content[: limit - len(reasoning)], finish_reason="length")


def _content(body: Body, last_text: str, said: str, chunks: int | None) -> tuple[str, ...]:
    schema = _answer_schema(body)
    if schema is not None:
        return _fragments(orjson.dumps(example_of(schema, text=_quote(said))).decode())
    if body["messages"][-1].get("role") == "tool":
        words = _words(f"The tool answered: {_quote(last_text)}")
    else:
        words = _words(f'You said: "{_quote(said)}". {_ABOUT}')
    if chunks is None:
        return words
    # Repeated from its start, the text needs a space where it had none.
    return tuple(islice(chain(words, cycle((f" {words[0]}", *words[1:]))), chunks))


def _answer_schema(body: Body) -> Body | None:
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        schema: Body = wanted.get("json_schema", {}).get("schema", {})
        return schema
    if wanted.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"const": _ABOUT}, "you_said": {"type": "string"}}}
    return None


def _tool_calls(body: Body, said: str) -> tuple[ToolCall, ...]:
    """Call what is asked for: by `tool_choice`, by a tool's name in the text, or by a hint at any."""
    choice = body.get("tool_choice", "auto")
    tools = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    if not tools or choice == "none" or body["messages"][-1].get("role") != "user":
        return ()
    lower = said.lower()
    named = [tool for tool in tools if tool["name"].lower() in lower]
    if isinstance(choice, Mapping):
        wanted = choice.get("function", {}).get("name")
        named = [tool for tool in tools if tool["name"] == wanted]
    elif not named and (choice == "required" or "weather" in lower or "tool" in lower):
        named = tools[:1]
    if body.get("parallel_tool_calls") is False:
        named = named[:1]
    return tuple(
        ToolCall(f"call_demo_{index}", tool["name"], _arguments(tool, said)) for index, tool in enumerate(named)
    )


def _arguments(tool: Body, said: str) -> tuple[str, ...]:
    schema = tool.get("parameters") or {}
    return _fragments(orjson.dumps(example_of({"type": "object", **schema}, text=_quote(said))).decode())


def _text(content: Any) -> str:
    """The text of a message: its content, or the text parts of it."""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content or () if isinstance(part.get("text"), str))


def _quote(text: str) -> str:
    return text if len(text) <= _QUOTED_CHARS else text[: _QUOTED_CHARS - 1] + "…"


@lru_cache(maxsize=256)
def _words(text: str) -> tuple[str, ...]:
    """Words with the space before them, so that joining them gives the text back."""
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def _fragments(text: str) -> tuple[str, ...]:
    return tuple(text[at : at + _FRAGMENT_CHARS] for at in range(0, len(text), _FRAGMENT_CHARS))
