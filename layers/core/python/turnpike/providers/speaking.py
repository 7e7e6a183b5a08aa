"""Sound on its way from a provider: read no faster than it is taken, so that nothing of it is kept."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import httpx2

from turnpike.domain.errors import UpstreamError
from turnpike.domain.speech import SpeechPiece
from turnpike.ports.wires import SpeechDecoder
from turnpike.providers.transport import chunks_of


async def pieces_of(
    answer: AbstractAsyncContextManager[httpx2.Response],
    refuse: Callable[[httpx2.Response], Awaitable[UpstreamError]],
    decoder_for: Callable[[Mapping[str, str]], SpeechDecoder],
    within_s: float,
    gap_s: float,
) -> AsyncGenerator[SpeechPiece, None]:
    """`refuse` says what an answer means that is none. Raises any of LATE and BROKEN, and UpstreamError.

    The first bytes come within `within_s`, and each of the others within `gap_s` of being asked for.
    """
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(within_s):
            response = await stack.enter_async_context(answer)
            if response.status_code != 200:
                raise await refuse(response)
            chunks = chunks_of(response)
            chunk = await anext(chunks, None)
        decoder = decoder_for(response.headers)
        while chunk is not None:
            for piece in decoder.feed(chunk):
                yield piece
            async with asyncio.timeout(gap_s):
                chunk = await anext(chunks, None)
        for piece in decoder.finish():
            yield piece
