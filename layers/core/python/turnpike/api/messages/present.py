"""A stream in Anthropic's events (reference 8.2): https://platform.claude.com/docs/en/build-with-claude/streaming."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from turnpike.api.inference.metadata import present_metadata, wants_metadata
from turnpike.api.inference.skin import Asked, Call
from turnpike.api.messages.ending import present_message_usage, present_stop
from turnpike.api.messages.errors import present_message_error
from turnpike.api.messages.thoughts import Detail, data_of, key_of, signature_of, text_of
from turnpike.api.messages.whole import citation_of, content_of, is_fetch, tool_use
from turnpike.domain.chat import Completion, Delta
from turnpike.domain.errors import TurnpikeError
from turnpike.services.complete_chat import ChatCall

PING = b'event: ping\ndata: {"type":"ping"}\n\n'

_TEXT, _NATIVE, _NOTHING = "text", "native", None
_END = b"}}\n\n"
_NO_STOP = {"stop_reason": None, "stop_sequence": None, "stop_details": None, "container": None}
_NO_USAGE = {
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "output_tokens_details": {"thinking_tokens": 0},
    "server_tool_use": None,
    "service_tier": None,
    "inference_geo": None,
}
"""What the prompt has is known at the end, for most providers; `message_delta` says it."""


class MessagesPresenter:
    """Implements `Presenter`. Blocks open and close as what is said changes, so that a stream has them in the order in
    which the provider gave them. What all deltas of a block share is put together once. A call whose input is not
    complete stays open beside what comes next, since pieces of calls that are made together come in any order.
    """

    __slots__ = (
        "_arguments",
        "_begun",
        "_broken",
        "_call",
        "_count",
        "_fetches",
        "_held",
        "_hides",
        "_last",
        "_open",
        "_prefix",
        "_refusal",
        "_shows_metadata",
        "_stops",
        "_thought",
        "_unended",
        "_unnamed",
        "_uses",
    )

    def __init__(self, call: Call, asked: Asked) -> None:
        self._call = call
        self._hides = bool(asked.request.parameters.get("reasoning", {}).get("exclude", False))
        self._shows_metadata = wants_metadata(asked.headers)
        self._stops: Sequence[str] = asked.request.parameters.get("stop") or ()
        self._begun = False
        self._count = 0
        # What the open block is: a text, a tool's call by its index, or a thought by its key.
        self._open: object = _NOTHING
        self._last: object = _NOTHING
        self._prefix = b""
        self._thought: Detail = {}
        # What came encrypted after a text, until something else is said.
        self._held: list[Detail] = []
        # Blocks of tools' calls, by the call's index; and calls whose name is still to come.
        self._uses: dict[int, int] = {}
        self._arguments: dict[int, list[str]] = {}
        self._unended: list[int] = []
        self._unnamed: dict[int, dict[str, str]] = {}
        self._refusal = ""
        self._fetches = 0
        self._broken: TurnpikeError | None = None

    def present_completion(self, completion: Completion) -> dict[str, Any]:
        choice = next(iter(completion.choices), None)
        refused = choice is not None and choice.finish_reason == "content_filter"
        refusal = str(choice.message.get("refusal") or "") if choice and refused else ""
        content = content_of(choice, hides=self._hides, refused=refused) if choice else []
        return {
            **self._head(),
            "content": content,
            **present_stop(self._call, stops=self._stops, refusal=refusal),
            "usage": present_message_usage(self._call, fetches=sum(map(is_fetch, content))),
            **self._metadata(),
        }

    def present(self, deltas: Sequence[Delta]) -> bytes:
        out: list[bytes] = []
        for delta in deltas:
            if delta.has_content or delta.finish_reason:
                if not self._begun:
                    self._begin(out)
                self._add(delta, out)
            if delta.error is not None:
                self._broken = delta.error
        return b"".join(out)

    def present_break(self, error: TurnpikeError) -> bytes:
        """SDKs raise on this event, wherever it comes."""
        return _event("error", {"error": present_message_error(error), **self._metadata()})

    def present_end(self) -> bytes:
        if self._broken is not None:
            return self.present_break(self._broken)
        out: list[bytes] = []
        if not self._begun:
            self._begin(out)
        self._close(out)
        out += [_event("content_block_stop", {"index": block}) for block in self._unended]
        stop = present_stop(self._call, stops=self._stops, refusal=self._refusal)
        out.append(_event("message_delta", {"delta": stop, "usage": self._usage()}))
        out.append(_event("message_stop", self._metadata()))
        return b"".join(out)

    def _usage(self) -> dict[str, Any]:
        return present_message_usage(self._call, fetches=self._fetches)

    def _begin(self, out: list[bytes]) -> None:
        self._begun = True
        message = {**self._head(), "content": [], **_NO_STOP, "usage": _NO_USAGE}
        out.append(_event("message_start", {"message": message}))

    def _add(self, delta: Delta, out: list[bytes]) -> None:
        if delta.reasoning_details:
            for detail in delta.reasoning_details:
                self._think(detail, out)
        elif delta.reasoning:
            self._think({"type": "reasoning.text", "text": delta.reasoning}, out)
        if delta.content:
            self._say(delta.content, out)
        if delta.refusal:
            if delta.finish_reason == "content_filter":
                self._refusal = delta.refusal
            else:
                self._say(delta.refusal, out)
        if delta.tool_calls:
            for fragment in delta.tool_calls:
                self._use(fragment, out)
        if delta.native and delta.native["dialect"] == "messages":
            self._pass_on(delta.native["item"], out)
        if delta.extra:
            self._cite(delta.extra.get("annotations") or (), out)

    def _say(self, text: str, out: list[bytes]) -> None:
        if self._open is not _TEXT:
            self._start(_TEXT, {"type": "text", "text": ""}, b'"text_delta","text":', out)
        out.append(self._prefix + orjson.dumps(text) + _END)

    def _think(self, detail: Detail, out: list[bytes]) -> None:
        if detail.get("type") == "reasoning.encrypted":
            # Never last: to clients such as Claude Code the last block is the answer, and Claude's is never a thought.
            # Gemini signs its last text so, and does without it: https://ai.google.dev/gemini-api/docs/thought-signatures
            if self._last is _TEXT:
                self._held.append(detail)
            else:
                self._redact(detail, out)
            return
        signature = detail.get("signature")
        if self._hides and not signature:
            return
        key = key_of(detail)
        if self._open != key:
            block = {"type": "thinking", "thinking": "", "signature": ""}
            self._start(key, block, b'"thinking_delta","thinking":', out)
            self._thought = detail
        text = text_of(detail)
        if text and not self._hides:
            out.append(self._prefix + orjson.dumps(text) + _END)
        if signature:
            # It ends its block, whatever comes next.
            self._thought = detail
            self._close(out)

    def _redact(self, detail: Detail, out: list[bytes]) -> None:
        self._start(key_of(detail), {"type": "redacted_thinking", "data": data_of(detail)}, b"", out)
        self._close(out)

    def _use(self, fragment: Mapping[str, Any], out: list[bytes]) -> None:
        index, function = fragment["index"], fragment.get("function") or {}
        arguments = function.get("arguments") or ""
        block = self._uses.get(index)
        if block is None:
            first = self._unnamed.pop(index, None) or {"id": fragment.get("id") or "", "arguments": ""}
            arguments = first["arguments"] + arguments
            if not function.get("name"):
                self._unnamed[index] = {**first, "arguments": arguments}
                return
            use = tool_use(first["id"], function["name"], {})
            block = self._uses[index] = self._count
            self._arguments[index] = []
            self._start(index, use, b'"input_json_delta","partial_json":', out)
        if arguments:
            self._arguments[index].append(arguments)
            # Each says whose it is.
            prefix = self._prefix if self._open == index else _prefix(block, b'"input_json_delta","partial_json":')
            out.append(prefix + orjson.dumps(arguments) + _END)

    def _pass_on(self, block: Mapping[str, Any], out: list[bytes]) -> None:
        """An input comes as JSON behind its block, as in Anthropic's own streams; of the others the block is all."""
        self._fetches += is_fetch(block)
        given = block.get("input")
        if not isinstance(given, dict):
            self._start(_NATIVE, block, b"", out)
        else:
            self._start(_NATIVE, {**block, "input": {}}, b'"input_json_delta","partial_json":', out)
            out.append(self._prefix + orjson.dumps(orjson.dumps(given).decode()) + _END)
        self._close(out)

    def _cite(self, annotations: Sequence[Mapping[str, Any]], out: list[bytes]) -> None:
        """A block ends with what it cites, as Anthropic's do."""
        cited = [citation for each in annotations if (citation := citation_of(each)) is not None]
        if not cited or self._open is not _TEXT:
            return
        prefix = _prefix(self._count - 1, b'"citations_delta","citation":')
        out += [prefix + orjson.dumps(citation) + _END for citation in cited]
        self._close(out)

    def _start(self, what: object, block: Mapping[str, Any], kind: bytes, out: list[bytes]) -> None:
        self._close(out)
        held, self._held = self._held, []
        for detail in held:
            self._redact(detail, out)
        out.append(_event("content_block_start", {"index": self._count, "content_block": block}))
        self._open = self._last = what
        self._prefix = _prefix(self._count, kind)
        self._count += 1

    def _close(self, out: list[bytes]) -> None:
        if self._open is _NOTHING:
            return
        if isinstance(self._open, int) and not _is_complete(self._arguments[self._open]):
            self._unended.append(self._count - 1)
            self._open = _NOTHING
            return
        if self._thought:
            signature, self._thought = signature_of(self._thought), {}
            if signature:
                prefix = _prefix(self._count - 1, b'"signature_delta","signature":')
                out.append(prefix + orjson.dumps(signature) + _END)
        out.append(_event("content_block_stop", {"index": self._count - 1}))
        self._open = _NOTHING

    def _head(self) -> dict[str, Any]:
        call = self._call
        return {
            "id": call.id,
            "type": "message",
            "role": "assistant",
            "model": call.endpoint.model_id,
            "provider": call.provider.name,
        }

    def _metadata(self) -> dict[str, Any]:
        """Nothing for an answer from the cache, which was not routed."""
        call = self._call
        if not self._shows_metadata or not isinstance(call, ChatCall):
            return {}
        return {"openrouter_metadata": present_metadata(call)}


def _is_complete(arguments: Sequence[str]) -> bool:
    """Whether nothing can be missing of what is JSON as a whole."""
    try:
        orjson.loads("".join(arguments))
    except orjson.JSONDecodeError:
        return False
    return True


def _prefix(index: int, kind: bytes) -> bytes:
    head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%b'
    return head % (index, kind)


def _event(name: str, members: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **members}))
