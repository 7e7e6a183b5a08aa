"""A whole answer put together from deltas, so that a wire format reads its blocks in one way only."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

from turnpike.domain.chat import Choice, Completion, Delta, Usage
from turnpike.providers.reasoning import merged_details


def completion_of(deltas: Iterable[Delta]) -> Completion:
    """Raises the error of a delta that has one."""
    choices: dict[int, _Folded] = {}
    usage: Usage | None = None
    about: dict[str, str | None] = {"upstream_id": None, "system_fingerprint": None, "service_tier": None}
    for delta in deltas:
        if delta.error is not None:
            raise delta.error
        usage = delta.usage or usage
        for member in about:
            about[member] = getattr(delta, member) or about[member]
        if delta.has_content or delta.finish_reason:
            choices.setdefault(delta.index, _Folded()).add(delta)
    return Completion([choice.present(index) for index, choice in sorted(choices.items())], usage, **about)


class _Folded:
    """One choice. Members of the message come in the order in which OpenRouter shows them."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._details: list[Any] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._extra: dict[str, Any] = {}
        self._parts: list[dict[str, Any]] = []
        self._last = Delta()
        self._logprobs: dict[str, Any] = {}

    def add(self, delta: Delta) -> None:
        if delta.native is not None or self._parts:
            self._add_part(delta)
        for member in ("content", "refusal", "reasoning"):
            text = getattr(delta, member)
            if text:
                self._texts[member] = self._texts.get(member, "") + text
        self._details += delta.reasoning_details or ()
        for fragment in delta.tool_calls or ():
            self._add_call(fragment)
        for member, value in (delta.extra or {}).items():
            known = self._extra.get(member)
            self._extra[member] = value if known is None else _joined(known, value)
        for member, tokens in (delta.logprobs or {}).items():
            self._logprobs[member] = [*(self._logprobs.get(member) or ()), *(tokens or ())]
        if delta.finish_reason:
            self._last = delta

    def present(self, index: int) -> Choice:
        message: dict[str, Any] = {"role": "assistant", "content": self._texts.get("content")}
        for member in ("refusal", "reasoning"):
            if member in self._texts:
                message[member] = self._texts[member]
        if self._details:
            message["reasoning_details"] = merged_details(self._details)
        if self._calls:
            message["tool_calls"] = [self._calls[position] for position in sorted(self._calls)]
        return Choice(
            index=index,
            message={**message, **self._extra},
            finish_reason=self._last.finish_reason,
            native_finish_reason=self._last.native_finish_reason,
            logprobs=self._logprobs or None,
            parts=self._parts or None,
        )

    def _add_part(self, delta: Delta) -> None:
        """Only where something is native does it matter what was said before it."""
        said = self._texts.get("content")
        if not self._parts and said:
            self._parts.append({"type": "text", "text": said})
        if delta.content and self._parts and self._parts[-1]["type"] == "text":
            self._parts[-1]["text"] += delta.content
        elif delta.content:
            self._parts.append({"type": "text", "text": delta.content})
        if delta.native is not None:
            self._parts.append(dict(delta.native))

    def _add_call(self, fragment: Any) -> None:
        function = fragment["function"]
        call = self._calls.get(fragment["index"])
        if call is None:
            described = {"name": function["name"], "arguments": function["arguments"]}
            self._calls[fragment["index"]] = {"id": fragment["id"], "type": "function", "function": described}
        else:
            call["function"]["arguments"] += function["arguments"]


def _joined(known: Any, more: Any) -> Any:
    """Lists are continued, and so is sound, which is a member of its own, with its transcript."""
    if isinstance(known, list) and isinstance(more, list):
        return [*known, *more]
    if not isinstance(known, dict) or not isinstance(more, dict):
        return more
    joined = {**known, **more}
    if known.get("data") and more.get("data"):
        joined["data"] = b64encode(b"".join(b64decode(each["data"]) for each in (known, more))).decode()
    if known.get("transcript") and more.get("transcript"):
        joined["transcript"] = known["transcript"] + more["transcript"]
    return joined
