"""An answer of Converse, streamed or whole, turned into deltas.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from turnpike.domain.chat import Delta, FinishReason, Usage
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import Json
from turnpike.providers.bedrock.errors import failure_of
from turnpike.providers.bedrock.families import CLAUDE, PLAIN
from turnpike.providers.bedrock.frames import EXCEPTION
from turnpike.providers.failures import failure
from turnpike.providers.media import data_url
from turnpike.providers.reasoning import encrypted_detail, text_detail
from turnpike.providers.tool_calls import first_fragment, next_fragment

_FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_MALFORMED = ("malformed_model_output", "malformed_tool_use")
_MAX_IMAGE_BYTES = 32 * 1024 * 1024
_OPENAI_THOUGHT = "rsn_"
"""Begins what OpenAI's models thought, once it is decoded."""


class ConverseAnswer:
    """The state of one answer. Usage is told beside the end, mostly after it and at times before."""

    __slots__ = (
        "_begun",
        "_calls",
        "_cited",
        "_failure",
        "_form",
        "_images",
        "_length",
        "_place",
        "_places",
        "_provider",
        "_silent",
        "_stopped",
        "_thought",
        "_tier",
        "_unsigned",
        "usage",
    )

    def __init__(self, provider: str, reasoning_format: str | None = None) -> None:
        """`reasoning_format` is that of the model's family, where it is known."""
        self._provider = provider
        self._form = reasoning_format
        # The block of the last thought, whether its text came without a signature, and its place among thoughts,
        # calls and the text, which is one wherever it is.
        self._thought = -1
        self._unsigned = False
        self._place = 0
        self._places = 0
        # The place of a call among all, by its block; and the places of those without arguments so far.
        self._calls: dict[int, int] = {}
        self._silent: set[int] = set()
        # The block whose text came last, and where in the whole text it began.
        self._begun = (-1, 0)
        self._length = 0
        # By the open block: what it cites, and an image as far as it has come.
        self._cited: dict[int, list[Json]] = {}
        self._images: dict[int, _Image] = {}
        self.usage: Usage | None = None
        self._tier: str | None = None
        self._stopped = False
        # An end that is an error, kept until its usage is in.
        self._failure: UpstreamError | None = None

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        if name == "contentBlockDelta":
            self._read_delta(event["contentBlockIndex"], event["delta"], deltas)
            return False
        if name == "contentBlockStart":
            self._start_block(event["contentBlockIndex"], event.get("start") or {}, deltas)
        elif name == "contentBlockStop":
            self._stop_block(event["contentBlockIndex"], deltas)
        elif name == "messageStop":
            self._stop(event["stopReason"], deltas)
        elif name == "metadata":
            self._account(event)
        elif name == "error" or name.startswith(EXCEPTION):
            raise failure_of(self._provider, name.removeprefix(EXCEPTION), event)
        if not self._stopped or self.usage is None:
            return False
        self._conclude(deltas)
        return True

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        if self._stopped:
            self._conclude(deltas)
        return self._stopped

    def read_whole(self, answer: Json, deltas: list[Delta]) -> None:
        """An answer in one piece, read as the stream that would have brought it."""
        for index, block in enumerate(answer["output"]["message"]["content"]):
            self._read_block(index, block, deltas)
            self._stop_block(index, deltas)
        self._stop(answer["stopReason"], deltas)
        self._account(answer)
        self._conclude(deltas)

    def _read_block(self, index: int, block: Json, deltas: list[Delta]) -> None:
        if "text" in block:
            self._read_delta(index, block, deltas)
        elif "reasoningContent" in block:
            content = block["reasoningContent"]
            reasoning = content.get("reasoningText")
            self._reason(index, content if reasoning is None else reasoning, deltas)
        elif "toolUse" in block:
            call = block["toolUse"]
            self._start_block(index, block, deltas)
            given = call.get("input")
            if index in self._calls and given:
                self._read_delta(index, {"toolUse": {"input": orjson.dumps(given).decode()}}, deltas)
        elif "citationsContent" in block:
            cited = block["citationsContent"]
            for part in [*(cited.get("content") or ()), *({"citation": each} for each in cited.get("citations") or ())]:
                self._read_delta(index, part, deltas)
        elif "image" in block:
            self._start_block(index, block, deltas)
            self._read_delta(index, block, deltas)

    def _start_block(self, index: int, start: Json, deltas: list[Delta]) -> None:
        call = start.get("toolUse")
        # Tools that Amazon runs itself are none of the client's.
        if call is not None and call.get("type") != "server_tool_use":
            position = self._calls[index] = len(self._calls)
            self._silent.add(position)
            self._places += 1
            deltas.append(Delta(tool_calls=[first_fragment(position, call["toolUseId"], call["name"])]))
        elif "image" in start:
            self._images[index] = _Image(start["image"]["format"])

    def _read_delta(self, index: int, delta: Json, deltas: list[Delta]) -> None:
        text = delta.get("text")
        if text:
            if not self._length:
                self._places += 1
            if self._begun[0] != index:
                self._begun = (index, self._length)
            self._length += len(text)
            deltas.append(Delta(content=text))
        elif "reasoningContent" in delta:
            self._reason(index, delta["reasoningContent"], deltas)
        elif "toolUse" in delta:
            arguments, position = delta["toolUse"].get("input"), self._calls.get(index)
            if arguments and position is not None:
                self._silent.discard(position)
                deltas.append(Delta(tool_calls=[next_fragment(position, arguments)]))
        elif "citation" in delta:
            self._cited.setdefault(index, []).append(delta["citation"])
        elif "image" in delta:
            self._images[index].add(delta["image"]["source"]["bytes"])

    def _reason(self, index: int, content: Json, deltas: list[Delta]) -> None:
        """Text, then its signature, or both together; or thoughts that only their model can read."""
        redacted, text, signature = (content.get(member) or None for member in ("redactedContent", "text", "signature"))
        if not redacted and not text and not signature:
            return
        if self._thought != index:
            self._thought, self._unsigned, self._place = index, False, self._places
            self._places += 1
        if redacted:
            deltas.append(Delta(reasoning_details=[_redacted_detail(redacted, self._form, self._place)]))
            return
        self._unsigned = self._unsigned or not signature
        # A signature is Claude's, and makes it known whose reasoning it is; too late for a text that is out.
        form = self._form or (PLAIN if self._unsigned else CLAUDE)
        detail = text_detail(text, form, self._place, signature=signature)
        deltas.append(Delta(reasoning=text, reasoning_details=[detail]))

    def _stop_block(self, index: int, deltas: list[Delta]) -> None:
        position = self._calls.get(index)
        if position in self._silent:
            self._silent.discard(position)
            deltas.append(Delta(tool_calls=[next_fragment(position, "{}")]))
        cited = self._cited.pop(index, None)
        if cited:
            start = self._begun[1] if self._begun[0] == index else self._length
            annotations = [_annotation(each, start, self._length) for each in cited]
            deltas.append(Delta(extra={"annotations": annotations}))
        image = self._images.pop(index, None)
        if image is not None:
            deltas.append(Delta(extra={"images": [image.present()]}))

    def _stop(self, reason: str, deltas: list[Delta]) -> None:
        self._stopped = True
        for index in [*self._calls, *self._cited, *self._images]:
            self._stop_block(index, deltas)
        if reason in _MALFORMED:
            self._failure = failure(self._provider, 200, "The model's answer was malformed", code=reason)
            return
        finish = _FINISH_REASONS.get(reason, "stop")
        if reason in ("end_turn", "tool_use"):
            # Not every model says which of the two it is.
            finish = "tool_calls" if self._calls else "stop"
        deltas.append(Delta(finish_reason=finish, native_finish_reason=reason))

    def _account(self, told: Json) -> None:
        if told.get("usage"):
            self.usage = parse_usage(told["usage"])
        self._tier = (told.get("serviceTier") or {}).get("type")

    def _conclude(self, deltas: list[Delta]) -> None:
        if self._failure is not None:
            raise self._failure
        if self.usage is not None:
            deltas.append(Delta(usage=self.usage, service_tier=self._tier))


class _Image:
    """Comes in pieces, each base64 of its own."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._content = bytearray()

    def add(self, piece: str) -> None:
        self._content += base64.b64decode(piece)
        if len(self._content) > _MAX_IMAGE_BYTES:
            raise ValueError("an image is too large")

    def present(self) -> Json:
        return {"type": "image_url", "image_url": {"url": data_url(f"image/{self._form}", bytes(self._content))}}


def parse_usage(usage: Json) -> Usage:
    """Bedrock counts what the cache read and wrote beside the rest of the prompt."""
    cached = usage.get("cacheReadInputTokens") or 0
    written = usage.get("cacheWriteInputTokens") or 0
    return Usage(
        prompt_tokens=usage["inputTokens"] + cached + written,
        completion_tokens=usage["outputTokens"],
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=sum(
            each.get("inputTokens") or 0 for each in usage.get("cacheDetails") or () if each.get("ttl") == "1h"
        ),
    )


def _redacted_detail(content: str, form: str | None, index: int) -> dict[str, Any]:
    """Claude's own form of it is text already, and as such means the same to Anthropic's API. So is OpenAI's, which
    means something to Bedrock alone.
    """
    try:
        text = base64.b64decode(content, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        form = PLAIN
    else:
        form = form or (PLAIN if text.startswith(_OPENAI_THOUGHT) else CLAUDE)
    return encrypted_detail(content, PLAIN, index) if form == PLAIN else encrypted_detail(text, CLAUDE, index)


def _annotation(citation: Json, start: int, end: int) -> Json:
    """`start` and `end` are of the answer's text that it supports. A document that the client sent has no URL."""
    location = citation.get("location") or {}
    web = location.get("web") or {}
    quoted = "".join(part.get("text") or "" for part in citation.get("sourceContent") or ())
    described = {
        "url": web.get("url") or citation.get("source") or "",
        "title": citation.get("title") or web.get("domain") or "",
        **({"content": quoted} if quoted else {}),
        "start_index": start,
        "end_index": end,
    }
    return {"type": "url_citation", "url_citation": described}
