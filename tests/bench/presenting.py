"""The CPU of telling one delta of a stream, in each skin, over answers that `decoding` reads."""

import gc
import time
from collections.abc import Callable, Sequence
from statistics import median

from starlette.datastructures import Headers

from turnpike.api.chat.skin import CHAT
from turnpike.api.inference.skin import Asked, Skin
from turnpike.api.messages.skin import MESSAGES
from turnpike.api.responses.skin import RESPONSES
from turnpike.domain.catalog import Provider
from turnpike.domain.chat import ChatRequest, Delta, Usage
from turnpike.domain.cost import Cost
from turnpike.domain.ids import GenerationId
from turnpike.domain.money import ZERO
from turnpike.services.response_cache import Served

from tests.bench.figures import Figure

SKINS = (CHAT, MESSAGES, RESPONSES)
_TARGETS_US = {"chat": 15.0}
_TARGET_US = 30.0
_AT_ONCE = 8
"""Deltas that arrive together, when a provider is quick."""


class _Told:
    """What a presenter asks of a call; one from the response cache has no more."""

    id = GenerationId("gen-bench")
    created_at_s = 0
    endpoint = Served("acme/bench", "Bench")
    provider = Provider(slug="bench", name="Bench", wire="", base_url="")
    usage = Usage(100, 100)
    cost = ZERO
    upstream_cost = Cost()
    search_cost = file_cost = ZERO
    web_searches = 0
    service_tier = None
    finish_reason = native_finish_reason = "stop"
    is_byok = False


def measure_presenting(say: Callable[[str], None], deltas: Sequence[Delta], *, rounds: int) -> list[Figure]:
    figures: list[Figure] = []
    for skin in SKINS:
        together = [_cpu_us(skin, deltas, _AT_ONCE) for _ in range(rounds)]
        alone = median(_cpu_us(skin, deltas, 1) for _ in range(rounds))
        note = f"{min(together):.1f} to {max(together):.1f} in {rounds} rounds; {alone:.1f} one delta at a time"
        target = _TARGETS_US.get(skin.name, _TARGET_US)
        figures.append(Figure(f"presenting one delta, {skin.name}", median(together), "µs", target, note))
        say(f"{skin.name}: {figures[-1].value:.1f} µs of CPU a delta")
    return figures


def _cpu_us(skin: Skin, deltas: Sequence[Delta], at_once: int) -> float:
    asked = Asked(ChatRequest(("acme/bench",), [], {}, stream=True), {"input": "Hello"}, Headers())
    presenter = skin.new_presenter(_Told(), asked)  # type: ignore[arg-type]
    batches = [deltas[start : start + at_once] for start in range(0, len(deltas), at_once)]
    gc.collect()
    began = time.process_time()
    written = sum(len(presenter.present(batch)) for batch in batches)
    presenter.present_end()
    spent = time.process_time() - began
    if written < len(deltas) * 20:
        raise RuntimeError(f"{skin.name}: {len(deltas)} deltas were told in {written} bytes")
    return spent / len(deltas) * 1_000_000
