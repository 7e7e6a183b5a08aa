"""Several calls of one provider for one request, not all of them at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Answer = TypeVar("Answer")


async def in_turn(calls: Sequence[Callable[[], Awaitable[Answer]]], at_once: int) -> list[Answer]:
    """Their answers in order, of which `at_once` are waited for at a time.

    Raises what the first to fail raised, and then nothing goes on of the others.
    """
    if len(calls) == 1:
        return [await calls[0]()]
    room = asyncio.Semaphore(at_once)

    async def call(each: Callable[[], Awaitable[Answer]]) -> Answer:
        async with room:
            return await each()

    tasks = [asyncio.create_task(call(each)) for each in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        # Also hears their errors, of which only the first is told.
        await asyncio.gather(*tasks, return_exceptions=True)
