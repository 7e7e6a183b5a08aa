"""Mistral's chat completions: OpenAI's, with its own parameters, errors and rules. https://docs.mistral.ai/api/"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.simulator.asked import Asked, Json, bearer, body_of, check_key, unknown_of, words
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.said import Said
from tests.simulator.trouble import Trouble
from tests.simulator.wires.openai_chat import chunks_of, read_chat, usage_of, whole_chat
from tests.simulator.wires.wire import DONE, EVENTS, Target, data_event, dump

_KNOWN = words(
    "frequency_penalty guardrails max_tokens messages metadata min_tokens model n parallel_tool_calls prediction "
    "presence_penalty prompt_cache_key prompt_mode random_seed reasoning_effort response_format safe_prompt "
    "service_tier stop stream temperature tool_choice tools top_p"
)
_KNOWN_OF_GAPS = words("max_tokens metadata min_tokens model prompt random_seed stop stream suffix temperature top_p")
_IN_MESSAGES: Mapping[str, frozenset[str]] = {
    "system": frozenset(("role", "content")),
    "user": frozenset(("role", "content")),
    "assistant": frozenset(("role", "content", "prefix", "tool_calls")),
    "tool": frozenset(("role", "content", "name", "tool_call_id")),
}
_CALL_ID = re.compile("[a-zA-Z0-9]{9}")
_TYPES = {
    "rate_limit": ("rate_limited", "1300"),
    "server": ("internal_server_error", "1000"),
    "overloaded": ("service_unavailable", "1001"),
    "context_length": ("invalid_request_prompt", "3051"),
}


class Mistral:
    content_type = EVENTS
    call_id = "Sim{number:06}"

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        """The same address as OpenAI's: reached only by the name that it is mounted at."""
        if path == "/v1/embeddings":
            return Target(operation="embeddings")
        return Target() if path in ("/v1/chat/completions", "/v1/fim/completions") else None

    def check(self, request: Request, target: Target, key: str) -> Asked:
        check_key(bearer(request), key, "Unauthorized")
        body = body_of(request)
        if "prompt" in body:
            return _read_gap(body)
        _check(body)
        # OpenAI's rules hold otherwise, but for its word for a forced call.
        choice = {"any": "required"}.get(str(body.get("tool_choice")), body.get("tool_choice", "auto"))
        return read_chat({**body, "tool_choice": choice}, in_messages=None)

    def whole(self, said: Said, asked: Asked) -> bytes:
        answer = whole_chat(said)
        message: Json = {"role": "assistant", "content": said.whole_text, "tool_calls": None}
        if said.reasoning:
            text = [{"type": "text", "text": said.whole_text}] if said.text else []
            message["content"] = [_thinking(said.thoughts), *text]
        if said.calls:
            message["tool_calls"] = answer["choices"][0]["message"]["tool_calls"]
        choice = {"index": 0, "message": message, "finish_reason": said.finish}
        return dump({**answer, "choices": [choice]})

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        """Usage comes with the finish reason, and calls of tools in one piece."""
        for chunk in chunks_of(said, usage=False):
            [choice] = chunk["choices"]
            delta = choice["delta"]
            if "reasoning_content" in delta:
                choice["delta"] = {"content": [_thinking(delta["reasoning_content"])]}
            if choice["finish_reason"]:
                chunk["usage"] = usage_of(said)
                choice["delta"] = {"content": "", **_whole_calls(said)}
            if "tool_calls" not in delta:
                yield data_event(chunk)
        yield DONE

    def refusal(self, trouble: Trouble) -> Reply:
        if trouble.kind == "auth":
            return json_reply({"detail": trouble.message}, trouble.status_or())
        return json_reply(_describe(trouble), trouble.status_or(), trouble.headers)

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        return data_event(_describe(trouble))


def _describe(trouble: Trouble) -> Json:
    kind, code = _TYPES.get(trouble.kind, ("invalid_request_error", "3001"))
    message: Any = trouble.message
    if trouble.kind == "unprocessable":
        place = ["body", trouble.param]
        message = {"detail": [{"type": "extra_forbidden", "loc": place, "msg": trouble.message, "input": None}]}
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def _read_gap(body: Json) -> Asked:
    """What stands before the gap and behind it, as if a user had said both."""
    unknown = unknown_of(body, _KNOWN_OF_GAPS)
    if unknown:
        raise Trouble("unprocessable", "Extra inputs are not permitted", param=unknown)
    said = f"{body['prompt']}[...]{body.get('suffix') or ''}"
    chat = {name: value for name, value in body.items() if name not in ("prompt", "suffix", "random_seed")}
    return read_chat({**chat, "messages": [{"role": "user", "content": said}]}, in_messages=None)


def _check(body: Json) -> None:
    unknown = unknown_of(body, _KNOWN)
    for message in body.get("messages") or ():
        if message["role"] not in _IN_MESSAGES:
            raise Trouble("unprocessable", "Input tag does not match any of the expected tags", param="messages")
        unknown = unknown or unknown_of(message, _IN_MESSAGES[message["role"]])
    if unknown:
        raise Trouble("unprocessable", "Extra inputs are not permitted", param=unknown)
    _check_order(body.get("messages") or [])


def _check_order(messages: list[Json]) -> None:
    for before, message in pairwise(messages):
        if (before["role"], message["role"]) == ("tool", "user"):
            raise Trouble("invalid", "Unexpected role 'user' after role 'tool'")
    if messages and messages[-1]["role"] == "assistant" and not messages[-1].get("prefix"):
        raise Trouble("invalid", "Expected last role User or Tool (or Assistant with prefix True) for serving")
    for message in messages:
        ids = [call["id"] for call in message.get("tool_calls") or ()]
        for call_id in [*ids, *([message["tool_call_id"]] if message["role"] == "tool" else [])]:
            if not _CALL_ID.fullmatch(call_id):
                raise Trouble("invalid", f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9.")


def _thinking(text: str) -> Json:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}], "closed": True}


def _whole_calls(said: Said) -> Json:
    if not said.calls:
        return {}
    return {
        "tool_calls": [
            {"id": call.id, "function": {"name": call.name, "arguments": call.json}, "index": index}
            for index, call in enumerate(said.calls)
        ]
    }
