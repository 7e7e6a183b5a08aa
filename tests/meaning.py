"""What an answer means, whichever skin told it and whether whole or as a stream: one form to compare them in."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests import message_stream, response_stream

Json = dict[str, Any]


class Tokens(NamedTuple):
    """`prompt` includes what was cached, and `completion` what was thought."""

    prompt: int
    completion: int
    cached: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Meaning:
    """`ending` is stop, tool_calls, length or error; `error` is then its type, and nothing is known of usage."""

    text: str
    thoughts: str
    calls: tuple[tuple[str, Any], ...]
    """(name, arguments) of each."""
    ending: str
    tokens: Tokens | None = None
    cost_usd: float = 0
    error: str = ""
    status: int = 200


class Reader(NamedTuple):
    """`fold`: from the body of a stream to the whole answer that it told; `read`: what that means."""

    fold: Callable[[bytes], Json]
    read: Callable[[Json], Meaning]
    error: Callable[[Json], str]
    """The type of the error in a body that is one."""


def meaning_of(skin: str, status: int, body: bytes, *, stream: bool) -> Meaning:
    reader = READERS[skin]
    if status != 200:
        return Meaning("", "", (), "error", error=reader.error(json.loads(body)), status=status)
    return reader.read(reader.fold(body) if stream else json.loads(body))


def _fold_chunks(body: bytes) -> Json:
    """Chat's chunks as the completion that they make; an error's chunk has no usage beside it."""
    lines = [line for line in body.decode().split("\n\n") if line and not line.startswith(":")]
    assert lines.pop() == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [chunk.get("usage") is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    message: Json = {"content": "", "reasoning": "", "tool_calls": [], "reasoning_details": []}
    finish = None
    for chunk in chunks:
        for choice in chunk["choices"]:
            finish = choice["finish_reason"] or finish
            _add(message, choice["delta"])
    answer = {"choices": [{"message": message, "finish_reason": finish}], "usage": chunks[-1]["usage"]}
    errors = [chunk["error"] for chunk in chunks if "error" in chunk]
    return {**answer, "error": errors[0]} if errors else answer


def _fold_texts(body: bytes) -> Json:
    """Chunks of a text as those of a chat, which they are otherwise."""
    return _fold_chunks(b"\n\n".join(map(_as_chat, body.split(b"\n\n"))))


def _as_chat(line: bytes) -> bytes:
    if not line.startswith(b"data: {"):
        return line
    chunk = json.loads(line.removeprefix(b"data: "))
    choices = [{**choice, "delta": _message_of(choice)} for choice in chunk["choices"]]
    return b"data: " + json.dumps({**chunk, "choices": choices}).encode()


def _message_of(choice: Json) -> Json:
    return {"content": choice["text"], "reasoning": choice.get("reasoning")}


def _read_texts(answer: Json) -> Meaning:
    choices = [{"message": _message_of(choice), **choice} for choice in answer["choices"] if "text" in choice]
    return _read_completion({**answer, "choices": choices or answer["choices"]})


def _add(message: Json, delta: Mapping[str, Any]) -> None:
    for name in ("content", "reasoning"):
        message[name] += delta.get(name) or ""
    message["reasoning_details"] += delta.get("reasoning_details") or []
    calls = message["tool_calls"]
    for fragment in delta.get("tool_calls") or ():
        if fragment["index"] == len(calls):
            calls.append({"id": fragment["id"], "type": "function", "function": {"name": "", "arguments": ""}})
        function = calls[fragment["index"]]["function"]
        for name in ("name", "arguments"):
            function[name] += fragment["function"].get(name) or ""


def _read_completion(answer: Json) -> Meaning:
    [choice] = answer["choices"]
    message, usage = choice["message"], answer["usage"]
    return Meaning(
        text=message.get("content") or "",
        thoughts=message.get("reasoning") or "",
        calls=_calls((call["function"] for call in message.get("tool_calls") or ()), "arguments"),
        ending=choice["finish_reason"],
        tokens=Tokens(
            usage["prompt_tokens"],
            usage["completion_tokens"],
            usage["prompt_tokens_details"]["cached_tokens"],
            usage["completion_tokens_details"]["reasoning_tokens"],
        )
        if "error" not in answer
        else None,
        cost_usd=usage["cost"],
        error=answer["error"]["metadata"]["error_type"] if "error" in answer else "",
    )


_STOPS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}


def _fold_message(body: bytes) -> Json:
    """What was told before an error, with the error."""
    events = message_stream.read_events(body)
    if events[-1]["type"] != "error":
        return message_stream.fold(events)
    told = [event for event in events[:-1] if event["type"] != "content_block_stop"]
    text = "".join(event["delta"].get("text", "") for event in told if event["type"] == "content_block_delta")
    thought = "".join(event["delta"].get("thinking", "") for event in told if event["type"] == "content_block_delta")
    content = [{"type": "thinking", "thinking": thought}, {"type": "text", "text": text}]
    return {"content": content, "error": events[-1]["error"], "stop_reason": "error"}


def _read_message(answer: Json) -> Meaning:
    content, usage = answer["content"], answer.get("usage")
    return Meaning(
        text="".join(block["text"] for block in content if block["type"] == "text"),
        thoughts="".join(block["thinking"] for block in content if block["type"] == "thinking"),
        calls=_calls((block for block in content if block["type"] == "tool_use"), "input"),
        ending=_STOPS.get(answer["stop_reason"], answer["stop_reason"]),
        tokens=Tokens(
            usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"],
            usage["output_tokens"],
            usage["cache_read_input_tokens"],
            usage["output_tokens_details"]["thinking_tokens"],
        )
        if usage
        else None,
        cost_usd=usage["cost"] if usage else 0,
        error=answer["error"]["error_type"] if "error" in answer else "",
    )


def _read_response(answer: Json) -> Meaning:
    output, usage = answer["output"], answer["usage"]
    failed = answer["status"] == "failed"
    calls = _calls((item for item in output if item["type"] == "function_call"), "arguments")
    ending = {"completed": "tool_calls" if calls else "stop", "incomplete": "length", "failed": "error"}
    messages = [part for item in output if item["type"] == "message" for part in item["content"]]
    return Meaning(
        text="".join(part["text"] for part in messages if part["type"] == "output_text"),
        thoughts="".join(part["text"] for item in output if item["type"] == "reasoning" for part in item["summary"]),
        calls=calls,
        ending=ending[answer["status"]],
        tokens=None
        if failed
        else Tokens(
            usage["input_tokens"],
            usage["output_tokens"],
            usage["input_tokens_details"]["cached_tokens"],
            usage["output_tokens_details"]["reasoning_tokens"],
        ),
        cost_usd=usage["cost"],
        error=answer["error_type"] if failed else "",
    )


def _calls(given: Any, member: str) -> tuple[tuple[str, Any], ...]:
    def parsed(arguments: Any) -> Any:
        return json.loads(arguments) if isinstance(arguments, str) else arguments

    return tuple((call["name"], parsed(call[member])) for call in given)


def _fold_response(body: bytes) -> Json:
    events: Sequence[Json] = response_stream.read_events(body)
    return response_stream.fold(events)


READERS: Mapping[str, Reader] = {
    "chat": Reader(_fold_chunks, _read_completion, lambda body: body["error"]["metadata"]["error_type"]),
    "completions": Reader(_fold_texts, _read_texts, lambda body: body["error"]["metadata"]["error_type"]),
    "messages": Reader(_fold_message, _read_message, lambda body: body["error"]["error_type"]),
    "responses": Reader(_fold_response, _read_response, lambda body: body["error"]["metadata"]["error_type"]),
}
