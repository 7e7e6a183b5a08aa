"""What an answer was drawn from, as OpenRouter's annotations.

https://ai.google.dev/api/generate-content#groundingmetadata and #citationmetadata
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from turnpike.providers.answer import Json

Span = tuple[int, int]

_SOURCES = ("web", "retrievedContext", "maps", "image")
_NAMES = ("uri", "sourceUri", "documentName", "fileSearchStore")
"""What a source goes by; what was found in the client's own files has no address on the web."""


class Citations:
    """Of one answer. Google counts bytes, clients count characters.

    Both are the same as long as everything is ASCII; otherwise they can be told apart only where the whole
    text is in the event that cites, as it is in an answer that is not streamed. Elsewhere both are 0, since
    a stream's text is not kept.
    """

    __slots__ = ("_ascii", "_begun", "_known", "_sources")

    def __init__(self) -> None:
        self._ascii = True
        self._begun = False
        self._known: set[tuple[str, int, int]] = set()
        # Of all events so far, in the order in which they came.
        self._sources: list[tuple[str, str] | None] = []

    def read(self, candidate: Json, parts: Sequence[Json]) -> list[dict[str, Any]]:
        """What is cited in this event and was not before; a stream may repeat it."""
        found: list[dict[str, Any]] = []
        whole = None if self._begun else parts
        cited = [
            *self._grounding(candidate.get("groundingMetadata") or {}, whole),
            *self._quotations(candidate.get("citationMetadata") or {}, whole),
        ]
        for citation in cited:
            key = (citation["url"], citation["start_index"], citation["end_index"])
            if key not in self._known:
                self._known.add(key)
                found.append({"type": "url_citation", "url_citation": citation})
        return found

    def pass_by(self, text: str) -> None:
        """A piece of the answer went to the client."""
        self._begun = True
        if self._ascii and not text.isascii():
            self._ascii = False

    def _grounding(self, metadata: Json, whole: Sequence[Json] | None) -> Iterator[dict[str, Any]]:
        sources = [_source(chunk) for chunk in metadata.get("groundingChunks") or ()]
        supports = metadata.get("groundingSupports") or ()
        self._sources += sources
        places = (place for support in supports for place in support.get("groundingChunkIndices") or ())
        if max(places, default=0) >= len(sources):
            # A stream that searched several times gives each search's sources once, and counts through all.
            sources = self._sources
        cited: set[int] = set()
        for support in supports:
            segment = support.get("segment") or {}
            for place in support.get("groundingChunkIndices") or ():
                if 0 <= place < len(sources) and sources[place] is not None:
                    cited.add(place)
                    span = self._span(segment, whole)
                    text = segment.get("text")
                    yield _citation(sources[place], span, text)
        for place, source in enumerate(sources):
            if source is not None and place not in cited:
                yield _citation(source, (0, 0), None)

    def _quotations(self, metadata: Json, whole: Sequence[Json] | None) -> Iterator[dict[str, Any]]:
        # AI Studio's name, and Vertex AI's.
        for source in metadata.get("citationSources") or metadata.get("citations") or ():
            if source.get("uri"):
                yield _citation((source["uri"], source.get("title") or ""), self._span(source, whole), None)

    def _span(self, segment: Json, whole: Sequence[Json] | None) -> Span:
        start, end = int(segment.get("startIndex") or 0), int(segment.get("endIndex") or 0)
        if whole is not None:
            return _characters(start, end, segment.get("partIndex"), whole)
        return (start, end) if self._ascii else (0, 0)


def _source(chunk: Mapping[str, Any]) -> tuple[str, str] | None:
    """(address, title) of what has either an address or a name."""
    for kind in _SOURCES:
        source = chunk.get(kind)
        if source:
            url = next((source[name] for name in _NAMES if source.get(name)), None)
            return (url, source.get("title") or "") if url else None
    return None


def _citation(source: Any, span: Span, content: str | None) -> dict[str, Any]:
    url, title = source
    citation = {"url": url, "title": title, "start_index": span[0], "end_index": span[1]}
    return {**citation, "content": content} if content else citation


def _characters(start: int, end: int, part_index: int | None, parts: Sequence[Json]) -> Span:
    """From bytes of one part to characters of what the client reads, which leaves out the thoughts."""
    texts = ["" if part.get("thought") else part.get("text") or "" for part in parts]
    place = part_index if part_index is not None else next((i for i, text in enumerate(texts) if text), 0)
    if place >= len(texts):
        return 0, 0
    before = sum(map(len, texts[:place]))
    content = texts[place].encode()
    return before + _length(content[:start]), before + _length(content[:end])


def _length(content: bytes) -> int:
    return len(content.decode("utf-8", "ignore"))
