"""OpenAI's chat completions. https://platform.openai.com/docs/api-reference/chat/create"""

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
    text_of,
    unknown_of,
    words,
)
from tests.simulator.drawings import IMAGE_TOKENS, png_of
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.said import CREATED, Call, Said
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import DONE, EVENTS, Target, data_event, dump

_KNOWN = words(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens "
    "messages metadata modalities model n parallel_tool_calls prediction presence_penalty prompt_cache_key "
    "prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store "
    "stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options"
)
_OPENROUTERS = words("image_config usage")
_IN_MESSAGES: Mapping[str, frozenset[str]] = {
    "system": frozenset(("role", "content", "name")),
    "developer": frozenset(("role", "content", "name")),
    "user": frozenset(("role", "content", "name")),
    "assistant": frozenset(("role", "content", "name", "audio", "function_call", "refusal", "tool_calls")),
    "tool": frozenset(("role", "content", "tool_call_id")),
}
_TYPES = {"auth": "invalid_request_error", "rate_limit": "requests", "server": "server_error"}
_CODES = {
    "auth": "invalid_api_key",
    "content_policy": "content_policy_violation",
    "context_length": "context_length_exceeded",
    "not_found": "model_not_found",
    "rate_limit": "rate_limit_exceeded",
}


class OpenAIChat:
    content_type = EVENTS
    call_id = "call_{number}"
    known = _KNOWN

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        if path == "/v1/embeddings":
            return Target(operation="embeddings")
        if path.startswith("/v1/audio/"):
            return Target(operation={"speech": "speech", "transcriptions": "transcription"}[path[10:]])
        if path in ("/v1/images/generations", "/v1/images/edits"):
            return Target(operation="images", api=path.rpartition("/")[2])
        return Target() if path == "/v1/chat/completions" else None

    def check(self, request: Request, target: Target, key: str) -> Asked:
        check_key(bearer(request), key, "Incorrect API key provided: sim-****.")
        body = body_of(request)
        # Models of other authors are OpenRouter's, which takes more.
        unknown = unknown_of(body, self.known | _OPENROUTERS if "/" in str(body.get("model")) else self.known)
        if unknown:
            raise Trouble("invalid", f"Unknown parameter: '{unknown}'.", param=unknown)
        return read_chat(body)

    def whole(self, said: Said, asked: Asked) -> bytes:
        whole = whole_chat(said)
        if "image" in asked.options:
            whole["choices"][0]["message"]["images"] = [_image(said)]
            _count_image(whole["usage"])
        return dump(whole)

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        draws = "image" in asked.options
        for chunk in chunks_of(said, usage="usage" in asked.options):
            if draws and chunk["choices"] and chunk["choices"][0]["finish_reason"]:
                chunk["choices"][0]["delta"] = {"images": [_image(said)]}
            if draws and chunk.get("usage"):
                _count_image(chunk["usage"])
            yield data_event(chunk)
        yield DONE

    def refusal(self, trouble: Trouble) -> Reply:
        return json_reply({"error": describe(trouble)}, trouble.status_or(), trouble.headers)

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        return data_event({"error": describe(trouble)})


def describe(trouble: Trouble) -> Json:
    kind = "server_error" if trouble.status_or() >= 500 else _TYPES.get(trouble.kind, "invalid_request_error")
    return {"message": trouble.message, "type": kind, "param": trouble.param, "code": _CODES.get(trouble.kind)}


def read_chat(body: Json, in_messages: Mapping[str, frozenset[str]] | None = _IN_MESSAGES) -> Asked:
    """Raises Trouble. `in_messages`: the members that a message of each role may have; None for any."""
    for name in ("model", "messages"):
        if not body.get(name):
            raise Trouble("invalid", f"you must provide a {name} parameter", param=name)
    if "max_tokens" in body and "max_completion_tokens" in body:
        raise Trouble("invalid", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    media: list[str] = []
    read = read_messages(body["messages"], media, in_messages)
    for place, tool in enumerate(body.get("tools", ()) if in_messages is not None else ()):
        unknown = unknown_of(tool, ("type", "function"))
        if unknown:
            raise Trouble("invalid", f"Unknown parameter: 'tools[{place}].{unknown}'.", param=f"tools[{place}]")
    choice = body.get("tool_choice", "auto")
    if choice != "auto" and not body.get("tools"):
        raise Trouble("invalid", "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    options = body.get("stream_options") or {}
    if options and not body.get("stream"):
        raise Trouble("invalid", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    return Asked(
        model=body["model"],
        stream=bool(body.get("stream")),
        last=read.last,
        said=read.said,
        result=read.result,
        media=media,
        tools={each["function"]["name"]: each["function"].get("parameters", {}) for each in body.get("tools", ())},
        choice=choice["function"]["name"] if isinstance(choice, dict) else choice,
        schema=schema_of(body.get("response_format")),
        reasons=body.get("reasoning_effort", "none") != "none",
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        prompt_chars=read.chars,
        options=frozenset(
            [
                *(["usage"] if options.get("include_usage") else []),
                *(["image"] if "image" in body.get("modalities", ()) else []),
            ]
        ),
    )


def read_messages(messages: list[Json], media: list[str], in_messages: Mapping[str, frozenset[str]] | None) -> Reading:
    """Raises Trouble."""
    read = Reading()
    calls = Calls(
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        "The following tool_call_ids did not have response messages: {id}",
    )
    for place, message in enumerate(messages):
        role = message["role"]
        if in_messages is not None:
            if role not in in_messages:
                raise Trouble("invalid", f"Invalid value: '{role}'.", param=f"messages[{place}].role")
            unknown = unknown_of(message, in_messages[role])
            if unknown:
                raise Trouble("invalid", f"Unknown parameter: 'messages[{place}].{unknown}'.", param=unknown)
        text = content_text(message.get("content"), media)
        if role == "tool":
            calls.result(message["tool_call_id"])
            read.tool(text)
            continue
        calls.close()
        if role == "assistant":
            read.assistant(text)
            for call in message.get("tool_calls") or ():
                # Arguments that are no JSON are a mistake of whoever wrote the history down.
                if call["type"] != "function" or not isinstance(call["function"]["arguments"], str):
                    raise Trouble("invalid", f"Invalid 'messages[{place}].tool_calls'.")
                calls.call(call["id"])
            if not message.get("content") and not message.get("tool_calls") and not message.get("refusal"):
                raise Trouble("invalid", f"Invalid value for 'content': expected a string, at messages[{place}].")
        elif role == "user":
            read.user(text)
    calls.close()
    return read


def content_text(content: Any, media: list[str]) -> str:
    """The text of a message; its other parts are added to `media`. Raises Trouble."""
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        match part["type"]:
            case "text" | "refusal" | "thinking":
                pass
            case "image_url":
                image = part["image_url"]
                media.append(media_type_of(image if isinstance(image, str) else image["url"]))
            case "input_audio":
                media.append(f"audio/{part['input_audio']['format']}")
            case "file":
                media.append(media_type_of(part["file"]["file_data"]) if "file_data" in part["file"] else "file")
            case other:
                raise Trouble("invalid", f"Invalid value: '{other}'. Supported values are: 'text', 'image_url'.")
    return text_of(content)


def schema_of(form: Any) -> Mapping[str, Any] | None:
    match form:
        case {"type": "json_schema", "json_schema": {"name": str(), "schema": schema}}:
            found: Mapping[str, Any] = schema
            return found
        case {"type": "json_object"}:
            return {}
        case None | {"type": "text"}:
            return None
    raise Trouble("invalid", "Invalid 'response_format'.", param="response_format")


def whole_chat(said: Said) -> Json:
    message: Json = {"role": "assistant", "content": said.whole_text or None, "refusal": None, "annotations": []}
    if said.calls:
        message["tool_calls"] = [_call(call) for call in said.calls]
    if said.reasoning:
        message["reasoning_content"] = said.thoughts
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish}
    return {**_head(said, "chat.completion"), "choices": [choice], "usage": usage_of(said)}


def chunks_of(said: Said, *, usage: bool) -> Iterator[Json]:
    """One for the role, one for each piece, the finish reason, and the usage in one without choices."""
    head = _head(said, "chat.completion.chunk") | ({"usage": None} if usage else {})
    for delta in _deltas(said):
        yield {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": said.finish}]}
    if usage:
        yield {**head, "choices": [], "usage": usage_of(said)}


def usage_of(said: Said) -> Json:
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": said.completion_tokens,
        "total_tokens": said.prompt_tokens + said.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": said.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(said.reasoning), "audio_tokens": 0},
    }


def _deltas(said: Said) -> Iterator[Json]:
    yield {"role": "assistant", "content": None if said.calls else "", "refusal": None}
    for piece in said.reasoning:
        yield {"reasoning_content": piece}
    for piece in said.text:
        yield {"content": piece}
    for index, call in enumerate(said.calls):
        yield {"tool_calls": [{**_call(call), "index": index, "function": {"name": call.name, "arguments": ""}}]}
        for fragment in call.fragments:
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


def _image(said: Said) -> Json:
    """As OpenRouter has it: https://openrouter.ai/docs/guides/overview/multimodal/image-generation"""
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png_of(said.whole_text)}"}}


def _count_image(usage: Json) -> None:
    usage["completion_tokens"] += IMAGE_TOKENS
    usage["total_tokens"] += IMAGE_TOKENS
    usage["completion_tokens_details"]["image_tokens"] = IMAGE_TOKENS


def _call(call: Call) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.json}}


def _head(said: Said, kind: str) -> Json:
    head = {"id": said.id, "object": kind, "created": CREATED, "model": said.model}
    return {**head, "service_tier": "default", "system_fingerprint": "fp_sim"}
