"""Lets threads do things at the same moment."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from turnpike.domain.errors import TurnpikeError

Answer = TypeVar("Answer")


def at_once(*acts: Callable[[], Answer]) -> Sequence[Answer | TurnpikeError]:
    """What came of each, when all of them began together."""
    start = Barrier(len(acts))

    def act(it: Callable[[], Answer]) -> Answer | TurnpikeError:
        start.wait()
        try:
            return it()
        except TurnpikeError as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act, acts))


def kinds(answers: Sequence[object]) -> Counter[type]:
    return Counter(type(answer) for answer in answers)
