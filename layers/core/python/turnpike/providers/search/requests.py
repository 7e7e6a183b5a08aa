"""What an engine is sent, and the interface of what builds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from turnpike.domain.web_search import Query, SearchResult


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Its repr shows neither the key nor what is looked for. Without `body` it is a GET."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)


class EngineApi(Protocol):
    """One engine's API. Pure, as adapters of providers are."""

    base_url: str
    """Where it is called unless the deployment says otherwise."""

    def build_request(self, query: Query, *, base_url: str, api_key: str) -> SearchRequest: ...

    def parse_results(self, answer: Any) -> Sequence[SearchResult]:
        """From the parsed JSON. Raises KeyError, TypeError, AttributeError or ValueError for what is no answer."""


def result_of(raw: Mapping[str, Any], *texts: Any) -> SearchResult:
    """`texts` are what the engine says of the page, longest first; what is no text is left out."""
    text = "\n".join(each for each in texts if isinstance(each, str) and each)
    title = raw.get("title")
    return SearchResult(str(raw["url"]), title if isinstance(title, str) else "", text)
