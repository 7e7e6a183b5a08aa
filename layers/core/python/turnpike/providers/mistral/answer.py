"""Mistral's answers, turned into what the decoder of chat completions reads.

Content is text, or a list of chunks while the model reasons or cites: https://docs.mistral.ai/api/endpoint/chat
"""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.chat import Delta, Usage
from turnpike.providers.answer import Json
from turnpike.providers.failures import failure_in_answer
from turnpike.providers.openai_compatible.decoder import ChunkedAnswer
from turnpike.providers.reasoning import text_detail

REASONING_FORMAT = "unknown"
"""OpenRouter has no name for Mistral's reasoning, which is plain text (reference 2.2)."""


class ChunkAnswer:
    """The state of one answer."""

    __slots__ = ("_chat", "_contents", "_provider")

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._chat = ChunkedAnswer(provider)
        self._contents: dict[int, _Content] = {}

    @property
    def usage(self) -> Usage | None:
        return self._chat.usage

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        if event.get("object") == "error":
            raise failure_in_answer(self._provider, {**event, "status": event.get("raw_status_code")})
        choices = [self._translate(choice) for choice in event.get("choices") or ()]
        return self._chat.read(name, {**event, **_usage(event.get("usage")), "choices": choices}, deltas)

    def read_whole(self, answer: Json, deltas: list[Delta]) -> None:
        """The same from an answer that was not streamed: a stream's only chunk."""
        choices = [{**choice, "delta": choice["message"]} for choice in answer.get("choices") or ()]
        self.read("message", {**answer, "choices": choices}, deltas)

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        return self._chat.end(deltas, told=told)

    def _translate(self, choice: Json) -> Json:
        message = choice.get("delta") or {}
        content, calls = message.get("content"), message.get("tool_calls")
        changes: dict[str, Any] = {}
        if content:
            index = choice.get("index") or 0
            state = self._contents.get(index)
            if state is None:
                state = self._contents[index] = _Content()
            if isinstance(content, str):
                state.add_text(content)
            else:
                changes.update(state.read(content))
        if calls:
            # "null" is what the schema has for an id where there is none.
            changes["tool_calls"] = [{**call, "id": None} if call.get("id") == "null" else call for call in calls]
        return {**choice, "delta": {**message, **changes}} if changes else choice


class _Content:
    """How far the content of one choice has come: references count from its beginning."""

    __slots__ = ("_block", "_length", "_thinking", "_written")

    def __init__(self) -> None:
        # The number of the last block of reasoning; text ends a block.
        self._block = -1
        self._thinking = False
        self._length = 0
        # Where the text began that a reference is for.
        self._written = 0

    def add_text(self, text: str) -> None:
        self._thinking = False
        self._length += len(text)

    def read(self, chunks: Sequence[Any]) -> dict[str, Any]:
        """The members of a message in the shape of OpenAI's and OpenRouter's."""
        texts: list[str] = []
        thoughts: list[str] = []
        details: list[Json] = []
        annotations: list[Json] = []
        for chunk in chunks:
            kind = chunk.get("type")
            if kind == "thinking":
                details.append(self._think(chunk, thoughts))
            elif kind in ("reference", "tool_reference"):
                annotations += self._refer(chunk)
            elif isinstance(chunk.get("text"), str):
                if not texts:
                    self._written = self._length
                self.add_text(chunk["text"])
                texts.append(chunk["text"])
        read: dict[str, Any] = {"content": "".join(texts) or None}
        if details:
            read.update(reasoning="".join(thoughts) or None, reasoning_details=details)
        if annotations:
            read["annotations"] = annotations
        return read

    def _think(self, chunk: Mapping[str, Any], thoughts: list[str]) -> Json:
        if not self._thinking:
            self._thinking = True
            self._block += 1
        thinking = chunk.get("thinking") or ()
        pieces = [{"text": thinking}] if isinstance(thinking, str) else thinking
        text = "".join(piece["text"] for piece in pieces if isinstance(piece.get("text"), str))
        thoughts.append(text)
        return text_detail(text, REASONING_FORMAT, self._block, signature=chunk.get("signature"))

    def _refer(self, chunk: Mapping[str, Any]) -> list[Json]:
        """One annotation for each source, of the text before the reference; those that the client gave
        to the model go by the numbers under which it gave them: https://docs.mistral.ai/api/endpoint/chat"""
        span = {"start_index": self._written, "end_index": self._length}
        self._written = self._length
        if chunk.get("url"):
            cited = {"url": chunk["url"], "title": chunk.get("title") or chunk["url"]}
            if chunk.get("description"):
                cited["content"] = chunk["description"]
            return [{"type": "url_citation", "url_citation": {**cited, **span}}]
        names = chunk.get("reference_ids") or ()
        return [
            {"type": "url_citation", "url_citation": {"url": str(name), "title": str(name), **span}} for name in names
        ]


def _usage(given: Any) -> Json:
    """The usage as OpenAI has it. Mistral keeps the service tier there, and had other names for what was cached."""
    if not given:
        return {}
    details = given.get("prompt_tokens_details") or given.get("prompt_token_details") or {}
    cached = details.get("cached_tokens") or given.get("num_cached_tokens")
    if cached:
        details = {**details, "cached_tokens": cached}
    tier = given.get("service_tier")
    return {"usage": {**given, "prompt_tokens_details": details}, **({"service_tier": tier} if tier else {})}
