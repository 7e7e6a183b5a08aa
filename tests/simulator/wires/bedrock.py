"""Amazon Bedrock's Converse, and InvokeModel for Claude.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tests.replay.recordings import frame
from tests.simulator.asked import Asked, Calls, Json, Reading, bearer, body_of, check_key, unknown_of, words
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.said import Said, sign
from tests.simulator.trouble import Trouble
from tests.simulator.wires import anthropic
from tests.simulator.wires.wire import Target, dump

_PATH = re.compile(r"/model/(.+)/(converse|converse-stream|invoke|invoke-with-response-stream)")
_KNOWN = words(
    "additionalModelRequestFields additionalModelResponseFieldPaths guardrailConfig inferenceConfig messages "
    "outputConfig performanceConfig promptVariables requestMetadata serviceTier system toolConfig"
)
_IN_INFERENCE = frozenset(("maxTokens", "stopSequences", "temperature", "topP"))
_INVOKED = words(
    "anthropic_beta anthropic_version max_tokens messages output_config stop_sequences system temperature "
    "thinking tool_choice tools top_k top_p"
)
_EXCEPTIONS = {
    "auth": ("UnrecognizedClientException", 403),
    "not_found": ("ResourceNotFoundException", None),
    "rate_limit": ("ThrottlingException", None),
    "server": ("InternalServerException", None),
    "overloaded": ("ServiceUnavailableException", None),
}
_IN_STREAM = {
    "rate_limit": "throttlingException",
    "server": "modelStreamErrorException",
    "overloaded": "serviceUnavailableException",
    "invalid": "validationException",
}
_STOP = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_MOST_TOKENS = 64_000
"""The limit where none is asked for is the model's own."""
_BLOCKS = words(
    "audio cachePoint citationsContent document guardContent image reasoningContent searchResult text toolResult "
    "toolUse video"
)
_RANKS_OR_EMBEDS = re.compile(r"embed|rerank")


class Bedrock:
    content_type = "application/vnd.amazon.eventstream"
    call_id = "tooluse_{number}"

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        if path == "/rerank":
            return Target(operation="rerank")
        found = _PATH.fullmatch(path)
        if not found:
            return None
        if _RANKS_OR_EMBEDS.search(found[1]):
            return Target(found[1], operation="invoke")
        return Target(found[1], found[2].endswith("-stream"), found[2].partition("-")[0])

    def check(self, request: Request, target: Target, key: str) -> Asked:
        if not _is_signed(request):
            check_key(bearer(request), key, "The security token included in the request is invalid.")
        body = body_of(request)
        model, stream = str(target.model), bool(target.stream)
        if target.api == "converse":
            return _read(body, model, stream)
        if body.get("anthropic_version") != "bedrock-2023-05-31":
            raise Trouble("invalid", "anthropic_version: Field required")
        asked = anthropic.read_message(body, _INVOKED, {})
        return replace(asked, model=model, stream=stream, options=frozenset(["invoke"]))

    def whole(self, said: Said, asked: Asked) -> bytes:
        if "invoke" in asked.options:
            return dump(anthropic.whole_message(said, asked))
        message = {"role": "assistant", "content": list(_blocks(said))}
        answer = {"output": {"message": message}, "stopReason": _STOP[said.finish]}
        return dump({**answer, "usage": _usage(said), "metrics": {"latencyMs": 1}})

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        if "invoke" in asked.options:
            for event in anthropic.events_of(said, asked):
                if event["type"] == "message_stop":
                    event = {**event, "amazon-bedrock-invocationMetrics": {"outputTokenCount": said.completion_tokens}}
                yield _frame("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()})
            return
        for name, content in _events(said):
            # AWS pads every event, so that nobody can tell tokens by their length.
            yield _frame(name, {**content, "p": "abcdefgh"})

    def refusal(self, trouble: Trouble) -> Reply:
        name, status = _EXCEPTIONS.get(trouble.kind, ("ValidationException", None))
        headers = {**trouble.headers, "x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/"}
        return json_reply({"message": trouble.message}, trouble.status_or(status), headers)

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        headers = {
            ":exception-type": _IN_STREAM.get(trouble.kind, "internalServerException"),
            ":content-type": "application/json",
            ":message-type": "exception",
        }
        return frame(headers, {"message": trouble.message})


def _is_signed(request: Request) -> bool:
    """The form of a signature alone: nothing here knows the secret."""
    given = request.headers.get("authorization", "")
    parts = ("Credential=", "SignedHeaders=", "Signature=")
    scope = "/bedrock/aws4_request" in given and "x-amz-date" in request.headers
    return given.startswith("AWS4-HMAC-SHA256 ") and scope and all(part in given for part in parts)


def _read(body: Json, model: str, stream: bool) -> Asked:
    inference = body.get("inferenceConfig") or {}
    unknown = unknown_of(body, _KNOWN) or unknown_of(inference, _IN_INFERENCE)
    if unknown:
        raise Trouble("invalid", f"Unknown parameter in input: {unknown}")
    media: list[str] = []
    read, uses_tools = _read_turns(body["messages"], media)
    config = body.get("toolConfig") or {}
    if uses_tools and not config:
        raise Trouble("invalid", "The toolConfig field must be defined when using toolUse and toolResult blocks.")
    if "toolConfig" in body and not config.get("tools"):
        raise Trouble("invalid", "The value at toolConfig.tools must not be empty.")
    more = body.get("additionalModelRequestFields") or {}
    thinking = more.get("thinking") or more.get("reasoning_config") or {}
    if thinking.get("type") == "enabled" and thinking["budget_tokens"] >= inference.get("maxTokens", _MOST_TOKENS):
        raise Trouble("invalid", "`max_tokens` must be greater than `thinking.budget_tokens`.")
    specs = [tool["toolSpec"] for tool in config.get("tools", ()) if "toolSpec" in tool]
    choice = config.get("toolChoice") or {"auto": {}}
    # Converse has no word for it, but Claude's own passes through.
    forbidden = (more.get("tool_choice") or {}).get("type") == "none"
    return Asked(
        model=model,
        stream=stream,
        last=read.last,
        said=read.said,
        result=read.result,
        media=media,
        tools={spec["name"]: spec["inputSchema"]["json"] for spec in specs},
        choice="none" if forbidden else _choice(choice),
        schema=_schema(body.get("outputConfig") or {}),
        reasons=_reasons(thinking, more),
        max_tokens=inference.get("maxTokens"),
        prompt_chars=read.chars + len(str(body.get("system", ""))),
    )


def _choice(choice: Json) -> str:
    if "tool" in choice:
        return str(choice["tool"]["name"])
    return "required" if "any" in choice else "auto"


def _reasons(thinking: Json, more: Json) -> bool:
    nova = more.get("reasoningConfig") or {}
    return thinking.get("type", "disabled") != "disabled" or nova.get("type") == "enabled"


def _schema(output: Json) -> Mapping[str, Any] | None:
    form = output.get("textFormat")
    if form is None:
        return None
    # The schema itself is a text.
    schema: Mapping[str, Any] = json.loads(form["structure"]["jsonSchema"]["schema"])
    return schema


def _read_turns(messages: list[Json], media: list[str]) -> tuple[Reading, bool]:
    """(the conversation, whether tools are used in it). Raises Trouble."""
    read, uses_tools = Reading(), False
    calls = Calls(
        "The toolResult block for {id} exceeds the toolUse blocks of the previous turn.",
        "Expected toolResult blocks for the following Ids: {id}",
    )
    if not messages or messages[0]["role"] != "user":
        raise Trouble("invalid", "A conversation must start with a user message.")
    for place, message in enumerate(messages):
        if message["role"] != ("assistant" if place % 2 else "user"):
            raise Trouble("invalid", "A conversation must alternate between user and assistant roles.")
        texts, results = [], []
        for block in message["content"]:
            ((kind, content),) = block.items()
            _check_block(kind, content, place)
            match kind:
                case "text":
                    texts.append(content)
                case "toolUse":
                    calls.call(content["toolUseId"])
                case "toolResult":
                    calls.result(content["toolUseId"])
                    results.append(_result(content["content"]))
                case "image" | "document" | "video":
                    media.append(_media(kind, content))
            uses_tools = uses_tools or kind in ("toolUse", "toolResult")
        if message["role"] == "assistant":
            read.assistant(" ".join(texts))
            continue
        calls.close()
        read.user(" ".join(texts))
        if results:
            read.tool(" ".join(results))
    calls.close()
    return read, uses_tools


def _check_block(kind: str, content: Any, place: int) -> None:
    """Raises Trouble."""
    if kind not in _BLOCKS:
        raise Trouble("invalid", f"Unknown parameter in input: {kind}")
    if kind == "text" and not content.strip():
        raise Trouble("invalid", f"The text field at messages.{place}.content is blank.")
    if kind == "toolUse" and not isinstance(content["input"], dict):
        raise Trouble("invalid", "The value at toolUse.input must be an object.")
    if kind == "reasoningContent":
        _check_reasoning(content)


def _result(content: list[Json]) -> str:
    return " ".join(part["text"] if "text" in part else json.dumps(part.get("json")) for part in content)


def _check_reasoning(content: Json) -> None:
    text = content.get("reasoningText")
    if text and "signature" in text and text["signature"] != sign(text["text"]):
        raise Trouble("invalid", "Invalid `signature` in `thinking` block")
    if not text and not content.get("redactedContent"):
        raise Trouble("invalid", "reasoningContent must have reasoningText or redactedContent.")


def _media(kind: str, content: Json) -> str:
    source = content["source"]
    if "bytes" in source:
        base64.b64decode(source["bytes"], validate=True)
    elif "s3Location" not in source and "text" not in source:
        raise Trouble("invalid", f"{kind}.source must be bytes or an S3 location.")
    return f"{kind}/{content['format']}"


def _blocks(said: Said) -> Iterator[Json]:
    if said.reasoning:
        yield {"reasoningContent": {"reasoningText": {"text": said.thoughts, "signature": said.signature}}}
    if said.text:
        yield {"text": said.whole_text}
    for call in said.calls:
        yield {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}}


def _events(said: Said) -> Iterator[tuple[str, Json]]:
    yield "messageStart", {"role": "assistant"}
    for index, (start, deltas) in enumerate(_streamed(said)):
        place = {"contentBlockIndex": index}
        if start:
            yield "contentBlockStart", {**place, "start": start}
        for delta in deltas:
            yield "contentBlockDelta", {**place, "delta": delta}
        yield "contentBlockStop", place
    yield "messageStop", {"stopReason": _STOP[said.finish]}
    yield "metadata", {"usage": _usage(said), "metrics": {"latencyMs": 1}}


def _streamed(said: Said) -> Iterator[tuple[Json, list[Json]]]:
    """(start, deltas) of each block; only calls of tools have a start."""
    if said.reasoning:
        pieces: list[Json] = [{"text": piece} for piece in said.reasoning]
        yield {}, [{"reasoningContent": piece} for piece in [*pieces, {"signature": said.signature}]]
    if said.text:
        yield {}, [{"text": piece} for piece in said.text]
    for call in said.calls:
        use = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        yield use, [{"toolUse": {"input": piece}} for piece in call.fragments]


def _usage(said: Said) -> Json:
    tokens = said.prompt_tokens + said.completion_tokens
    return {
        "inputTokens": said.prompt_tokens - said.cached_tokens,
        "outputTokens": said.completion_tokens,
        "totalTokens": tokens,
        "cacheReadInputTokens": said.cached_tokens,
        "cacheWriteInputTokens": 0,
    }


def _frame(name: str, content: Json) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, content)
