"""Embeddings: texts, or what else a model reads, as vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import KINDS, Usage
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.estimate import estimate_tokens
from turnpike.domain.operation import Operation, OperationRequest

Encoding = Literal["float", "base64"]

Input = str | Sequence[int] | Sequence[Mapping[str, Any]]
"""A text, tokens of the model's own, or content parts (`text`, `image_url`, …) that become one vector together."""

Vector = str | Sequence[float]
"""A string is base64 of little-endian 32-bit floats, as OpenAI's API has it."""

_TOKENS_PER_PART = 2_000
"""Of an image or a page; Gemini counts 258 to 1,806 for them, Cohere up to 1,610."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """`vectors` are in the order of the inputs, and in the encoding that was asked for."""

    vectors: Sequence[Vector]
    usage: Usage | None
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest(OperationRequest[Embeddings]):
    operation: ClassVar[Operation] = "embeddings"
    inputs: Sequence[Input]
    encoding: Encoding = "float"

    @property
    def dimensions(self) -> int | None:
        found: int | None = self.parameters.get("dimensions")
        return found

    @property
    def input_type(self) -> str | None:
        found: str | None = self.parameters.get("input_type")
        return found

    @property
    def texts(self) -> Sequence[str]:
        """Raises InvalidRequest where an input is none: for wire formats that take nothing else."""
        for place, each in enumerate(self.inputs):
            if not isinstance(each, str):
                raise InvalidRequest("this model's provider takes texts alone; send a string", field=f"input.{place}")
        return [each for each in self.inputs if isinstance(each, str)]

    @property
    def input_kinds(self) -> frozenset[str]:
        return frozenset(KINDS[kind] for kind in self._kinds() if kind in KINDS)

    @property
    def demands(self) -> frozenset[str]:
        # A vector of another length fits no index.
        return frozenset(("dimensions",)) & set(self.parameters)

    @property
    def longest_input_tokens(self) -> int:
        return max(map(_estimate, self.inputs))

    @property
    def input_media(self) -> tuple[int, int]:
        kinds = self._kinds()
        heard = kinds.count("input_audio")
        return len(kinds) - kinds.count("text") - heard, heard

    def most_used(self, endpoint: Endpoint) -> Usage:
        # Where images have a price of their own, it is the higher one.
        images = self._kinds().count("image_url") * _TOKENS_PER_PART
        return Usage(prompt_tokens=sum(map(_estimate, self.inputs)), prompt_image_tokens=images)

    def _kinds(self) -> list[str]:
        return [str(part["type"]) for each in self.inputs for part in parts_in(each)]


def parts_in(given: Input) -> Sequence[Mapping[str, Any]]:
    """None in a text, nor in tokens: of those there may be a million, so only the first is looked at."""
    if isinstance(given, str) or isinstance(given[0], int):
        return ()
    return cast(Sequence[Mapping[str, Any]], given)


def _estimate(given: Input) -> int:
    if isinstance(given, str):
        return estimate_tokens(given)
    parts = parts_in(given)
    return sum(map(_estimate_part, parts)) if parts else len(given)


def _estimate_part(part: Mapping[str, Any]) -> int:
    return estimate_tokens(part["text"]) if part["type"] == "text" else _TOKENS_PER_PART
