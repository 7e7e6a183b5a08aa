"""One question in the words of every skin, so that their answers can be compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel, in base64."""


@dataclass(frozen=True, slots=True)
class Question:
    """`tools` are JSON schemas of the parameters by name."""

    text: str = "Hello"
    system: str = ""
    max_tokens: int = 8000
    tools: Mapping[str, Json] | None = None
    thinks_tokens: int | None = None
    image: str = ""
    """A PNG in base64."""
    schema: Json | None = None


def chat_body(asked: Question) -> Json:
    system = [{"role": "system", "content": asked.system}] if asked.system else []
    content: Any = asked.text
    if asked.image:
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{asked.image}"}}
        content = [{"type": "text", "text": asked.text}, image]
    body: Json = {"messages": [*system, {"role": "user", "content": content}], "max_tokens": asked.max_tokens}
    if asked.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": name, "parameters": schema}}
            for name, schema in asked.tools.items()
        ]
    if asked.thinks_tokens:
        body["reasoning"] = {"max_tokens": asked.thinks_tokens}
    if asked.schema:
        form = {"name": "answer", "strict": True, "schema": asked.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return body


def completions_body(asked: Question) -> Json:
    """A text has no place for tools, images or a system's prompt."""
    names = ("max_tokens", "reasoning", "response_format")
    return {"prompt": asked.text, **{name: value for name, value in chat_body(asked).items() if name in names}}


def messages_body(asked: Question) -> Json:
    content: Any = asked.text
    if asked.image:
        source = {"type": "base64", "media_type": "image/png", "data": asked.image}
        content = [{"type": "text", "text": asked.text}, {"type": "image", "source": source}]
    body: Json = {"messages": [{"role": "user", "content": content}], "max_tokens": asked.max_tokens}
    if asked.system:
        body["system"] = asked.system
    if asked.tools:
        body["tools"] = [{"name": name, "input_schema": schema} for name, schema in asked.tools.items()]
    if asked.thinks_tokens:
        body["thinking"] = {"type": "enabled", "budget_tokens": asked.thinks_tokens}
    if asked.schema:
        body["output_config"] = {"format": {"type": "json_schema", "schema": asked.schema}}
    return body


def responses_body(asked: Question) -> Json:
    content: Any = asked.text
    if asked.image:
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{asked.image}"}
        content = [{"type": "input_text", "text": asked.text}, image]
    body: Json = {"input": [{"role": "user", "content": content}], "max_output_tokens": asked.max_tokens}
    if asked.system:
        body["instructions"] = asked.system
    if asked.tools:
        body["tools"] = [
            {"type": "function", "name": name, "parameters": schema} for name, schema in asked.tools.items()
        ]
    if asked.thinks_tokens:
        body["reasoning"] = {"max_tokens": asked.thinks_tokens}
    if asked.schema:
        form = {"type": "json_schema", "name": "answer", "strict": True, "schema": asked.schema}
        body["text"] = {"format": form}
    return body


def chat_turn(body: Json, answer: Json, results: Sequence[str]) -> Json:
    [choice] = answer["choices"]
    message = {"role": "assistant", **choice["message"]}
    told = [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(message["tool_calls"], results, strict=True)
    ]
    return {**body, "messages": [*body["messages"], message, *told]}


def messages_turn(body: Json, answer: Json, results: Sequence[str]) -> Json:
    uses = [block for block in answer["content"] if block["type"] == "tool_use"]
    told = [
        {"type": "tool_result", "tool_use_id": use["id"], "content": result}
        for use, result in zip(uses, results, strict=True)
    ]
    turns = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": told}]
    return {**body, "messages": [*body["messages"], *turns]}


def responses_turn(body: Json, answer: Json, results: Sequence[str]) -> Json:
    calls = [item for item in answer["output"] if item["type"] == "function_call"]
    told = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": result}
        for call, result in zip(calls, results, strict=True)
    ]
    return {**body, "input": [*body["input"], *answer["output"], *told]}


@dataclass(frozen=True, slots=True)
class Asking:
    """`next_turn`: the body after an answer, whose calls had these results; None where there are no turns."""

    path: str
    body: Callable[[Question], Json]
    next_turn: Callable[[Json, Json, Sequence[str]], Json] | None

    def can_ask(self, question: Question) -> bool:
        return self.next_turn is not None or not (question.tools or question.image or question.system)


SKINS: Mapping[str, Asking] = {
    "chat": Asking("/api/v1/chat/completions", chat_body, chat_turn),
    "completions": Asking("/api/v1/completions", completions_body, None),
    "messages": Asking("/api/v1/messages", messages_body, messages_turn),
    "responses": Asking("/api/v1/responses", responses_body, responses_turn),
}
