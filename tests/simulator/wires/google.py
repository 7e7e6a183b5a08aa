"""Gemini's generateContent, of the Gemini API and of Vertex AI. https://ai.google.dev/api/generate-content"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.simulator.asked import Asked, Json, Reading, bearer, body_of, check_key, unknown_of, words
from tests.simulator.drawings import IMAGE_TOKENS, png_of
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.said import Said, sign
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import EVENTS, Target, data_event, dump

_PATH = re.compile(r"/v1(?:beta1?|alpha)?/(.*?)models/([^/:]+):(generateContent|streamGenerateContent)")
_EMBEDS = re.compile(r"/v1(?:beta)?/models/([^/:]+):batchEmbedContents")
_VERTEX = re.compile(r"projects/[^/]+/locations/[^/]+/publishers/google/")
_KNOWN = words(
    "cachedContent contents generationConfig labels model safetySettings serviceTier store systemInstruction "
    "toolConfig tools"
)
_IN_CONFIG = words(
    "audioTimestamp candidateCount enableEnhancedCivicAnswers frequencyPenalty imageConfig logprobs "
    "maxOutputTokens mediaResolution presencePenalty responseFormat responseJsonSchema responseLogprobs "
    "responseMimeType responseModalities responseSchema seed speechConfig stopSequences temperature "
    "thinkingConfig topK topP"
)
_IN_TOOLS = words("functionDeclarations googleSearch")
_PAGE = {"uri": "https://example.com/found", "title": "example.com"}
_SHAPES = words("aspectRatio imageSize")
_SIZES = words("512 1K 2K 4K")
_STATUSES = {
    "auth": "UNAUTHENTICATED",
    "not_found": "NOT_FOUND",
    "rate_limit": "RESOURCE_EXHAUSTED",
    "server": "INTERNAL",
    "overloaded": "UNAVAILABLE",
}
_UNSIGNED = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
"""Accepted instead of a signature. https://ai.google.dev/gemini-api/docs/thought-signatures"""
_STOP = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}


class Google:
    content_type = EVENTS
    call_id = "sim_{number}"

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        embeds = _EMBEDS.fullmatch(path)
        if embeds:
            return Target(embeds[1], operation="embeddings")
        found = _PATH.fullmatch(path)
        if not found or (found[1] and not _VERTEX.fullmatch(found[1])):
            return None
        operation = "speech" if found[2].partition("~")[0].endswith("-tts") else ""
        return Target(found[2], found[3] == "streamGenerateContent", "vertex" if found[1] else "", operation)

    def check(self, request: Request, target: Target, key: str) -> Asked:
        if target.api == "vertex":
            check_key(bearer(request), key, "Request had invalid authentication credentials.")
        else:
            given = request.headers.get("x-goog-api-key") or request.query.get("key")
            if given != key:
                # Told with status 400, not 401.
                raise Trouble("invalid", "API key not valid. Please pass a valid API key.")
        body = body_of(request)
        options = frozenset(
            [
                *(["array"] if target.stream and request.query.get("alt") != "sse" else []),
                *(["image"] if "-image" in str(target.model) else []),
            ]
        )
        return _read(body, str(target.model), bool(target.stream), options)

    def whole(self, said: Said, asked: Asked) -> bytes:
        whole = _answer(said, list(_whole_parts(said)), _STOP[said.finish])
        return dump(_completed(whole, said, asked))

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        """An array of them without `alt=sse`."""
        *first, last = _chunks(said)
        parts = [*first, _completed(last, said, asked)]
        if "array" not in asked.options:
            return map(data_event, parts)
        chunks = [json.dumps(chunk).encode() for chunk in parts]
        return iter([b"[" + chunks[0], *(b",\r\n" + chunk for chunk in chunks[1:]), b"]"])

    def refusal(self, trouble: Trouble) -> Reply:
        return json_reply(_describe(trouble), trouble.status_or())

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        return data_event(_describe(trouble))


def _describe(trouble: Trouble) -> Json:
    status = _STATUSES.get(trouble.kind, "INVALID_ARGUMENT")
    error: Json = {"code": trouble.status_or(), "message": trouble.message, "status": status}
    if trouble.retry_after_s is not None:
        # There is no header for it.
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        error["details"] = [{"@type": kind, "retryDelay": f"{trouble.retry_after_s}s"}]
    return {"error": error}


def _read(body: Json, model: str, stream: bool, options: frozenset[str]) -> Asked:
    config = body.get("generationConfig") or {}
    unknown = unknown_of(body, _KNOWN) or unknown_of(config, _IN_CONFIG)
    if unknown:
        raise Trouble("invalid", f'Invalid JSON payload received. Unknown name "{unknown}": Cannot find field.')
    if not body.get("contents"):
        raise Trouble("invalid", "* GenerateContentRequest.contents: contents is not specified")
    shape = config.get("imageConfig") or {}
    if shape and ("-image" not in model or unknown_of(shape, _SHAPES) or shape.get("imageSize", "1K") not in _SIZES):
        raise Trouble("invalid", "Invalid value at 'generation_config.image_config'")
    if "IMAGE" in config.get("responseModalities", ()) and "-image" not in model:
        raise Trouble("invalid", "This model does not support the requested response modalities: image")
    media: list[str] = []
    read = _read_turns(body["contents"], media, signed=model.startswith("gemini-3"))
    thinking = config.get("thinkingConfig") or {}
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        raise Trouble("invalid", "You can only set only one of thinking budget and thinking level.")
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = calling.get("allowedFunctionNames") or ()
    choice = {"ANY": "required", "NONE": "none"}.get(calling.get("mode", "AUTO"), "auto")
    return Asked(
        model=model,
        stream=stream,
        last=read.last,
        said=read.said,
        result=read.result,
        media=media,
        tools=_tools(body.get("tools") or ()),
        own_tools=_own_tools(body.get("tools") or ()),
        choice=allowed[0] if allowed else choice,
        schema=_schema(config),
        reasons=bool(thinking.get("includeThoughts")),
        max_tokens=config.get("maxOutputTokens"),
        prompt_chars=read.chars + len(str(body.get("systemInstruction", ""))),
        options=options,
    )


def _tools(tools: Any) -> Json:
    found = {}
    for tool in tools:
        for each in tool.get("functionDeclarations", ()):
            if "parameters" in each and "parametersJsonSchema" in each:
                raise Trouble("invalid", "parameters and parametersJsonSchema are mutually exclusive")
            found[each["name"]] = each.get("parametersJsonSchema") or _lower(each.get("parameters") or {})
    return found


def _own_tools(tools: list[Json]) -> list[Json]:
    """The search goes with no functions, unless their calls and what was found are to come back with each other:
    https://ai.google.dev/gemini-api/docs/tool-combination
    """
    for tool in tools:
        unknown = unknown_of(tool, _IN_TOOLS)
        if unknown:
            raise Trouble("invalid", f"Invalid JSON payload received. Unknown name \"{unknown}\" at 'tools'")
    own = [tool for tool in tools if "googleSearch" in tool]
    if own and any(tool.get("functionDeclarations") for tool in tools):
        raise Trouble("invalid", "Built-in tools ({google_search}) and Function Calling cannot be combined.")
    return own


def _lower(schema: Any) -> Any:
    """Types of the OpenAPI form are in capitals."""
    if isinstance(schema, dict):
        return {
            name: each.lower() if name == "type" and isinstance(each, str) else _lower(each)
            for name, each in schema.items()
        }
    return [_lower(each) for each in schema] if isinstance(schema, list) else schema


def _schema(config: Json) -> Mapping[str, Any] | None:
    if config.get("responseMimeType") != "application/json":
        if "responseSchema" in config or "responseJsonSchema" in config:
            raise Trouble("invalid", "Function calling or a schema needs the response mime type application/json.")
        return None
    schema: Mapping[str, Any] = config.get("responseJsonSchema") or _lower(config.get("responseSchema") or {})
    return schema


def _read_turns(contents: list[Json], media: list[str], *, signed: bool) -> Reading:
    read, calls = Reading(), 0
    said_by_user = [
        place for place, content in enumerate(contents) if any("text" in part for part in _user_parts(content))
    ]
    turn_begins = said_by_user[-1] if said_by_user else 0
    for place, content in enumerate(contents):
        if content.get("role", "user") not in ("user", "model"):
            raise Trouble("invalid", "Please use a valid role: user, model.")
        parts = content["parts"]
        if not parts:
            raise Trouble("invalid", f"* contents[{place}].parts: contents.parts must not be empty.")
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if len(results) != calls:
            raise Trouble(
                "invalid",
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn.",
            )
        _check_signatures(parts, place, needed=signed and place > turn_begins)
        calls = sum("functionCall" in part for part in parts)
        media.extend(_media(part) for part in parts if "inlineData" in part or "fileData" in part)
        text = " ".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        if content.get("role") == "model":
            read.assistant(text)
        elif results:
            read.tool(" ".join(_result(result["response"]) for result in results))
        else:
            read.user(text)
    if calls:
        raise Trouble("invalid", "Please ensure that function call turn is followed by a function response turn.")
    return read


def _user_parts(content: Json) -> list[Json]:
    return list(content["parts"]) if content.get("role", "user") == "user" else []


def _check_signatures(parts: list[Json], place: int, *, needed: bool) -> None:
    """The first call of every step of the current turn bears one, of those that are made together."""
    calls = [part for part in parts if "functionCall" in part]
    for part in calls:
        if not isinstance(part["functionCall"].get("args", {}), dict):
            raise Trouble("invalid", "Invalid value at 'contents.parts.function_call.args'.")
    if needed and calls and "thoughtSignature" not in calls[0]:
        raise Trouble(
            "invalid",
            "Function call is missing a thought_signature in functionCall parts. Additional data, function call "
            f"`default_api:{calls[0]['functionCall']['name']}` , position {place + 1}.",
        )
    for part in parts:
        signature = part.get("thoughtSignature")
        expected = sign(part["functionCall"]["name"] if "functionCall" in part else "text")
        if signature is not None and signature != expected and signature not in _UNSIGNED:
            raise Trouble("invalid", "Thought signature is not valid.")


def _media(part: Json) -> str:
    if "fileData" in part:
        return "url" if part["fileData"]["fileUri"].startswith("http") else "file"
    if not part["inlineData"]["data"]:
        raise Trouble("invalid", "Unable to process input image.")
    return str(part["inlineData"]["mimeType"])


def _result(response: Json) -> str:
    return " ".join(str(value) for value in response.values())


def _whole_parts(said: Said) -> Iterator[Json]:
    if said.reasoning:
        yield {"text": said.thoughts, "thought": True}
    if said.text:
        signature = {"thoughtSignature": sign("text")} if said.reasoning else {}
        yield {"text": said.whole_text, **signature}
    yield from _calls(said)


def _parts(said: Said) -> Iterator[Json]:
    """The part of each chunk."""
    for piece in said.reasoning:
        yield {"text": piece, "thought": True}
    for piece in said.text:
        yield {"text": piece}
    yield from _calls(said)
    if said.reasoning and not said.calls:
        yield {"text": "", "thoughtSignature": sign("text")}


def _completed(answer: Json, said: Said, asked: Asked) -> Json:
    if "image" in asked.options:
        return _drawn(answer, said)
    return _grounded(answer, said, asked) if asked.own_tools and said.text else answer


def _grounded(answer: Json, said: Said, asked: Asked) -> Json:
    """The same with two searches and what they found, of which all of the answer is drawn:
    https://ai.google.dev/gemini-api/docs/google-search#understanding-the-grounding-response
    """
    answer["candidates"][0]["groundingMetadata"] = {
        "webSearchQueries": [asked.said, f"more of {asked.said}", ""],
        "groundingChunks": [{"web": _PAGE}],
        "groundingSupports": [
            {"segment": {"endIndex": len(said.whole_text.encode())}, "groundingChunkIndices": [0]},
        ],
    }
    return answer


def _drawn(answer: Json, said: Said) -> Json:
    """The same with an image, and its tokens. https://ai.google.dev/gemini-api/docs/image-generation"""
    image = {"mimeType": "image/png", "data": png_of(said.whole_text)}
    answer["candidates"][0]["content"]["parts"].append({"inlineData": image})
    usage = answer["usageMetadata"]
    usage["candidatesTokenCount"] += IMAGE_TOKENS
    usage["totalTokenCount"] += IMAGE_TOKENS
    usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": IMAGE_TOKENS}]
    return answer


def _calls(said: Said) -> Iterator[Json]:
    """The first of those that are made together bears the signature of all."""
    for index, call in enumerate(said.calls):
        signature = {} if index else {"thoughtSignature": sign(call.name)}
        yield {"functionCall": {"name": call.name, "args": call.arguments, "id": call.id}, **signature}


def _chunks(said: Said) -> Iterator[Json]:
    for part in _parts(said):
        yield _answer(said, [part], None)
    yield _answer(said, [{"text": ""}], _STOP[said.finish])


def _answer(said: Said, parts: list[Json], finish: str | None) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {
        "promptTokenCount": said.prompt_tokens,
        "cachedContentTokenCount": said.cached_tokens,
        "candidatesTokenCount": said.output_tokens,
        "thoughtsTokenCount": len(said.reasoning),
        "totalTokenCount": said.prompt_tokens + said.completion_tokens,
    }
    head = {"candidates": [candidate], "usageMetadata": usage}
    return {**head, "modelVersion": said.model, "responseId": said.id}
