"""What one generation used, measured as its answer goes by."""

from collections.abc import Iterable

from turnpike.domain.chat import Choice, Completion, Delta, FinishReason, Usage
from turnpike.domain.media_counts import count_answer_images

_TOKENS_PER_IMAGE = 1_300
"""Of an answer, at most, in the usual size: https://ai.google.dev/gemini-api/docs/pricing"""
_CHARACTERS_PER_TOKEN = 3
"""Of output; errs on the high side, as a hold's extension and an estimated bill must."""


class Meter:
    """Counts deltas. `output_characters` covers text, reasoning and tool arguments, `media` the images."""

    __slots__ = (
        "finish_reason",
        "media",
        "native_finish_reason",
        "output_characters",
        "service_tier",
        "started",
        "upstream_id",
        "usage",
    )

    def __init__(self) -> None:
        self.started = False
        self.output_characters = 0
        self.media = 0
        self.finish_reason: FinishReason | None = None
        self.native_finish_reason: str | None = None
        self.usage: Usage | None = None
        self.upstream_id: str | None = None
        self.service_tier: str | None = None

    @property
    def output_tokens(self) -> int:
        """An estimate, for while the provider has not said."""
        return -(-self.output_characters // _CHARACTERS_PER_TOKEN)

    def record(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            if delta.content:
                self.output_characters += len(delta.content)
            if delta.reasoning:
                self.output_characters += len(delta.reasoning)
            if delta.tool_calls:
                for call in delta.tool_calls:
                    self.output_characters += len(call.get("function", {}).get("arguments") or "")
            if delta.extra:
                self.media += count_answer_images(delta.extra)
            if delta.usage:
                self.usage = delta.usage
            if delta.finish_reason:
                self.finish_reason = delta.finish_reason
                self.native_finish_reason = delta.native_finish_reason
            if delta.upstream_id:
                self.upstream_id = delta.upstream_id
            if delta.service_tier:
                self.service_tier = delta.service_tier

    def record_completion(self, completion: Completion) -> None:
        self.started = True
        self.usage = completion.usage
        self.upstream_id = completion.upstream_id
        self.service_tier = completion.service_tier
        for choice in completion.choices:
            self.finish_reason = choice.finish_reason
            self.native_finish_reason = choice.native_finish_reason
            self.output_characters += _characters_of(choice)
            self.media += count_answer_images(choice.message)

    def record_result(self, usage: Usage, upstream_id: str | None) -> None:
        """Of an answer that is no chat's."""
        self.started = True
        self.usage = usage
        self.media = usage.completion_images
        self.upstream_id = upstream_id

    def usage_or_estimate(self, prompt_tokens: int) -> Usage:
        """What the provider reported, or else an estimate from the text and `prompt_tokens`."""
        if self.usage is not None:
            return self.usage
        drawn = self.media * _TOKENS_PER_IMAGE
        return Usage(prompt_tokens, self.output_tokens + drawn, completion_image_tokens=drawn, estimated=True)


def _characters_of(choice: Choice) -> int:
    message = choice.message
    calls = message.get("tool_calls") or ()
    return (
        len(message.get("content") or "")
        + len(message.get("reasoning") or "")
        + sum(len(call["function"]["arguments"]) for call in calls)
    )
