"""How much else the machine had to do: the same piece of work, measured again and again."""

import time

from tests.bench.figures import Figure

_STEPS = 150_000


class NoiseGauge:
    """On a quiet machine every reading is the same; what other processes do to caches and clocks shows here."""

    def __init__(self) -> None:
        self._readings: list[float] = []

    def read(self) -> None:
        for _ in range(3):
            began = time.thread_time()
            sum(number * number for number in range(_STEPS))
            self._readings.append(time.thread_time() - began)

    def figures(self) -> list[Figure]:
        fastest = min(self._readings)
        times = sorted(reading / fastest for reading in self._readings)
        note = f"the same work took up to {times[-1]:.2f} times as long; above 1.1 repeat the run on a quieter machine"
        return [Figure("noise of the machine", times[len(times) // 2], "x", note=note)]
