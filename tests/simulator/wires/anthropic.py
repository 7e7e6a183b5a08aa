"""Anthropic's Messages. https://docs.claude.com/en/api/messages"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.simulator.asked import Asked, Calls, Json, Reading, body_of, check_key, text_of, unknown_of, words
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.said import Said, fragments_of, sign
from tests.simulator.trouble import Trouble
from tests.simulator.wires.anthropic_tools import OWN, Uses, check_own, citation_of, schemas_of, searches
from tests.simulator.wires.wire import EVENTS, Target, dump, named_event

_KNOWN = words(
    "cache_control container context_management inference_geo max_tokens mcp_servers messages metadata model "
    "output_config output_format service_tier speed stop_sequences stream system temperature thinking tool_choice "
    "tools top_k top_p user_profile_id"
)
_TYPES = {
    "auth": ("authentication_error", None),
    "not_found": ("not_found_error", None),
    "rate_limit": ("rate_limit_error", None),
    "server": ("api_error", None),
    # https://docs.claude.com/en/api/errors
    "overloaded": ("overloaded_error", 529),
}
_STOP = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_LEAST_BUDGET = 1024
_MOST_MARKS = 4


class Anthropic:
    content_type = EVENTS
    call_id = "toolu_{number}"

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        return Target() if path == "/v1/messages" else None

    def check(self, request: Request, target: Target, key: str) -> Asked:
        check_key(request.headers.get("x-api-key"), key, "invalid x-api-key")
        if request.headers.get("anthropic-version") != "2023-06-01":
            raise Trouble("invalid", "anthropic-version: header is required")
        return read_message(body_of(request), _KNOWN)

    def whole(self, said: Said, asked: Asked) -> bytes:
        return dump(whole_message(said, asked))

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        return map(named_event, events_of(said, asked))

    def refusal(self, trouble: Trouble) -> Reply:
        _, status = _TYPES.get(trouble.kind, ("", None))
        return json_reply(describe(trouble), trouble.status_or(status), trouble.headers)

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        return named_event(describe(trouble))


def describe(trouble: Trouble) -> Json:
    kind, _ = _TYPES.get(trouble.kind, ("invalid_request_error", None))
    return {"type": "error", "error": {"type": kind, "message": trouble.message}, "request_id": "req_sim"}


def read_message(body: Json, known: frozenset[str], own_tools: Mapping[str, frozenset[str]] = OWN) -> Asked:
    """`own_tools` are those of Anthropic's that the platform has. Raises Trouble."""
    unknown = unknown_of(body, known)
    if unknown:
        raise Trouble("invalid", f"{unknown}: Extra inputs are not permitted")
    for name in ("model", "max_tokens", "messages"):
        if name in known and not body.get(name):
            raise Trouble("invalid", f"{name}: Field required")
    thinking = body.get("thinking") or {"type": "disabled"}
    _check_thinking(body, thinking)
    if str(body).count("'cache_control'") > _MOST_MARKS:
        raise Trouble("invalid", "A maximum of 4 blocks with cache_control may be provided.")
    media: list[str] = []
    read = _read_turns(body["messages"], media, thinks=thinking["type"] == "enabled")
    choice = body.get("tool_choice") or {"type": "auto"}
    own = check_own(body.get("tools", ()), own_tools)
    functions = {tool["name"]: tool["input_schema"] for tool in body.get("tools", ()) if "input_schema" in tool}
    if choice["type"] == "tool" and choice["name"] not in {*functions, *(tool["name"] for tool in own)}:
        raise Trouble("invalid", f"Tool '{choice['name']}' not found in provided tools")
    return Asked(
        model=body.get("model", ""),
        stream=bool(body.get("stream")),
        last=read.last,
        said=read.said,
        result=read.result,
        media=media,
        tools={**functions, **schemas_of(own)},
        own_tools=own,
        choice=choice["name"] if choice["type"] == "tool" else {"any": "required"}.get(choice["type"], choice["type"]),
        schema=_schema(body),
        reasons=thinking["type"] != "disabled",
        max_tokens=body["max_tokens"],
        prompt_chars=read.chars + len(str(body.get("system", ""))),
    )


def _check_thinking(body: Json, thinking: Json) -> None:
    """https://docs.claude.com/en/docs/build-with-claude/extended-thinking"""
    if thinking["type"] not in ("enabled", "adaptive", "disabled"):
        raise Trouble("invalid", "thinking.type: Input should be 'adaptive', 'disabled' or 'enabled'")
    if thinking["type"] == "disabled":
        return
    if thinking["type"] == "enabled":
        if thinking["budget_tokens"] < _LEAST_BUDGET:
            raise Trouble("invalid", "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if thinking["budget_tokens"] >= body["max_tokens"]:
            raise Trouble("invalid", "`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("temperature", 1) != 1 or "top_k" in body:
        raise Trouble("invalid", "`temperature` may only be set to 1 when thinking is enabled.")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise Trouble("invalid", "Thinking may not be enabled when tool_choice forces tool use.")


def _schema(body: Json) -> Mapping[str, Any] | None:
    form = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if form is None:
        return None
    if form["type"] != "json_schema":
        raise Trouble("invalid", "output_config.format.type: Input should be 'json_schema'")
    schema: Mapping[str, Any] = form["schema"]
    return schema


def _read_turns(messages: list[Json], media: list[str], *, thinks: bool) -> Reading:
    read = Reading()
    calls = Calls(
        "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a "
        "corresponding `tool_use` block in the previous message.",
        "`tool_use` ids were found without `tool_result` blocks immediately after: {id}.",
    )
    uses = Uses()
    if messages[0]["role"] != "user":
        raise Trouble("invalid", "messages: first message must use the user role")
    for place, message in enumerate(messages):
        unknown = unknown_of(message, ("role", "content"))
        if unknown:
            raise Trouble("invalid", f"messages.{place}.{unknown}: Extra inputs are not permitted")
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not blocks or any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            raise Trouble("invalid", f"messages.{place}: text content blocks must be non-empty")
        if message["role"] == "user":
            _read_user(blocks, read, calls, media)
            calls.close()
            if any(block["type"] != "tool_result" for block in blocks):
                # With results of calls alone, the turn goes on, and so does what paused beside them.
                uses.close()
        elif message["role"] == "assistant":
            calls.close()
            uses.read(blocks)
            _read_assistant(blocks, read, calls, thinks=thinks)
        else:
            raise Trouble("invalid", f'messages: Unexpected role "{message["role"]}".')
    if read.last == "assistant" and str(blocks[-1].get("text", "")).endswith((" ", "\n")):
        raise Trouble("invalid", "messages: final assistant content cannot end with trailing whitespace")
    calls.close()
    return read


def _read_user(blocks: list[Json], read: Reading, calls: Calls, media: list[str]) -> None:
    results = []
    for block in blocks:
        match block["type"]:
            case "tool_result":
                calls.result(block["tool_use_id"])
                content = block.get("content", "")
                results.append(content if isinstance(content, str) else text_of(content))
            case "image" | "document":
                media.append(_source(block["source"]))
            case "text":
                pass
            case other:
                raise Trouble("invalid", f"Input tag '{other}' found using 'type' does not match any of the tags")
    text = text_of(blocks)
    if text:
        read.user(text)
    if results:
        read.tool(" ".join(results))
    if not text and not results:
        read.user("")


def _source(source: Json) -> str:
    match source:
        case {"type": "base64", "media_type": str(media_type), "data": str(data)} if data:
            return media_type
        case {"type": "url", "url": str()}:
            return "url"
        case {"type": "text", "media_type": "text/plain", "data": str()}:
            return "text/plain"
    raise Trouble("invalid", "source: Input should be a valid image or document")


def _read_assistant(blocks: list[Json], read: Reading, calls: Calls, *, thinks: bool) -> None:
    uses = [block for block in blocks if block["type"] == "tool_use"]
    if thinks and uses and blocks[0]["type"] not in ("thinking", "redacted_thinking"):
        raise Trouble(
            "invalid",
            f"Expected `thinking` or `redacted_thinking`, but found `{blocks[0]['type']}`. When `thinking` is enabled, "
            "a final `assistant` message must start with a thinking block.",
        )
    for block in blocks:
        if block["type"] == "thinking" and block["signature"] != sign(block["thinking"]):
            raise Trouble("invalid", "Invalid `signature` in `thinking` block")
    for use in uses:
        if not isinstance(use["input"], dict):
            raise Trouble("invalid", "tool_use.input: Input should be a valid dictionary")
        calls.call(use["id"])
    read.assistant(text_of(blocks))


def whole_message(said: Said, asked: Asked) -> Json:
    found = _search(said, asked)
    blocks: list[Json] = []
    if said.reasoning:
        blocks.append({"type": "thinking", "thinking": said.thoughts, "signature": said.signature})
    blocks += found
    if said.text:
        cited = [citation_of(result) for result in found[1:]]
        blocks.append({"type": "text", "text": said.whole_text, **({"citations": cited} if cited else {})})
    for call in said.calls:
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
    usage = {**_usage(said), **_searched(found)}
    return {**_head(said), "content": blocks, "stop_reason": _STOP[said.finish], "usage": usage}


def events_of(said: Said, asked: Asked) -> Iterator[Json]:
    found = _search(said, asked)
    start = {**_head(said), "content": [], "stop_reason": None, "usage": {**_usage(said), "output_tokens": 1}}
    yield {"type": "message_start", "message": start}
    for index, (block, deltas) in enumerate(_blocks(said, found)):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": _STOP[said.finish], "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {**_output(said), **_searched(found)}}
    yield {"type": "message_stop"}


def _search(said: Said, asked: Asked) -> Sequence[Json]:
    """The use of a search and its result, or nothing."""
    if asked.choice == "none" or asked.last != "user":
        return ()
    return searches(said, asked.own_tools, asked.said) or ()


def _blocks(said: Said, found: Sequence[Json]) -> Iterator[tuple[Json, list[Json]]]:
    if said.reasoning:
        deltas: list[Json] = [{"type": "thinking_delta", "thinking": piece} for piece in said.reasoning]
        signed = {"type": "signature_delta", "signature": said.signature}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
    if found:
        use, result = found
        query = ["", *fragments_of(json.dumps(use["input"]))]
        yield {**use, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in query]
        yield result, []
    if said.text:
        cited = [{"type": "citations_delta", "citation": citation_of(result)} for result in found[1:]]
        yield {"type": "text", "text": ""}, [*cited, *({"type": "text_delta", "text": piece} for piece in said.text)]
    for call in said.calls:
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        pieces = ["", *call.fragments]
        yield use, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def _searched(found: Sequence[Json]) -> Json:
    return {"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}} if found else {}


def _head(said: Said) -> Json:
    return {"id": f"msg_{said.id}", "type": "message", "role": "assistant", "model": said.model, "stop_sequence": None}


def _usage(said: Said) -> Json:
    """Here the cached part of the prompt is not counted among the rest of it."""
    return {
        "input_tokens": said.prompt_tokens - said.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": said.cached_tokens,
        "service_tier": "standard",
        **_output(said),
    }


def _output(said: Said) -> Json:
    return {
        "output_tokens": said.completion_tokens,
        "output_tokens_details": {"thinking_tokens": len(said.reasoning)},
    }
