"""The demo provider's answers as bytes of OpenAI's chat completions, streamed or whole."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from infra.local.demo_answer import Answer, ToolCall

DONE = b"data: [DONE]\n\n"
_FINGERPRINT = "fp_demo"
# OpenAI's `type` and `code` of an error, by HTTP status.
_ERRORS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def present_error(status: int, message: str) -> bytes:
    kind, code = _ERRORS.get(status, ("server_error", None))
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


def present_completion(answer: Answer, answer_id: str, model: str, *, usage: bool) -> bytes:
    """The whole answer, as one JSON object."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.content), "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    if answer.tool_calls:
        message["content"] = None
        message["tool_calls"] = [_whole_call(call) for call in answer.tool_calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    head = _head(answer_id, model, "chat.completion") | {"choices": [choice]}
    return orjson.dumps(head | {"usage": _usage(answer)} if usage else head)


def present_chunks(answer: Answer, answer_id: str, model: str, *, usage: bool) -> Iterator[bytes]:
    """The server-sent events before `[DONE]`: one for the role, one per piece, the finish reason, the usage.

    `usage` is whether the client asked for it, in an event of its own after all others.
    """
    # Serialised once per answer: only what differs between two chunks is made for each.
    head = b"data: " + orjson.dumps(_head(answer_id, model, "chat.completion.chunk"))[:-1]
    start = head + b',"choices":[{"index":0,"delta":'
    stop = b',"usage":null}\n\n' if usage else b"}\n\n"
    end = b',"logprobs":null,"finish_reason":null}]' + stop
    yield start + b'{"role":"assistant","content":"","refusal":null}' + end
    for piece in answer.reasoning:
        yield start + b'{"reasoning_content":' + _string(piece) + b"}" + end
    for piece in answer.content:
        yield start + b'{"content":' + _string(piece) + b"}" + end
    for index, call in enumerate(answer.tool_calls):
        for delta in _call_deltas(index, call):
            yield start + orjson.dumps({"tool_calls": [delta]}) + end
    yield start + b'{},"logprobs":null,"finish_reason":' + orjson.dumps(answer.finish_reason) + b"}]" + stop
    if usage:
        yield head + b',"choices":[],"usage":' + orjson.dumps(_usage(answer)) + b"}\n\n"


def present_models(names: Sequence[str]) -> bytes:
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "turnpike"} for name in names]
    return orjson.dumps({"object": "list", "data": data})


def _head(answer_id: str, model: str, kind: str) -> dict[str, Any]:
    head = {"id": answer_id, "object": kind, "created": int(time.time()), "model": model}
    return head | {"system_fingerprint": _FINGERPRINT}


def _usage(answer: Answer) -> Mapping[str, Any]:
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(answer.reasoning), "audio_tokens": 0},
    }


def _whole_call(call: ToolCall) -> Mapping[str, Any]:
    function = {"name": call.name, "arguments": "".join(call.fragments)}
    return {"id": call.id, "type": "function", "function": function}


def _call_deltas(index: int, call: ToolCall) -> Iterator[Mapping[str, Any]]:
    function = {"name": call.name, "arguments": ""}
    yield {"index": index, "id": call.id, "type": "function", "function": function}
    for fragment in call.fragments:
        yield {"index": index, "function": {"arguments": fragment}}


@lru_cache(maxsize=4096)
def _string(piece: str) -> bytes:
    return orjson.dumps(piece)
