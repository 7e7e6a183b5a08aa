"""One generation as a choice of a text completion, whole or piece by piece."""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.api.errors import present_error
from turnpike.api.inference.skin import Asked, Call
from turnpike.domain.chat import Completion, Delta
from turnpike.domain.errors import TurnpikeError

Json = dict[str, Any]


class TextChoice:
    """Writes it at its `index` among those of the answer."""

    def __init__(self, call: Call, asked: Asked, index: int = 0) -> None:
        content = asked.content
        self.error: TurnpikeError | None = None
        """What broke the text off, or kept it from beginning."""
        self._call = call
        self._index = index
        self._prompt: str = content["prompt"] if content.get("echo") else ""
        self._echo = self._prompt
        """What is still to be said of the prompt."""
        self._offset = len(self._prompt)
        """Where in the text the next token begins."""
        self._shows_reasoning = not asked.request.parameters.get("reasoning", {}).get("exclude", False)

    def whole(self, completion: Completion) -> Json:
        """Nobody is asked for more than one choice; what a provider says besides is left out."""
        choice = completion.choices[0]
        message = choice.message
        said = message.get("content") or message.get("refusal") or ""
        reasoning = {"reasoning": message["reasoning"]} if message.get("reasoning") and self._shows_reasoning else {}
        logprobs = self._logprobs(choice.logprobs)
        return {**self._piece(said, choice.finish_reason, choice.native_finish_reason, logprobs), **reasoning}

    def pieces(self, deltas: Sequence[Delta]) -> list[Json]:
        """Those that show a client anything. A last one with an error is told with `ending`."""
        if deltas and deltas[-1].error:
            self.error = deltas[-1].error
            deltas = deltas[:-1]
        return [piece for delta in deltas if (piece := self._piece_of(delta)) is not None]

    def ending(self) -> Json:
        """How it ended, and with its error if that is how."""
        if self.error is None:
            return self._piece("", self._call.finish_reason, self._call.native_finish_reason)
        return {**self._piece("", "error", "error"), "error": present_error(self.error)}

    def _piece_of(self, delta: Delta) -> Json | None:
        said = delta.content or delta.refusal or ""
        reasoning = delta.reasoning if self._shows_reasoning else None
        if not (said or reasoning or delta.finish_reason):
            return None
        logprobs = self._logprobs(delta.logprobs)
        piece = self._piece(said, delta.finish_reason, delta.native_finish_reason, logprobs)
        return {**piece, "reasoning": reasoning} if reasoning else piece

    def _piece(self, said: str, finish: str | None, native: str | None, logprobs: Json | None = None) -> Json:
        text, self._echo = self._echo + said, ""
        return {
            "index": self._index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": finish,
            "native_finish_reason": native,
        }

    def _logprobs(self, given: Mapping[str, Any] | None) -> Json | None:
        """From chat completions' shape. The prompt, where it is echoed, has none: no provider tells them."""
        tokens = [each for each in (given or {}).get("content") or () if isinstance(each.get("token"), str)]
        if not tokens:
            return None
        offsets = []
        for each in tokens:
            offsets.append(self._offset)
            self._offset += len(each["token"])
        tops = [{top["token"]: top["logprob"] for top in each.get("top_logprobs") or ()} for each in tokens]
        return {
            "tokens": [each["token"] for each in tokens],
            "token_logprobs": [each.get("logprob") for each in tokens],
            "top_logprobs": tops if any(tops) else None,
            "text_offset": offsets,
        }
