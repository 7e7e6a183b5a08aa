"""What plugins do with a prompt before a model is asked: moderation, PDFs as text, and a search of the web."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta, WebSearch
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.estimate import estimate_prompt_tokens
from turnpike.domain.file_texts import FileText, Place, annotation_of, files_in, may_be_pdf, with_texts
from turnpike.domain.moderation import InputFlagged, user_texts
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.routing import Route, reads_files
from turnpike.domain.web_search import (
    SearchPrice,
    SearchResult,
    citations_of,
    most_tokens,
    query_of,
    tidied,
    with_results,
)
from turnpike.ports.plugins import Moderator, Ocr, SearchEngine
from turnpike.services.read_files import ReadFiles
from turnpike.services.recognition import Recognition


@dataclass(frozen=True, slots=True)
class UsePlugins:
    """The use case: what a deployment has for plugins. Calling it begins a request."""

    engines: Mapping[str, SearchEngine]
    """Those that have a key, by name; the first one searches where the client names none."""
    prices: Mapping[str, SearchPrice]
    """Of every engine there can be, by name."""
    moderator: Moderator | None
    read_files: ReadFiles
    ocr: Ocr | None = None
    """None where nobody recognises text; each page costs `ocr_page_price`."""
    ocr_page_price: NanoUsd = ZERO
    now: Callable[[], float] = time.time

    def __call__(self, request: ChatRequest) -> "PluginRun":
        """Raises InvalidRequest for what this deployment cannot do."""
        plugins = request.plugins
        if plugins.moderation and self.moderator is None:
            raise InvalidRequest(
                "this deployment has nobody who moderates; its operator sets OPENAI_API_KEY or MODERATION_API_KEY",
                field="plugins",
            )
        if plugins.file_parsing.engine == "ocr" and plugins.file_parsing.enabled and self.ocr is None:
            raise InvalidRequest(
                "this deployment has nobody who recognises scanned pages; its operator sets MISTRAL_API_KEY. Choose "
                "cloudflare-ai (the text of a PDF) or native",
                field="plugins.file-parser.pdf.engine",
            )
        web = plugins.web or WebSearch(by_slug=True)
        parsing, files = plugins.file_parsing, [part for _, part in files_in(request.messages)]
        if files and parsing.enabled and parsing.engine != "native" and all(map(may_be_pdf, files)):
            parsing = replace(parsing, replaces_files=True)
        resolved = replace(plugins, web=self._resolved(web), file_parsing=parsing)
        return PluginRun(self, replace(request, plugins=resolved))

    def _resolved(self, web: WebSearch) -> WebSearch:
        if web.engine == "native" or (web.engine is None and not self.engines):
            if web.include_domains and web.exclude_domains:
                raise InvalidRequest(
                    f"a provider's own search takes either include_domains or exclude_domains; {self._choice()}",
                    field="plugins.web.engine",
                )
            return replace(web, engine="native")
        if web.engine is None:
            return replace(web, engine=next(iter(self.engines)), native_first=True)
        if web.engine not in self.engines:
            if web.engine in self.prices:
                key = f"{web.engine.upper()}_API_KEY"
                raise InvalidRequest(
                    f"this deployment has no key for {web.engine}; its operator sets {key}, or {self._choice()}",
                    field="plugins.web.engine",
                )
            raise InvalidRequest(
                f"there is no engine {web.engine[:64]!r} here; {self._choice()}", field="plugins.web.engine"
            )
        return web

    def _choice(self) -> str:
        names = [*self.engines, "native"]
        if len(names) == 1:
            return f"there is only native until the operator sets one of {', '.join(self._keys())}"
        return f"choose one of {', '.join(names)}"

    def _keys(self) -> list[str]:
        return [f"{name.upper()}_API_KEY" for name in self.prices]


class PluginRun:
    """The plugins of one request. First `prepare`, then `ready` for each endpoint before it is asked."""

    def __init__(self, case: UsePlugins, request: ChatRequest) -> None:
        self.request = request
        """With everything decided that the deployment decides."""
        self._case = case
        self._catalog: Catalog | None = None
        self._route: Route | None = None
        self._texts: Mapping[Place, FileText] = {}
        self._unread: InvalidRequest | None = None
        self._recognition: Recognition | None = None
        self._is_moderated = False
        self._results: Sequence[SearchResult] | None = None
        self._answer: list[str] = []

    async def prepare(self, route: Route, catalog: Catalog) -> int:
        """Before anything is held: moderate, and read what some endpoint cannot. An estimate of the prompt's tokens,
        as long as it may become. For another route it can be called again, and does only what is left.

        Raises InputFlagged, InvalidRequest, or a ServiceError.
        """
        self._route, self._catalog = route, catalog
        if not self._is_moderated:
            await self._moderate(route, catalog)
            self._is_moderated = True
        if self.request.plugins.file_parsing.engine == "ocr":
            await self._scan()
        elif not self._texts and self._unread is None and any(map(self._takes_text, route)):
            await self._read(may_fail=not self._takes_text(route[0]))
        as_text = replace(self.request, messages=with_texts(self.request.messages, self._texts))
        tokens = max(estimate_prompt_tokens(self.request), estimate_prompt_tokens(as_text))
        tokens += self._recognition.tokens if self._recognition else 0
        return tokens + (most_tokens(self._web) if self._searches(route) else 0)

    def most_cost(self, route: Route) -> NanoUsd:
        """What may be charged besides the model; to be held."""
        search = self._price if self._searches(route) else ZERO
        return NanoUsd(search + (self._recognition.cost if self._recognition else ZERO))

    async def ready(self, endpoint: Endpoint) -> None:
        """Have what this endpoint is to be sent. Raises InvalidRequest, SearchFailed, OcrFailed."""
        recognition, ocr = self._recognition, self._case.ocr
        if recognition is not None and ocr is not None and not recognition.is_done:
            self._texts = await recognition.finish(ocr)
        if self._unread is not None and self._takes_text(endpoint):
            raise self._unread
        if self._results is None and self._is_searched_for(endpoint):
            query = query_of(self.request.messages, self._web)
            self._results = tidied(query, await self._case.engines[self.engine](query))

    def request_for(self, request: ChatRequest, endpoint: Endpoint) -> ChatRequest:
        """The request as this endpoint is to be sent it."""
        messages: Sequence[Mapping[str, object]] = request.messages
        if self._texts and self._takes_text(endpoint):
            messages = with_texts(messages, self._texts)
        if self._results is not None and self._is_searched_for(endpoint):
            messages = with_results(messages, self._web, self._results, self._case.now())
        return request if messages is request.messages else replace(request, messages=messages)

    @property
    def engine(self) -> str:
        """The one that searches, where any does."""
        return self._web.engine or ""

    @property
    def searched_by(self) -> str | None:
        """The engine that was asked, and answered."""
        return None if self._results is None else self.engine

    @property
    def search_cost(self) -> NanoUsd:
        """What the engine was paid, whoever answered."""
        return ZERO if self._results is None else self._price

    @property
    def file_cost(self) -> NanoUsd:
        """What recognising the text of files took, whoever answered: it is for all endpoints or none."""
        return self._recognition.cost if self._recognition is not None and self._recognition.is_done else ZERO

    @property
    def file_engine(self) -> str:
        return "mistral-ocr" if self._recognition is not None else "pdf-text"

    def searched_for(self, endpoint: Endpoint) -> int | None:
        """How many results this endpoint was told of; None where nobody searched for it."""
        return len(self._results) if self._results is not None and self._is_searched_for(endpoint) else None

    def files_read_for(self, endpoint: Endpoint) -> int:
        """How many files this endpoint was sent as text."""
        return len(self._texts) if self._takes_text(endpoint) else 0

    def annotate(self, deltas: Sequence[Delta], endpoint: Endpoint) -> None:
        """Let the delta that ends the answer bear what is cited in it, and what was read for it."""
        for delta in deltas:
            if delta.content and delta.index == 0 and self._results:
                self._answer.append(delta.content)
            if delta.finish_reason and delta.error is None and delta.index == 0:
                annotations = self._annotations("".join(self._answer), endpoint)
                if annotations:
                    given = (delta.extra or {}).get("annotations") or ()
                    delta.extra = {**(delta.extra or {}), "annotations": [*given, *annotations]}

    def annotated(self, completion: Completion, endpoint: Endpoint) -> Completion:
        """The whole answer with the same annotations."""
        choices = list(completion.choices)
        if not choices:
            return completion
        message = choices[0].message
        annotations = self._annotations(str(message.get("content") or ""), endpoint)
        if not annotations:
            return completion
        given = message.get("annotations") or ()
        choices[0] = replace(choices[0], message={**message, "annotations": [*given, *annotations]})
        return replace(completion, choices=choices)

    def file_annotations(self, endpoint: Endpoint) -> list[Mapping[str, object]]:
        """Of files that this endpoint was sent as text and the client did not bring so itself, each once."""
        if not self._takes_text(endpoint):
            return []
        read = {text.hash: text for text in self._texts.values() if not text.is_known}
        return [annotation_of(text) for text in read.values()]

    async def _moderate(self, route: Route, catalog: Catalog) -> None:
        moderator = self._case.moderator
        if not self.request.plugins.moderation or moderator is None:
            return
        texts = user_texts(self.request.messages)
        if not texts:
            return
        for text, reasons in zip(texts, await moderator(texts), strict=True):
            if reasons:
                first = route[0]
                name = catalog.get_provider(first.provider).name
                raise InputFlagged(text, reasons, provider_name=name, model=first.model_id)

    async def _scan(self) -> None:
        parsing = self.request.plugins.file_parsing
        if parsing.replaces_files and self._recognition is None:
            self._recognition = await self._case.read_files.scan(
                self.request.messages, parsing, self._case.ocr_page_price
            )

    async def _read(self, *, may_fail: bool) -> None:
        try:
            self._texts = await self._case.read_files(self.request.messages, self.request.plugins.file_parsing)
        except InvalidRequest as error:
            if not may_fail:
                raise
            # Whoever is asked first reads the files themselves, and may well understand them.
            self._unread = error

    def _annotations(self, answer: str, endpoint: Endpoint) -> list[Mapping[str, object]]:
        found: list[Mapping[str, object]] = []
        if self._results and self._is_searched_for(endpoint):
            found += citations_of(self._results, answer)
        return found + self.file_annotations(endpoint)

    @property
    def _web(self) -> WebSearch:
        return self.request.plugins.web or WebSearch()

    @property
    def _price(self) -> NanoUsd:
        return self._case.prices[self.engine].of(self._web.max_results)

    def _searches(self, route: Route) -> bool:
        return any(route.search_of(self.request, endpoint) == "engine" for endpoint in route)

    def _is_searched_for(self, endpoint: Endpoint) -> bool:
        return self._route is not None and self._route.search_of(self.request, endpoint) == "engine"

    def _takes_text(self, endpoint: Endpoint) -> bool:
        parsing = self.request.plugins.file_parsing
        if not parsing.replaces_files or self._catalog is None:
            return False
        if parsing.engine is not None:
            return True
        return not reads_files(self._catalog.get_model(endpoint.model_id), endpoint)
