"""Cohere's chat, version 2. https://docs.cohere.com/v2/reference/chat"""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.simulator.asked import (
    Asked,
    Calls,
    Json,
    Reading,
    bearer,
    body_of,
    check_key,
    media_type_of,
    unknown_of,
    words,
)
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.said import Call, Said
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import DONE, EVENTS, Target, dump, named_event

_KNOWN = words(
    "citation_options documents frequency_penalty k logprobs max_tokens messages model p presence_penalty "
    "priority raw_prompting response_format safety_mode seed stop_sequences stream strict_tools temperature "
    "thinking tool_choice tools"
)
_IN_MESSAGES: Mapping[str, frozenset[str]] = {
    "system": frozenset(("role", "content")),
    "user": frozenset(("role", "content")),
    "assistant": frozenset(("role", "content", "tool_calls", "tool_plan", "citations")),
    "tool": frozenset(("role", "content", "tool_call_id")),
}
_IN_CALL = frozenset(("id", "type", "function"))
_IN_TOOL = frozenset(("type", "function"))
_IN_FUNCTION = frozenset(("name", "description", "parameters"))
_STOP = {"stop": "COMPLETE", "tool_calls": "TOOL_CALL", "length": "MAX_TOKENS"}
_HINT = "For proper usage, please refer to https://docs.cohere.com/v2/reference/chat"
_NO_CALL = "invalid request: the tool_call_id {id} of a tool message is not in the preceding tool_calls"
_NO_RESULT = "invalid request: every tool call must be followed by a tool message; {id} is missing"


class Cohere:
    content_type = EVENTS
    call_id = "get_weather_{number}"

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        if path in ("/v2/embed", "/v2/rerank"):
            return Target(operation="embeddings" if path == "/v2/embed" else "rerank")
        return Target() if path == "/v2/chat" else None

    def check(self, request: Request, target: Target, key: str) -> Asked:
        check_key(bearer(request), key, "invalid api token")
        return _read(body_of(request))

    def whole(self, said: Said, asked: Asked) -> bytes:
        content: list[Json] = []
        if said.reasoning:
            content.append({"type": "thinking", "thinking": said.thoughts})
        if said.text:
            content.append({"type": "text", "text": said.whole_text})
        message: Json = {"role": "assistant", "content": content}
        if said.calls:
            calls = [_call(call, call.json) for call in said.calls]
            message |= {"tool_plan": "I will call the tool.", "tool_calls": calls}
        return dump({"id": said.id, "message": message, **_end(said)})

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        yield from map(named_event, _events(said))
        yield DONE

    def refusal(self, trouble: Trouble) -> Reply:
        return json_reply({"id": "sim", "message": trouble.message}, trouble.status_or(), trouble.headers)

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        return named_event({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": trouble.message}})


def _read(body: Json) -> Asked:
    _refuse_unknown(body, _KNOWN)
    for name in ("model", "messages"):
        if not body.get(name):
            raise Trouble("invalid", f"invalid request: {name} is required")
    if body.get("tool_choice", "REQUIRED") not in ("REQUIRED", "NONE"):
        raise Trouble("invalid", "invalid request: tool_choice must be REQUIRED or NONE")
    tools = body.get("tools") or ()
    for tool in tools:
        _refuse_unknown(tool, _IN_TOOL)
        _refuse_unknown(tool["function"], _IN_FUNCTION)
    media: list[str] = []
    read = _read_messages(body["messages"], media)
    thinking = body.get("thinking") or {}
    return Asked(
        model=body["model"],
        stream=bool(body.get("stream")),
        last=read.last,
        said=read.said,
        result=read.result,
        media=media,
        tools={tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in tools},
        choice={"REQUIRED": "required", "NONE": "none"}.get(body.get("tool_choice", ""), "auto"),
        schema=_schema(body.get("response_format")),
        reasons=thinking.get("type") == "enabled",
        max_tokens=body.get("max_tokens"),
        prompt_chars=read.chars,
    )


def _refuse_unknown(content: Json, known: frozenset[str]) -> None:
    unknown = unknown_of(content, known)
    if unknown:
        raise Trouble("unprocessable", f"unknown field: parameter '{unknown}' is not a valid field. {_HINT}")


def _read_messages(messages: list[Json], media: list[str]) -> Reading:
    read, calls = Reading(), Calls(_NO_CALL, _NO_RESULT)
    for message in messages:
        role = message["role"]
        if role not in _IN_MESSAGES:
            raise Trouble("invalid", f"invalid request: unknown role {role}")
        _refuse_unknown(message, _IN_MESSAGES[role])
        text = _text(message.get("content"), media)
        if role == "tool":
            calls.result(message["tool_call_id"])
            read.tool(text)
            continue
        calls.close()
        if role == "assistant":
            read.assistant(text)
            for call in message.get("tool_calls") or ():
                _refuse_unknown(call, _IN_CALL)
                if not isinstance(call["function"]["arguments"], str):
                    raise Trouble("unprocessable", "invalid type: parameter arguments must be a string.")
                calls.call(call["id"])
        elif role == "user":
            read.user(text)
    calls.close()
    if read.last == "assistant":
        raise Trouble("invalid", "invalid request: the last message must be from a user or a tool")
    return read


def _text(content: Any, media: list[str]) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for part in content:
        match part["type"]:
            case "text":
                texts.append(part["text"])
            case "thinking":
                assert isinstance(part["thinking"], str)
            case "image_url":
                media.append(media_type_of(part["image_url"]["url"]))
            case "document":
                texts.append(str(part["document"]["data"]))
            case other:
                raise Trouble("unprocessable", f"invalid content type: {other}")
    return " ".join(texts)


def _schema(form: Any) -> Mapping[str, Any] | None:
    match form:
        case {"type": "json_object", **rest} if set(rest) <= {"json_schema", "schema"}:
            schema: Any = rest.get("json_schema") or rest.get("schema") or {}
            return dict(schema)
        case None | {"type": "text"}:
            return None
    raise Trouble("unprocessable", "invalid response_format")


def _events(said: Said) -> Iterator[Json]:
    message: Json = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"id": said.id, "type": "message-start", "delta": {"message": message}}
    index = 0
    for kind, pieces in (("thinking", said.reasoning), ("text", said.text)):
        if pieces:
            yield _event("content-start", index, {"content": {"type": kind, kind: ""}})
            for piece in pieces:
                yield _event("content-delta", index, {"content": {kind: piece}})
            yield {"type": "content-end", "index": index}
            index += 1
    if said.calls:
        yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will call the tool."}}}
    for index, call in enumerate(said.calls):
        yield _event("tool-call-start", index, {"tool_calls": _call(call, "")})
        for fragment in call.fragments:
            yield _event("tool-call-delta", index, {"tool_calls": {"function": {"arguments": fragment}}})
        yield {"type": "tool-call-end", "index": index}
    yield {"type": "message-end", "delta": _end(said)}


def _event(kind: str, index: int, message: Json) -> Json:
    return {"type": kind, "index": index, "delta": {"message": message}}


def _call(call: Call, arguments: str) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _end(said: Said) -> Json:
    tokens = {"input_tokens": said.prompt_tokens, "output_tokens": said.completion_tokens}
    usage = {"billed_units": tokens, "tokens": tokens, "cached_tokens": said.cached_tokens}
    return {"finish_reason": _STOP[said.finish], "usage": usage}
