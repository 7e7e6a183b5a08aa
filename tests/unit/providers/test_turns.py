"""Several calls for one request."""

import asyncio

import pytest

from turnpike.providers.turns import in_turn

pytestmark = pytest.mark.anyio


async def test_answers_are_in_order_and_no_more_are_waited_for_than_may_be() -> None:
    running = most = 0

    async def call(place: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        # The later ones are faster.
        await asyncio.sleep(0.001 * (6 - place))
        running -= 1
        return place

    assert await in_turn([lambda place=place: call(place) for place in range(6)], 2) == [0, 1, 2, 3, 4, 5]  # type: ignore[misc]
    assert most == 2


async def test_the_first_failure_ends_the_others() -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("it broke")

    with pytest.raises(ValueError, match="it broke"):
        await in_turn([wait, fail, wait], 3)
    assert ended == ["ended", "ended"]


async def test_a_cancelled_request_leaves_nothing_running() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(in_turn([wait, wait], 1))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
