"""Answers in the chat skin's shape (reference 2.2 and 2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from turnpike.api.errors import present_error
from turnpike.api.inference.cost import Billed, present_cost, present_tool_use
from turnpike.api.inference.metadata import present_metadata, wants_metadata
from turnpike.api.inference.skin import Asked, Call
from turnpike.domain.chat import ChatRequest, Choice, Completion, Delta
from turnpike.domain.errors import TurnpikeError
from turnpike.services.complete_chat import ChatCall


@dataclass(frozen=True, slots=True)
class Shown:
    """What of an answer the client wants to see: its reasoning, which is paid for all the same; how it was routed."""

    reasoning: bool = True
    metadata: bool = False


def present_completion(call: Call, completion: Completion, shown: Shown) -> dict[str, Any]:
    return {
        "id": call.id,
        "object": "chat.completion",
        "created": call.created_at_s,
        "model": call.endpoint.model_id,
        "provider": call.provider.name,
        "system_fingerprint": completion.system_fingerprint,
        "service_tier": completion.service_tier,
        "choices": [_present_choice(choice, shown.reasoning) for choice in completion.choices],
        "usage": present_usage(call),
        **_metadata(call, shown),
    }


def present_usage(call: Billed) -> dict[str, Any]:
    usage = call.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        **present_cost(call),
        **present_tool_use(call),
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.prompt_audio_tokens,
            "video_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "image_tokens": usage.completion_image_tokens,
            "audio_tokens": usage.completion_audio_tokens,
        },
    }


class ChatPresenter:
    """Implements `Presenter`. What all of a stream's chunks share is serialised once."""

    def __init__(self, call: Call, asked: Asked) -> None:
        self._call = call
        self._shown = Shown(reasoning=_shows_reasoning(asked.request), metadata=wants_metadata(asked.headers))
        self._envelope: dict[str, Any] = {
            "id": call.id,
            "object": "chat.completion.chunk",
            "created": call.created_at_s,
            "model": call.endpoint.model_id,
            "provider": call.provider.name,
        }
        self._prefix = b"data: " + orjson.dumps(self._envelope)[:-1] + b',"choices":['
        self._broken: TurnpikeError | None = None

    def present_completion(self, completion: Completion) -> dict[str, Any]:
        return present_completion(self._call, completion, self._shown)

    def present(self, deltas: Sequence[Delta]) -> bytes:
        prefix = self._prefix
        if not self._shown.reasoning:
            for delta in deltas:
                delta.reasoning = delta.reasoning_details = None
        if deltas and deltas[-1].error:
            self._broken = deltas[-1].error
            deltas = deltas[:-1]
        return b"".join(
            [
                prefix + orjson.dumps(_present_delta(delta)) + b"]}\n\n"
                for delta in deltas
                if delta.finish_reason or delta.has_content
            ]
        )

    def present_break(self, error: TurnpikeError) -> bytes:
        """SDKs raise on its top-level `error`."""
        return _event({**self._break(error), **self._metadata()}) + DONE

    def present_end(self) -> bytes:
        """The last chunk, which is the only one with usage and cost, and the terminator.

        It repeats how the answer ended, as OpenRouter's does (docs/decisions/0002); the last chunk of an answer
        that broke off says why.
        """
        call = self._call
        last = {"usage": present_usage(call), **self._metadata()}
        if self._broken is not None:
            return _event({**self._break(self._broken), **last}) + DONE
        tier = {} if call.service_tier is None else {"service_tier": call.service_tier}
        end = Delta(finish_reason=call.finish_reason, native_finish_reason=call.native_finish_reason)
        return _event({**self._envelope, **tier, "choices": [_present_delta(end)], **last}) + DONE

    def _metadata(self) -> dict[str, Any]:
        return _metadata(self._call, self._shown)

    def _break(self, error: TurnpikeError) -> dict[str, Any]:
        choice = _present_delta(Delta(finish_reason="error", native_finish_reason="error"))
        return {**self._envelope, "error": present_error(error), "choices": [choice]}


def _shows_reasoning(request: ChatRequest) -> bool:
    return not request.parameters.get("reasoning", {}).get("exclude", False)


def _metadata(call: Call, shown: Shown) -> dict[str, Any]:
    """Nothing for an answer from the cache, which was not routed."""
    return {"openrouter_metadata": present_metadata(call)} if shown.metadata and isinstance(call, ChatCall) else {}


DONE = b"data: [DONE]\n\n"


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"


def _present_delta(delta: Delta) -> dict[str, Any]:
    content = delta.content
    if content is None and not delta.tool_calls:
        content = ""
    members: dict[str, Any] = {"role": "assistant", "content": content}
    if delta.reasoning is not None:
        members["reasoning"] = delta.reasoning
    if delta.reasoning_details:
        members["reasoning_details"] = delta.reasoning_details
    if delta.tool_calls:
        members["tool_calls"] = delta.tool_calls
    if delta.refusal is not None:
        members["refusal"] = delta.refusal
    if delta.extra:
        members.update(delta.extra)
    choice: dict[str, Any] = {
        "index": delta.index,
        "delta": members,
        "finish_reason": delta.finish_reason,
        "native_finish_reason": delta.native_finish_reason,
    }
    if delta.logprobs is not None:
        choice["logprobs"] = delta.logprobs
    return choice


def _present_choice(choice: Choice, reasoning: bool) -> dict[str, Any]:
    shown = choice.message
    if not reasoning:
        shown = {name: value for name, value in shown.items() if name not in ("reasoning", "reasoning_details")}
    return {
        "index": choice.index,
        "finish_reason": choice.finish_reason,
        "native_finish_reason": choice.native_finish_reason,
        "logprobs": choice.logprobs,
        "message": {"role": "assistant", "content": None, "refusal": None, "reasoning": None, **shown},
    }
