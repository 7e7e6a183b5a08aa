"""A streamed answer of any dialect of chat completions, turned into deltas."""

from turnpike.domain.chat import Delta, Usage
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import Json, raise_error
from turnpike.providers.failures import failure_in_answer
from turnpike.providers.openai_compatible.tool_calls import ToolCalls
from turnpike.providers.openai_compatible.wire import (
    citations_of,
    content_of,
    extra_of,
    parse_finish_reason,
    parse_usage,
    reasoning_details_of,
    reasoning_of,
    service_tier_of,
    usage_of,
)


class ChunkedAnswer:
    """The state of one stream. Usage is given out once, at the end: some send it in every chunk, cumulated."""

    __slots__ = ("_choices", "_cited", "_failure", "_introduced", "_provider", "_service_tier", "_usage")

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._choices: dict[int, _Choice] = {}
        self._usage: Json | None = None
        # The last chunk with sources: Perplexity repeats all of them in each.
        self._cited: Json | None = None
        # An end that the provider calls an error, kept until its usage is in.
        self._failure: UpstreamError | None = None
        self._introduced = False
        self._service_tier: str | None = None

    @property
    def usage(self) -> Usage | None:
        return None if self._usage is None else parse_usage(self._usage)

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        usage = usage_of(event)
        if usage is not None:
            self._usage = usage
        if name == "error" or event.get("error"):
            if self._failure is None and self._is_finished():
                # All was said and the client knows that it ended: OpenRouter tells so of a limit that was reached.
                return False
            raise_error(self._provider, name, event)
        if "citations" in event or "search_results" in event:
            self._cited = event
        first = len(deltas)
        for choice in event.get("choices") or ():
            if choice.get("error"):
                raise failure_in_answer(self._provider, choice["error"])
            self._read_choice(choice, deltas)
        if not self._introduced or usage is not None or event.get("service_tier") != self._service_tier:
            self._introduce(event, deltas, first)
        return False

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        if not told and not self._is_finished():
            return False
        if self._failure is not None:
            raise self._failure
        for index, choice in self._choices.items():
            if choice.started and not choice.finished:
                # It ended well and did not say how.
                calls = choice.tool_calls.complete()
                reason = parse_finish_reason("stop", has_tool_calls=bool(choice.tool_calls))
                deltas.append(Delta(tool_calls=calls or None, finish_reason=reason, index=index))
        annotations = citations_of(self._cited) if self._cited else None
        if annotations:
            deltas.append(Delta(extra={"annotations": annotations}))
        if self._usage is not None:
            deltas.append(Delta(usage=parse_usage(self._usage)))
        return True

    def _is_finished(self) -> bool:
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def _read_choice(self, given: Json, deltas: list[Delta]) -> None:
        index = given.get("index") or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        message = given.get("delta") or {}
        content = content_of(message)
        reasoning = reasoning_of(message)
        calls = message.get("tool_calls")
        fragments = choice.tool_calls.read(calls) if calls else None
        native = given.get("finish_reason")
        finish = None
        if native and not choice.finished:
            finish = parse_finish_reason(native, has_tool_calls=bool(choice.tool_calls))
            choice.finished = True
            if finish == "error":
                self._failure = failure_in_answer(self._provider, {"code": native})
                finish = None
            else:
                fragments = [*(fragments or ()), *choice.tool_calls.complete()] or None
        delta = Delta(
            content=content,
            reasoning=reasoning,
            tool_calls=fragments,
            refusal=message.get("refusal") or None,
            finish_reason=finish,
            native_finish_reason=(given.get("native_finish_reason") or native) if finish else None,
            index=index,
            extra=extra_of(message) if len(message) > 1 or not content else None,
            logprobs=given.get("logprobs"),
        )
        if reasoning or "reasoning_details" in message:
            details = message.get("reasoning_details")
            delta.reasoning_details = details or (reasoning_details_of(reasoning) if reasoning else None)
        if finish or delta.has_content:
            choice.started = True
            deltas.append(delta)

    def _introduce(self, chunk: Json, deltas: list[Delta], first: int) -> None:
        """Say once who answers, as soon as a chunk says so: Azure's first are about the prompt alone, and have an
        empty id. The service tier may come or change later.
        """
        tier = service_tier_of(chunk)
        upstream_id = None if self._introduced else _text(chunk.get("id"))
        if upstream_id is None and tier in (None, self._service_tier):
            return
        if len(deltas) == first:
            deltas.append(Delta())
        delta = deltas[first]
        delta.service_tier = self._service_tier = tier or self._service_tier
        if upstream_id is not None:
            self._introduced = True
            delta.upstream_id = upstream_id
            delta.system_fingerprint = _text(chunk.get("system_fingerprint"))


class _Choice:
    __slots__ = ("finished", "started", "tool_calls")

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self.tool_calls = ToolCalls()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
