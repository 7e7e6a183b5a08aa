"""What is asked for besides chats: embeddings, a rerank and the like, each answered in one piece.

A canonical request of its own for every operation, which says what routing and billing must know of it; what it is
answered with is its result. Wire formats offer what they can of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import PromptPlugins, ProviderPreferences, Usage

Operation = Literal["embeddings", "rerank", "image", "speech", "transcription"]
"""Named as the output modality of the models that can do it: https://openrouter.ai/docs/api-reference/models"""

API_TYPES: Mapping[Operation, str] = {
    "embeddings": "embeddings",
    "rerank": "rerank",
    "image": "image",
    "speech": "tts",
    "transcription": "stt",
}
"""As a generation's record calls them (reference 7.4)."""

_NOTHING: frozenset[str] = frozenset()
_NO_PLUGINS = PromptPlugins()


class OperationResult(Protocol):
    """What every operation's result says besides the answer itself."""

    @property
    def usage(self) -> Usage | None:
        """None where the provider said nothing of it."""

    @property
    def upstream_id(self) -> str | None: ...


ResultT = TypeVar("ResultT", bound=OperationResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRequest(Generic[ResultT]):
    """One request, validated. `models` are the slugs to try in order, at least one."""

    operation: ClassVar[Operation]
    media_field: ClassVar[str] = "input"
    """Where a client has what is no text."""
    models: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What an endpoint may or may not support, as its `supported_parameters` say it."""
    provider: ProviderPreferences = field(default_factory=ProviderPreferences)
    user: str | None = None
    session_id: str | None = None
    preset_id: str | None = None
    """Of the preset that it named."""

    @property
    def max_tokens(self) -> int | None:
        return None

    @property
    def takes_less(self) -> bool:
        return False

    @property
    def context_compression(self) -> bool | None:
        return False

    @property
    def plugins(self) -> PromptPlugins:
        return _NO_PLUGINS

    @property
    def dialect(self) -> None:
        return None

    @property
    def native_tools(self) -> tuple[()]:
        return ()

    @property
    def input_kinds(self) -> frozenset[str]:
        """Kinds of content besides text: image, file, audio, video."""
        return _NOTHING

    @property
    def output_kinds(self) -> frozenset[str]:
        return frozenset((self.operation,))

    @property
    def demands(self) -> frozenset[str]:
        """Parameters without which the answer would be another one than was asked for: nobody may drop them."""
        return _NOTHING

    def unmet(self, endpoint: Endpoint) -> Sequence[str]:
        """Parameters that this endpoint would drop and none may, where names alone do not tell."""
        return ()

    @property
    def longest_input_tokens(self) -> int:
        """An estimate of the longest single input, which a model's context must take."""
        raise NotImplementedError

    @property
    def input_media(self) -> tuple[int, int]:
        """How many images, files and videos there are, and how many recordings of sound."""
        return 0, 0

    def most_used(self, endpoint: Endpoint) -> Usage:
        """What this endpoint may count at most: so much is held, and billed where the provider counts nothing."""
        raise NotImplementedError


def parts_of(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """In their order, so many at a time."""
    return [items[start : start + size] for start in range(0, len(items), size)]
