"""`python -m tests.bench.decoding`: the CPU of reading one event of a stream and of telling it in each skin, and what
is kept of a long one.

By wire format, over streams that the simulator makes up: a sixth reasoning, a sixth a tool call, the rest text.
Where recordings are at hand, the longest of them says whether the made-up ones are fair.
"""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from statistics import median

from turnpike.domain.catalog import Provider
from turnpike.ports.wires import StreamDecoder
from turnpike.providers.registry import WIRES, adapter_for

from tests.bench.figures import Figure
from tests.bench.noise import NoiseGauge
from tests.bench.presenting import measure_presenting
from tests.bench.report import print_table, say
from tests.replay.recordings import exchanges
from tests.simulator.asked import Asked
from tests.simulator.cases import split
from tests.simulator.said import Call, Said
from tests.simulator.server import WIRES as SIMULATED

_EVENTS, _MANY_EVENTS, _QUICK_EVENTS = 5_000, 50_000, 15_000
_ROUNDS, _QUICK_ROUNDS = 7, 3
_PIECE_BYTES = 1_448
"""Of a TCP segment on an Ethernet: what one read brings at least, when a provider is quick."""
_LONG_ENOUGH = 40
"""Events of a recording that can be measured."""

_TARGETS_US = {"openai_compatible": 25.0}
_TARGET_US = 60.0
_TOLD = "anthropic"
"""The wire format whose made-up answer the skins tell: its reasoning comes with signatures."""
_MOST_GROWTH_KB = 16.0

_WORDS = (" and", " the", " router", " reads", " every", " événement", " of", " it", "\n\n1.", " once")
_FRAGMENT_CHARS = 8
_SAMPLES = {"azure_responses": "azure", "bedrock_anthropic": "bedrock"}
"""Where a wire format's answers are made by a simulator of another name."""

_OPTIONS = {"azure_responses": ("responses",), "bedrock_anthropic": ("invoke",)}
"""By which that simulator tells them apart."""


def measure_decoding(say: Callable[[str], None], *, quick: bool = False, noisy: bool = False) -> list[Figure]:
    """Nothing else should run meanwhile in this process. `noisy`: with a figure of how busy the machine is."""
    figures: list[Figure] = []
    noise = NoiseGauge()
    for wire in WIRES:
        noise.read()
        cost = _cpu(wire, _QUICK_ROUNDS if quick else _ROUNDS)
        growth = _growth(wire, _QUICK_EVENTS if quick else _MANY_EVENTS)
        say(f"{wire}: {cost.value:.1f} µs of CPU an event, {growth.value:.1f} kB more held of a long stream")
        figures += [cost, growth]
    deltas = _decoder(_TOLD).feed(b"".join(made_up(_TOLD, _EVENTS)))
    figures += measure_presenting(say, deltas, rounds=_QUICK_ROUNDS if quick else _ROUNDS)
    return figures + noise.figures() if noisy else figures


def _cpu(wire: str, rounds: int) -> Figure:
    events = made_up(wire, _EVENTS)
    _check(wire, events)
    together = [_cpu_us(wire, pieces_of(events), len(events)) for _ in range(rounds)]
    alone = median(_cpu_us(wire, events, len(events)) for _ in range(rounds))
    notes = [f"{min(together):.1f} to {max(together):.1f} in {rounds} rounds", f"{alone:.1f} one event at a time"]
    recorded = _longest(wire)
    if recorded:
        costs = median(_cpu_us(wire, pieces_of(recorded), len(recorded)) for _ in range(rounds * 5))
        notes.append(f"{costs:.1f} in a recording of {len(recorded)} events")
    target = _TARGETS_US.get(wire, _TARGET_US)
    return Figure(f"decoding one event, {wire}", median(together), "µs", target, "; ".join(notes))


def _check(wire: str, events: Sequence[bytes]) -> None:
    """A decoder that gave up early would be the fastest of all."""
    decoder = _decoder(wire)
    deltas = [delta for piece in pieces_of(events) for delta in decoder.feed(piece)] + decoder.finish()
    read = sum(delta.has_content for delta in deltas)
    if deltas[-1].usage is None or not len(events) * 0.95 < read <= len(events):
        raise RuntimeError(f"{wire}: of {len(events)} events {read} were read")


def _cpu_us(wire: str, pieces: Sequence[bytes], events: int) -> float:
    decoder = _decoder(wire)
    gc.collect()
    began = time.process_time()
    for piece in pieces:
        decoder.feed(piece)
    decoder.finish()
    return (time.process_time() - began) / events * 1_000_000


def _growth(wire: str, count: int) -> Figure:
    """By how much what is held between two pieces rises with the length of a stream: not at all, it should be."""
    few, many = _held_kb(wire, _EVENTS), _held_kb(wire, count)
    note = f"{few[0]:.1f} with {_EVENTS:,} events, {many[0]:.1f} with {count:,}"
    if many[1] > 2 * few[1]:
        note += f"; for a moment {few[1]:.0f} and {many[1]:.0f}, where events repeat the whole text"
    return Figure(f"memory growth over a stream, {wire}", many[0] - few[0], "kB", _MOST_GROWTH_KB, note)


def _held_kb(wire: str, count: int) -> tuple[float, float]:
    """(most between two pieces, most at all). The pieces themselves do not count."""
    # Without the call of a tool, whose arguments some wire formats have to be read whole.
    pieces = pieces_of(made_up(wire, count, call=False))
    held = 0
    gc.collect()
    tracemalloc.start()
    try:
        decoder = _decoder(wire)
        for piece in pieces:
            decoder.feed(piece)
            held = max(held, tracemalloc.get_traced_memory()[0])
        decoder.finish()
        return held / 1000, tracemalloc.get_traced_memory()[1] / 1000
    finally:
        tracemalloc.stop()


def _decoder(wire: str) -> StreamDecoder:
    return adapter_for(Provider(slug="bench", name="Bench", wire=wire, base_url="https://bench.test")).stream_decoder()


def made_up(wire: str, count: int, *, call: bool = True) -> list[bytes]:
    """About `count` events of an answer that is whole."""
    sixth = count // 6
    options = {"usage", "summary", "encrypted", *_OPTIONS.get(wire, ())}
    asked = Asked(model="bench", stream=True, last="user", options=frozenset(options))
    # Its JSON is cut into fragments: as many as wanted come from a text that is so many times as long.
    arguments = {"text": "argument" * ((sixth * _FRAGMENT_CHARS) // len("argument"))}
    said = Said(
        id="bench",
        model="bench",
        prompt_tokens=100,
        reasoning=_words(sixth),
        text=_words(count - 2 * sixth if call else count - sixth),
        calls=(Call("call_1", "bench", arguments),) if call else (),
        finish="tool_calls" if call else "stop",
    )
    return list(SIMULATED[_SAMPLES.get(wire, wire)].events(said, asked))


def _words(count: int) -> tuple[str, ...]:
    return tuple(_WORDS[place % len(_WORDS)] for place in range(count))


def pieces_of(events: Sequence[bytes]) -> list[bytes]:
    body = b"".join(events)
    return [body[at : at + _PIECE_BYTES] for at in range(0, len(body), _PIECE_BYTES)]


def _longest(wire: str) -> list[bytes]:
    """The events of the longest recorded stream; none where none is long enough."""
    found = [each.values[0] for each in exchanges(wire=wire)]
    streams = [list(split(each)) for each in found if each is not None and each.streamed]
    longest = max(streams, key=len, default=[])
    return longest if len(longest) >= _LONG_ENOUGH else []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.decoding", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    arguments = parser.parse_args()
    figures = measure_decoding(say, quick=arguments.quick, noisy=True)
    print_table(figures, markdown=arguments.markdown)


if __name__ == "__main__":
    main()
