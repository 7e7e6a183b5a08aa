"""The credit behind a streamed answer, growing with it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from turnpike.domain.catalog import Endpoint
from turnpike.domain.errors import HoldResolved, InsufficientCredit, KeyLimitExceeded, TemporarilyBusy
from turnpike.domain.estimate import NO_MEDIA, Media
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.services.admit import affordable_tokens, dearest_output, worst_cost
from turnpike.services.reserve import Reserve

_WITHOUT_END = sys.maxsize


@dataclass(slots=True)
class CreditLine:
    """`grow_at_tokens` is the output at which `grow` must be asked again; comparing it costs a stream nothing."""

    reserve: Reserve
    created_at_s: int
    prompt_tokens: int
    step_tokens: int
    now: Callable[[], float]
    capped: bool
    """True when the provider was told to stop within what is held: nothing will ever have to grow."""
    media: Media = NO_MEDIA
    grow_at_tokens: int = 0
    _used_up: bool = False

    def open(self, endpoint: Endpoint) -> None:
        """Begin an answer by `endpoint`, at whose price the hold is to last."""
        held = self._tokens_held(endpoint)
        # Asking while a quarter is left keeps the answer flowing during the write.
        self.grow_at_tokens = _WITHOUT_END if self.capped else held - held // 4

    async def grow(self, endpoint: Endpoint, output_tokens: int) -> bool:
        """Hold another step beyond `output_tokens`; False once they have used up all that could be held.

        Raises TemporarilyBusy when the ledger was busy as long as what is held lasted.
        """
        if not self._used_up:
            held = self._tokens_held(endpoint)
            # More than a step may have arrived at once: some providers stream in bursts.
            beyond = max(0, output_tokens - held)
            try:
                await self._extend(self._cost_of(endpoint, beyond + self.step_tokens))
            except TemporarilyBusy:
                if beyond:
                    raise
                # What came is covered, so the answer goes on, and asks again on its way through the rest.
                self._used_up = False
                self.grow_at_tokens = output_tokens + (held - output_tokens) // 2
                return True
            held = self._tokens_held(endpoint)
            self.grow_at_tokens = held if self._used_up else max(held - self.step_tokens // 4, output_tokens)
        return output_tokens <= self._tokens_held(endpoint)

    async def _extend(self, by: NanoUsd) -> None:
        try:
            await self.reserve.extend(by, int(self.now()))
        except InsufficientCredit as error:
            await self._extend_by_the_rest(error.available)
        except KeyLimitExceeded as error:
            await self._extend_by_the_rest(error.remaining)
        except HoldResolved:
            # It expired under a very long answer. The customer has the credit back, and keeps the answer.
            self._used_up = True

    async def _extend_by_the_rest(self, rest: NanoUsd) -> None:
        self._used_up = True
        if rest <= ZERO:
            return
        try:
            await self.reserve.extend(rest, int(self.now()))
        except (InsufficientCredit, KeyLimitExceeded, HoldResolved):
            return  # Another request took it in between; what is held is all there is.

    def _cost_of(self, endpoint: Endpoint, tokens: int) -> NanoUsd:
        """Of further output, at the price that comes with such a prompt."""
        at_s = self.created_at_s
        whole, prompt = (
            worst_cost([endpoint], self.prompt_tokens, each, at_s, media=self.media) for each in (tokens, 0)
        )
        return NanoUsd(whole - prompt)

    def _tokens_held(self, endpoint: Endpoint) -> int:
        at_s = self.created_at_s
        if not dearest_output([endpoint], self.prompt_tokens, at_s, media=self.media):
            return _WITHOUT_END
        return affordable_tokens([endpoint], self.prompt_tokens, self.reserve.amount, at_s, media=self.media)
