"""Gemini's answers, streamed or not, turned into deltas: the two differ only in how many events there are."""

from typing import Any

import orjson

from turnpike.domain.chat import Delta, Usage
from turnpike.providers.answer import Json
from turnpike.providers.failures import failure_in_answer, unreadable
from turnpike.providers.google.arguments import Arguments
from turnpike.providers.google.citations import Citations
from turnpike.providers.google.contents import FORMAT, image_name
from turnpike.providers.google.errors import blocked, error_in_answer
from turnpike.providers.google.models import parse_model
from turnpike.providers.google.wire import (
    FAILURES,
    FINISH_REASONS,
    has_counts,
    parse_logprobs,
    parse_service_tier,
    parse_usage,
    queries_in,
)
from turnpike.providers.reasoning import Detail, encrypted_detail, text_detail
from turnpike.providers.tool_calls import first_fragment, new_call_id, next_fragment

_CODE = "```{language}\n{code}\n```\n"


class GeminiAnswer:
    """Nothing says that a stream is over; it is whole when it gave a reason to finish and was closed."""

    __slots__ = (
        "_blocks",
        "_calls",
        "_citations",
        "_finish",
        "_finish_message",
        "_id",
        "_images",
        "_in_line",
        "_open",
        "_open_id",
        "_provider",
        "_queries",
        "_said",
        "_thinking",
        "_tier",
        "_told_tier",
        "_usage",
        "_version",
    )

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._id: str | None = None
        self._tier: str | None = None
        self._told_tier: str | None = None
        self._usage: Json | None = None
        self._finish: str | None = None
        self._finish_message = ""
        self._said = False
        # Blocks of reasoning so far, and whether the last one is of thoughts and still grows.
        self._blocks = 0
        self._thinking = False
        self._calls = 0
        self._images = 0
        # Whether the text ends within a line, where no block of code can begin.
        self._in_line = False
        # The call whose arguments are being streamed.
        self._open: Arguments | None = None
        self._open_id = ""
        self._citations = Citations()
        # What was searched for, and by which model.
        self._queries: set[str] = set()
        self._version = ""

    @property
    def usage(self) -> Usage | None:
        return None if self._usage is None else parse_usage(self._usage, self._searches)

    @property
    def _searches(self) -> int:
        """Gemini 3 costs for each query that it searched for, models before it once for each prompt:
        https://ai.google.dev/gemini-api/docs/pricing and #grounding-with-google-search there.
        """
        return len(self._queries) if parse_model(self._version).is_third else min(len(self._queries), 1)

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        error = event.get("error")
        if error:
            raise error_in_answer(self._provider, error)
        usage = event.get("usageMetadata")
        if usage:
            self._tier = parse_service_tier(usage) or self._tier
            if has_counts(usage):
                self._usage = usage
        if self._id is None and event.get("responseId"):
            self._id = str(event["responseId"])
        if event.get("modelVersion"):
            self._version = str(event["modelVersion"])
        candidates = event.get("candidates")
        if candidates:
            self._read_candidate(candidates[0], deltas)
            return False
        refusal = blocked(self._provider, event.get("promptFeedback") or {})
        if refusal is not None and not self._said:
            raise refusal
        if not usage and self._id is None:
            raise unreadable(self._provider, "The provider sent something that is no answer")
        return False

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        """`told`: that the answer is known to be whole, as one that was not streamed is without a reason too."""
        if self._finish is None and not (told and self._said):
            return False
        finish = self._finish or "FINISH_REASON_UNSPECIFIED"
        if finish in FAILURES or (finish not in FINISH_REASONS and not self._said):
            what = self._finish_message or FAILURES.get(finish, "The model stopped without an answer")
            raise failure_in_answer(self._provider, {"message": what, "code": finish})
        # A reason that is not known yet, such as OTHER: what was said stands, and it is not known to be whole.
        reason = FINISH_REASONS.get(finish, "error")
        delta = Delta(native_finish_reason=self._finish)
        self._end_call(delta)
        delta.finish_reason = "tool_calls" if reason == "stop" and self._calls else reason
        self._emit(delta, deltas)
        if self._usage is not None:
            deltas.append(Delta(usage=self.usage))
        return True

    def _read_candidate(self, candidate: Json, deltas: list[Delta]) -> None:
        parts = (candidate.get("content") or {}).get("parts") or ()
        delta = Delta()
        for part in parts:
            self._read_part(part, delta)
        if "groundingMetadata" in candidate or "citationMetadata" in candidate:
            self._queries |= queries_in(candidate.get("groundingMetadata") or {})
            annotations = self._citations.read(candidate, parts)
            if annotations:
                delta.extra = {**(delta.extra or {}), "annotations": annotations}
        if delta.content:
            self._citations.pass_by(delta.content)
        if candidate.get("logprobsResult"):
            delta.logprobs = parse_logprobs(candidate["logprobsResult"])
        finish = candidate.get("finishReason")
        if finish:
            self._finish = str(finish)
            self._finish_message = str(candidate.get("finishMessage") or "")
        if delta.has_content or delta.logprobs:
            self._said = True
            self._emit(delta, deltas)

    def _read_part(self, part: Json, delta: Delta) -> None:
        signature = part.get("thoughtSignature")
        text = part.get("text")
        if text is not None:
            if part.get("thought"):
                self._read_thought(text, signature, delta)
                return
            if text:
                self._thinking = False
                self._in_line = text[-1] != "\n"
                delta.content = text if delta.content is None else delta.content + text
            if signature:
                _add(delta, self._sign(signature))
        elif "functionCall" in part:
            self._read_call(part["functionCall"], signature, delta)
        elif "inlineData" in part:
            # Images among the thoughts are drafts of the one that follows.
            if not part.get("thought"):
                self._read_data(part["inlineData"], signature, delta)
        else:
            self._read_tool(part, signature, delta)

    def _read_thought(self, text: str, signature: str | None, delta: Delta) -> None:
        if not text and not signature:
            return
        if not self._thinking:
            self._thinking = True
            self._blocks += 1
        delta.reasoning = (delta.reasoning or "") + text or None
        _add(delta, text_detail(text or None, FORMAT, self._blocks - 1, signature=signature))
        if signature:
            self._thinking = False

    def _read_tool(self, part: Json, signature: str | None, delta: Delta) -> None:
        """What ran at Google's own: code and its output are shown, as the thoughts that they may belong to.

        No part of a message stands for it, so that its signature goes to the client under a name of its own and
        to no other part in the next turn.
        """
        text = _code_of(part)
        if part.get("thought"):
            self._read_thought(text, signature, delta)
            return
        if text:
            self._thinking = False
            delta.content = (delta.content or "") + ("\n" if self._in_line else "") + text
            self._in_line = False
        if signature:
            _add(delta, self._sign(signature, f"part_{self._blocks}"))

    def _read_call(self, call: Json, signature: str | None, delta: Delta) -> None:
        name = call.get("name")
        partial = call.get("partialArgs") or ()
        if name:
            self._end_call(delta)
            self._open_id = call.get("id") or new_call_id()
            self._calls += 1
            streamed = bool(partial or call.get("willContinue"))
            whole = "" if streamed else orjson.dumps(call.get("args") or {}).decode()
            _call(delta, first_fragment(self._calls - 1, self._open_id, name, whole))
            self._open = Arguments() if streamed else None
        if signature:
            _add(delta, self._sign(signature, self._open_id or None))
        for each in partial:
            if self._open is None:
                raise ValueError("arguments of no call")
            self._open.add(each)
        if not name and not partial and not call.get("willContinue"):
            self._end_call(delta)

    def _end_call(self, delta: Delta) -> None:
        """Not before the next one, an empty one or the end: some do not say that they were the last."""
        if self._open is not None:
            _call(delta, next_fragment(self._calls - 1, self._open.finish()))
            self._open = None

    def _read_data(self, data: Json, signature: str | None, delta: Delta) -> None:
        media_type = str(data.get("mimeType") or "image/png")
        extra: dict[str, Any] = dict(delta.extra or {})
        if media_type.startswith("audio/"):
            extra["audio"] = {"data": data["data"]}
        else:
            image = {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data['data']}"}}
            extra["images"] = [*extra.get("images", ()), image]
            if signature:
                _add(delta, self._sign(signature, image_name(self._images)))
            self._images += 1
        delta.extra = extra

    def _sign(self, signature: str, belongs_to: str | None = None) -> Detail:
        self._thinking = False
        self._blocks += 1
        return encrypted_detail(signature, FORMAT, self._blocks - 1, id=belongs_to)

    def _emit(self, delta: Delta, deltas: list[Delta]) -> None:
        """With who answers on the first one, and the service tier as soon as it is known."""
        if self._id:
            delta.upstream_id, self._id = self._id, ""
        if self._tier != self._told_tier:
            delta.service_tier = self._told_tier = self._tier
        deltas.append(delta)


def _code_of(part: Json) -> str:
    """https://ai.google.dev/gemini-api/docs/code-execution; empty for other tools' parts."""
    if "executableCode" in part:
        code = part["executableCode"]
        language = str(code.get("language") or "").lower()
        return _CODE.format(language=language, code=code.get("code") or "")
    if "codeExecutionResult" in part:
        output = part["codeExecutionResult"].get("output") or ""
        return _CODE.format(language="", code=output.rstrip("\n"))
    return ""


def _add(delta: Delta, detail: Detail) -> None:
    delta.reasoning_details = [*(delta.reasoning_details or ()), detail]


def _call(delta: Delta, fragment: Any) -> None:
    delta.tool_calls = [*(delta.tool_calls or ()), fragment]
