"""OpenAI's Responses. https://platform.openai.com/docs/api-reference/responses/create"""

from collections.abc import Iterator, Mapping
from itertools import count
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
from tests.simulator.said import CREATED, Said, fragments_of, sign
from tests.simulator.trouble import Trouble
from tests.simulator.wires.openai_chat import describe
from tests.simulator.wires.wire import EVENTS, Target, dump, named_event

_KNOWN = words(
    "background context_management conversation include input instructions max_output_tokens max_tool_calls "
    "metadata model parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_retention "
    "reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice tools "
    "top_logprobs top_p truncation user"
)
_IN_TOOLS = {
    "function": words("type name description parameters strict"),
    "custom": words("type name description format"),
    "web_search": words(
        "type external_web_access filters image_settings return_token_budget search_content_types search_context_size "
        "user_location"
    ),
    "local_shell": words("type"),
}
_IN_FILTERS = words("allowed_domains blocked_domains")
_INCLUDABLE = words(
    "reasoning.encrypted_content message.output_text.logprobs web_search_call.action.sources web_search_call.results"
)
_SOURCES = "web_search_call.action.sources"
_SHELL = {"properties": {"command": {"type": "array", "items": {"type": "string"}}}, "required": ["command"]}
_PAGE = "https://docs.example.com/page/0"
_FOLLOW = words("message reasoning function_call custom_tool_call web_search_call local_shell_call")
"""Kinds of items, one of which must come after a thought."""
_TAKES_CUSTOM = ("gpt-5", "gpt-6")
_TEXT = {"properties": {"input": {"type": "string"}}, "required": ["input"]}
_LEAST_TOKENS = 16
_ENCRYPTED = "reasoning.encrypted_content"
_STATUS = {"stop": "completed", "tool_calls": "completed", "length": "incomplete"}


class OpenAIResponses:
    content_type = EVENTS
    call_id = "call_{number}"

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        return Target() if path == "/v1/responses" else None

    def check(self, request: Request, target: Target, key: str) -> Asked:
        check_key(bearer(request), key, "Incorrect API key provided: sim-****.")
        return read_responses(body_of(request))

    def whole(self, said: Said, asked: Asked) -> bytes:
        return dump(_response(said, asked, list(_items(said, asked))))

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        numbers = count()
        for event in _events(said, asked):
            yield named_event({**event, "sequence_number": next(numbers)})

    def refusal(self, trouble: Trouble) -> Reply:
        return json_reply({"error": describe(trouble)}, trouble.status_or(), trouble.headers)

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        return named_event({"type": "error", "error": describe(trouble), "sequence_number": 0})


def read_responses(body: Json) -> Asked:
    """Raises Trouble."""
    unknown = unknown_of(body, _KNOWN)
    if unknown:
        raise Trouble("invalid", f"Unknown parameter: '{unknown}'.", param=unknown)
    for name in ("model", "input"):
        if not body.get(name):
            raise Trouble("invalid", f"Missing required parameter: '{name}'.", param=name)
    if body.get("max_output_tokens", _LEAST_TOKENS) < _LEAST_TOKENS:
        raise Trouble("invalid", "Invalid 'max_output_tokens': integer below minimum value.", param="max_output_tokens")
    media: list[str] = []
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    read = _read_items(items, media, stored=body.get("store", True))
    reasoning = body.get("reasoning") or {}
    choice = body.get("tool_choice", "auto")
    include = body.get("include") or ()
    if unknown := unknown_of(dict.fromkeys(include), _INCLUDABLE):
        raise Trouble("invalid", f"Invalid value: '{unknown}'.", param="include")
    tools = _tools(body)
    kinds = {tool["type"] for tool in body.get("tools", ())}
    if "web_search" in kinds and reasoning.get("effort") == "minimal":
        raise Trouble("invalid", "The following tools cannot be used with reasoning.effort 'minimal': web_search.")
    on = (
        ("encrypted", _ENCRYPTED in include),
        ("summary", bool(reasoning.get("summary"))),
        ("web_search", "web_search" in kinds and choice != "none"),
        ("sources", _SOURCES in include),
        ("local_shell", "local_shell" in kinds),
    )
    return Asked(
        model=body["model"],
        stream=bool(body.get("stream")),
        last=read.last,
        said=read.said,
        result=read.result,
        media=media,
        tools=tools,
        custom=frozenset(tool["name"] for tool in body.get("tools", ()) if tool["type"] == "custom"),
        choice=_choice(choice) if isinstance(choice, dict) else choice,
        schema=_schema(body.get("text") or {}),
        # Without an effort these models reason as well, which nobody sees.
        reasons=bool(reasoning) and reasoning.get("effort") != "none",
        max_tokens=body.get("max_output_tokens"),
        prompt_chars=read.chars + len(body.get("instructions") or ""),
        options=frozenset(name for name, given in on if given),
    )


def _choice(choice: Json) -> str:
    """Who must search calls nothing."""
    return "none" if choice["type"] == "web_search" else str(choice.get("name", "auto"))


def _tools(body: Json) -> Json:
    """The parameters of each, by name. Raises Trouble."""
    found: Json = {}
    for place, tool in enumerate(body.get("tools", ())):
        unknown = unknown_of(tool, _IN_TOOLS.get(tool["type"], ()))
        if unknown:
            raise Trouble("invalid", f"Unknown parameter: 'tools[{place}].{unknown}'.", param=f"tools[{place}]")
        if tool["type"] == "custom" and not body["model"].startswith(_TAKES_CUSTOM):
            raise Trouble("invalid", "Custom tools are not supported with this model.", param=f"tools[{place}]")
        match tool["type"]:
            case "function":
                found[tool["name"]] = tool["parameters"]
            case "custom":
                found[tool["name"]] = _TEXT
            case "local_shell":
                found["local_shell"] = _SHELL
            case "web_search" if unknown := unknown_of(tool.get("filters") or {}, _IN_FILTERS):
                raise Trouble("invalid", f"Unknown parameter: 'tools[{place}].filters.{unknown}'.")
    return found


def _read_items(items: list[Json], media: list[str], *, stored: bool) -> Reading:
    read = Reading()
    calls = Calls(
        "No tool call found for function call output with call_id {id}.", "No tool output found for function call {id}."
    )
    texts = Calls(
        "No tool call found for custom tool call output with call_id {id}.",
        "No tool output found for custom tool call {id}.",
    )
    shells = Calls(
        "No tool call found for local shell call with call_id {id}.", "No tool output found for local shell call {id}."
    )
    for place, item in enumerate(items):
        match item.get("type", "message"):
            case "message":
                _read_message(item, read, media, place)
            case "function_call":
                if not isinstance(item["arguments"], str) or not isinstance(item["name"], str):
                    raise Trouble("invalid", f"Invalid type for 'input[{place}].arguments'.", param="input")
                calls.call(item["call_id"])
                read.assistant()
            case "custom_tool_call":
                if not isinstance(item["input"], str) or not isinstance(item["name"], str):
                    raise Trouble("invalid", f"Invalid type for 'input[{place}].input'.", param="input")
                texts.call(item["call_id"])
                read.assistant()
            case "function_call_output" | "custom_tool_call_output" as kind:
                (calls if kind == "function_call_output" else texts).result(item["call_id"])
                read.tool(_content_text(item["output"], media, place))
            case "reasoning":
                _check_reasoning(item, place, stored=stored)
                _check_followed(item, items[place + 1 : place + 2])
            case "web_search_call":
                if not isinstance(item["action"]["type"], str) or item["status"] not in ("completed", "failed"):
                    raise Trouble("invalid", f"Invalid value for 'input[{place}].action'.", param="input")
                read.assistant()
            case "local_shell_call":
                if not isinstance(item["action"]["command"], list) or not isinstance(item["id"], str):
                    raise Trouble("invalid", f"Invalid type for 'input[{place}].action'.", param="input")
                shells.call(item["call_id"])
                read.assistant()
            case "local_shell_call_output":
                shells.result(item["call_id"])
                read.tool(item["output"])
            case other:
                raise Trouble("invalid", f"Invalid value: '{other}'.", param=f"input[{place}].type")
    calls.close()
    texts.close()
    shells.close()
    return read


def _check_followed(item: Json, following: list[Json]) -> None:
    kinds = [each.get("type", "message") for each in following if each.get("role", "assistant") == "assistant"]
    if not _FOLLOW.intersection(kinds):
        raise Trouble(
            "invalid", f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item."
        )


def _read_message(item: Json, read: Reading, media: list[str], place: int) -> None:
    text = _content_text(item["content"], media, place, assistant=item["role"] == "assistant")
    match item["role"]:
        case "user":
            read.user(text)
        case "assistant":
            read.assistant(text)
        case "system" | "developer":
            read.chars += len(text)
        case other:
            raise Trouble("invalid", f"Invalid value: '{other}'.", param=f"input[{place}].role")


def _content_text(content: Any, media: list[str], place: int, *, assistant: bool = False) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for part in content:
        match part["type"], assistant:
            case ("output_text", True) | ("input_text", False):
                texts.append(part["text"])
            case "refusal", True:
                texts.append(part["refusal"])
            case "input_image", False:
                media.append(media_type_of(part["image_url"]))
            case "input_file", False:
                media.append(media_type_of(part["file_data"]) if "file_data" in part else "file")
            case other, _:
                raise Trouble("invalid", f"Invalid value: '{other}'.", param=f"input[{place}].content[0]")
    return " ".join(texts)


def _check_reasoning(item: Json, place: int, *, stored: bool) -> None:
    """Nothing is stored here either: what is not sent along cannot be found."""
    encrypted = item.get("encrypted_content")
    if not encrypted:
        hint = "" if stored else " Items are not persisted when `store` is set to false."
        raise Trouble("not_found", f"Item with id '{item.get('id')}' not found.{hint}", param="input")
    if not isinstance(item.get("summary"), list):
        raise Trouble("invalid", f"Missing required parameter: 'input[{place}].summary'.", param="input")
    if encrypted != sign(str(item.get("id"))):
        raise Trouble("invalid", f"The encrypted content for item {item.get('id')} could not be verified.")


def _schema(text: Json) -> Mapping[str, Any] | None:
    match text.get("format"):
        case {"type": "json_schema", "name": str(), "schema": schema}:
            found: Mapping[str, Any] = schema
            return found
        case {"type": "json_object"}:
            return {}
        case None | {"type": "text"}:
            return None
    raise Trouble("invalid", "Invalid 'text.format'.", param="text.format")


def _response(said: Said, asked: Asked, output: list[Json], status: str = "") -> Json:
    status = status or _STATUS[said.finish]
    over = status != "in_progress"
    return {
        "id": f"resp_{said.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "model": said.model,
        "output": output if over else [],
        "service_tier": "default",
        "usage": _usage(said) if over else None,
    }


def _usage(said: Said) -> Json:
    return {
        "input_tokens": said.prompt_tokens,
        "input_tokens_details": {"cached_tokens": said.cached_tokens},
        "output_tokens": said.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": len(said.reasoning)},
        "total_tokens": said.prompt_tokens + said.completion_tokens,
    }


def _items(said: Said, asked: Asked) -> Iterator[Json]:
    if said.reasoning:
        item_id = f"rs_{said.id}"
        summary = [{"type": "summary_text", "text": said.thoughts}] if "summary" in asked.options else []
        item: Json = {"id": item_id, "type": "reasoning", "summary": summary}
        yield {**item, "encrypted_content": sign(item_id)} if "encrypted" in asked.options else item
    searched = "web_search" in asked.options and asked.last == "user"
    if said.text and searched:
        yield from _searches(said, asked)
    if said.text:
        annotations = [_citation(said)] if searched else []
        part = {"type": "output_text", "text": said.whole_text, "annotations": annotations, "logprobs": []}
        item = {"id": f"msg_{said.id}", "type": "message", "role": "assistant", "status": "completed"}
        yield {**item, "content": [part]}
    for index, call in enumerate(said.calls):
        head = {"status": "completed", "call_id": call.id, "name": call.name}
        if call.name == "local_shell" and "local_shell" in asked.options:
            action = {"type": "exec", "command": call.arguments["command"], "env": {}}
            item = {"id": f"lsh_{said.id}_{index}", "type": "local_shell_call", "action": action}
            yield {**item, "status": "completed", "call_id": call.id}
        elif call.name in asked.custom:
            item = {"id": f"ctc_{said.id}_{index}", "type": "custom_tool_call", **head}
            yield {**item, "input": call.arguments["input"]}
        else:
            item = {"id": f"fc_{said.id}_{index}", "type": "function_call", **head}
            yield {**item, "arguments": call.json}


def _searches(said: Said, asked: Asked) -> Iterator[Json]:
    """One that is charged for, and a look at a page, which is not."""
    search: Json = {"type": "search", "query": asked.said}
    if "sources" in asked.options:
        search["sources"] = [{"type": "url", "url": _PAGE}]
    for index, action in enumerate((search, {"type": "open_page", "url": _PAGE})):
        yield {"id": f"ws_{said.id}_{index}", "type": "web_search_call", "status": "completed", "action": action}


def _citation(said: Said) -> Json:
    place = {"start_index": 0, "end_index": len(said.whole_text)}
    return {"type": "url_citation", "url": _PAGE, "title": "Page 0", **place}


def _events(said: Said, asked: Asked) -> Iterator[Json]:
    for kind in ("response.created", "response.in_progress"):
        yield {"type": kind, "response": _response(said, asked, [], "in_progress")}
    done = []
    for index, item in enumerate(_items(said, asked)):
        place = {"output_index": index}
        blank = _BLANK.get(item["type"], {"status": "in_progress"})
        yield {"type": "response.output_item.added", **place, "item": {**item, **blank}}
        yield from _pieces(said, item, {**place, "item_id": item["id"]})
        yield {"type": "response.output_item.done", **place, "item": item}
        done.append(item)
    response = _response(said, asked, done)
    yield {"type": f"response.{response['status']}", "response": response}


_BLANK: Mapping[str, Json] = {
    "reasoning": {"summary": []},
    "message": {"status": "in_progress", "content": []},
    "function_call": {"status": "in_progress", "arguments": ""},
    "custom_tool_call": {"status": "in_progress", "input": ""},
}


def _pieces(said: Said, item: Json, place: Json) -> Iterator[Json]:
    match item["type"]:
        case "reasoning" if item["summary"]:
            place = {**place, "summary_index": 0}
            part: Json = {"type": "summary_text", "text": ""}
            yield {"type": "response.reasoning_summary_part.added", **place, "part": part}
            for piece in said.reasoning:
                yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
            yield {"type": "response.reasoning_summary_text.done", **place, "text": said.thoughts}
            yield {"type": "response.reasoning_summary_part.done", **place, "part": part | {"text": said.thoughts}}
        case "message":
            place = {**place, "content_index": 0}
            part = {"type": "output_text", "text": "", "annotations": []}
            [whole] = item["content"]
            yield {"type": "response.content_part.added", **place, "part": part}
            for piece in said.text:
                yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
            for number, annotation in enumerate(whole["annotations"]):
                added = {"annotation_index": number, "annotation": annotation}
                yield {"type": "response.output_text.annotation.added", **place, **added}
            yield {"type": "response.output_text.done", **place, "text": said.whole_text, "logprobs": []}
            yield {"type": "response.content_part.done", **place, "part": whole}
        case "function_call":
            [call] = [call for call in said.calls if call.id == item["call_id"]]
            for fragment in call.fragments:
                yield {"type": "response.function_call_arguments.delta", **place, "delta": fragment}
            yield {"type": "response.function_call_arguments.done", **place, "arguments": call.json}
        case "web_search_call":
            for step in ("in_progress", "searching", "completed"):
                yield {"type": f"response.web_search_call.{step}", **place}
        case "custom_tool_call":
            for fragment in fragments_of(item["input"]):
                yield {"type": "response.custom_tool_call_input.delta", **place, "delta": fragment}
            yield {"type": "response.custom_tool_call_input.done", **place, "input": item["input"]}
