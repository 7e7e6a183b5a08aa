"""A small world whose deployment has plugins, with everything that they call on loopback."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from turnpike.domain.chat import ChatRequest
from turnpike.domain.file_texts import OcrFailed
from turnpike.domain.moderation import ModerationFailed
from turnpike.domain.money import NanoUsd
from turnpike.domain.web_search import SearchFailed, SearchPrice
from turnpike.providers.fetch import Fetcher
from turnpike.providers.file_source import WebFileSource
from turnpike.providers.mistral_ocr import MistralOcr
from turnpike.providers.moderation import HttpModerator
from turnpike.providers.search.engine import ENGINES, HttpSearchEngine
from turnpike.providers.transport import PooledTransport
from turnpike.services.plugins import PluginRun, UsePlugins
from turnpike.services.read_files import ReadFiles

from tests.pdfs import FakePdfReader
from tests.plugin_server import KEY, PluginServer

EXA_NANO_USD, PAGE_NANO_USD = 7_000_000, 2_000_000
PRICES: Mapping[str, SearchPrice] = {
    "exa": SearchPrice(NanoUsd(EXA_NANO_USD), 10, NanoUsd(1_000_000)),
    "tavily": SearchPrice(NanoUsd(8_000_000)),
    "brave": SearchPrice(NanoUsd(5_000_000)),
}
AT_S = Decimal("1767225600")
"""2026-01-01."""


class Plugged:
    """Begins requests as a deployment with these engines does. `failures` has all that operators are told."""

    def __init__(
        self, server: PluginServer, *engines: str, moderates: bool = True, recognises: bool = True, within_s: float = 15
    ) -> None:
        self.failures: list[SearchFailed | ModerationFailed | OcrFailed] = []
        self.reader = FakePdfReader()
        self.transport, self.fetcher = PooledTransport(), Fetcher()
        note: Any = self.failures.append
        self.case = UsePlugins(
            {
                name: HttpSearchEngine(
                    name,
                    self.transport,
                    api_key=KEY,
                    base_url=f"{server.url}/{name}",
                    on_failure=note,
                    within_s=within_s,
                )
                for name in ENGINES
                if name in engines
            },
            PRICES,
            HttpModerator(
                self.transport,
                base_url=f"{server.url}/moderation",
                api_key=KEY,
                model="omni-moderation-latest",
                on_failure=note,
                within_s=within_s,
            )
            if moderates
            else None,
            ReadFiles.of(WebFileSource(self.fetcher), self.reader),
            MistralOcr(
                self.transport, api_key=KEY, base_url=f"{server.url}/mistral", on_failure=note, within_s=within_s
            )
            if recognises
            else None,
            NanoUsd(PAGE_NANO_USD),
            now=lambda: float(AT_S),
        )

    def __call__(self, request: ChatRequest) -> PluginRun:
        return self.case(request)

    async def aclose(self) -> None:
        await self.transport.aclose()
        await self.fetcher.aclose()
