"""Composes what plugins do with prompts; loaded with the first request that asks for any of it."""

from collections.abc import Mapping
from decimal import Decimal

from turnpike.bootstrap.resources import Resources
from turnpike.domain.chat import ChatRequest
from turnpike.domain.file_texts import OcrFailed
from turnpike.domain.moderation import ModerationFailed
from turnpike.domain.money import parse_usd
from turnpike.domain.web_search import SearchFailed, SearchPrice
from turnpike.ports.plugins import Moderator, Ocr, SearchEngine
from turnpike.providers.fetch import Fetcher
from turnpike.providers.file_source import WebFileSource
from turnpike.providers.mistral_ocr import MistralOcr
from turnpike.providers.moderation import HttpModerator
from turnpike.providers.pdf_reader import ProcessPdfReader
from turnpike.providers.search.engine import ENGINES, HttpSearchEngine
from turnpike.providers.transport import PooledTransport
from turnpike.services.plugins import PluginRun, UsePlugins
from turnpike.services.read_files import ReadFiles
from turnpike.telemetry import logger

_OPENAI = "https://api.openai.com/v1"
_FURTHER_RESULTS = {"exa": (10, Decimal("0.001"))}
"""(how many results a search includes, USD for each beyond): https://exa.ai/pricing; others have none of it."""
_PASSED_ON = ("LANG", "LD_LIBRARY_PATH", "PATH")
"""Of the environment, to processes that read files: what Python itself needs, and no credential."""
_SMALLEST_MEMORY_BYTES, _LARGEST_MEMORY_BYTES = 128 * 1024 * 1024, 512 * 1024 * 1024


class Plugins:
    """Begins requests with what the deployment has at the moment: keys may come and go without a restart."""

    def __init__(self, parts: Resources, prices: Mapping[str, Decimal], ocr_page_usd: Decimal) -> None:
        self._parts = parts
        self._transport, self._fetcher = PooledTransport(), Fetcher()
        inherited = {name: parts.environ[name] for name in _PASSED_ON if name in parts.environ}
        reader = ProcessPdfReader(inherited, memory_bytes=reading_memory_bytes(parts.environ))
        self._read_files = ReadFiles.of(WebFileSource(self._fetcher), reader)
        self._ocr_page_price = parse_usd(ocr_page_usd)
        self._prices = {name: _price(name, usd) for name, usd in prices.items()}

    def __call__(self, request: ChatRequest) -> PluginRun:
        case = UsePlugins(
            self._engines(), self._prices, self._moderator(), self._read_files, self._ocr(), self._ocr_page_price
        )
        return case(request)

    async def aclose(self) -> None:
        await self._transport.aclose()
        await self._fetcher.aclose()

    def _engines(self) -> Mapping[str, SearchEngine]:
        """Those with a key, the deployment's choice first."""
        chosen = self._parts.settings.web_search_engine
        found: dict[str, SearchEngine] = {}
        for name in sorted(ENGINES, key=lambda each: each != chosen):
            key = self._find(f"{name.upper()}_API_KEY")
            if key:
                address = self._find(f"{name.upper()}_BASE_URL")
                found[name] = HttpSearchEngine(
                    name, self._transport, api_key=key, base_url=address, on_failure=_log_search
                )
        return found

    def _moderator(self) -> Moderator | None:
        """An endpoint of its own, or else OpenAI's, where it costs nothing."""
        key, address = self._find("MODERATION_API_KEY"), self._find("MODERATION_BASE_URL")
        if not key:
            key, address = self._find("OPENAI_API_KEY"), self._find("OPENAI_BASE_URL")
        if not key:
            return None
        model = self._parts.settings.moderation_model
        return HttpModerator(
            self._transport, base_url=address or _OPENAI, api_key=key, model=model, on_failure=_log_moderation
        )

    def _ocr(self) -> Ocr | None:
        key = self._find("MISTRAL_API_KEY")
        if not key:
            return None
        return MistralOcr(self._transport, api_key=key, base_url=self._find("MISTRAL_BASE_URL"), on_failure=_log_ocr)

    def _find(self, name: str) -> str:
        return self._parts.provider_environ.get(name, "").strip()


def _price(name: str, usd: Decimal) -> SearchPrice:
    included, further = _FURTHER_RESULTS.get(name, (0, Decimal(0)))
    return SearchPrice(parse_usd(usd), included, parse_usd(further))


def reading_memory_bytes(environ: Mapping[str, str]) -> int:
    """Half of what a function has: when all of it is used up, its environment is lost with whatever it was doing."""
    megabytes = int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 0)
    most = megabytes * 1024 * 1024 // 2 if megabytes else _LARGEST_MEMORY_BYTES
    return min(max(most, _SMALLEST_MEMORY_BYTES), _LARGEST_MEMORY_BYTES)


def _log_search(error: SearchFailed) -> None:
    logger.error("a search engine failed", extra={"engine": error.engine, "status": error.engine_status})


def _log_ocr(error: OcrFailed) -> None:
    logger.error("the recognition of files failed", extra={"status": error.ocr_status})


def _log_moderation(error: ModerationFailed) -> None:
    logger.error("moderation failed", extra={"status": error.moderator_status})
