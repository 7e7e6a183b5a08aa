"""A skin: how the clients of one API ask, and how they are answered. It knows no provider, and no provider knows it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from starlette.datastructures import Headers

from turnpike.api.edge import ErrorBody
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import TurnpikeError
from turnpike.services.complete_chat import ChatCall

if TYPE_CHECKING:
    from turnpike.services.response_cache import CachedCall

Call: TypeAlias = "ChatCall | CachedCall"
"""What is answered: by a provider, or from the response cache."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer may have to repeat of its request, or to go by."""

    request: ChatRequest
    content: Mapping[str, Any]
    """The body as it came, validated."""
    headers: Headers


class Presenter(Protocol):
    """Writes one answer: a whole one at once, or a stream piece by piece and then its end, once."""

    def present_completion(self, completion: Completion) -> dict[str, Any]: ...

    def present(self, deltas: Sequence[Delta]) -> bytes:
        """All of them as one piece of the stream; empty when none shows a client anything. The last delta of an
        answer that broke off has an error, which `present_end` tells.
        """

    def present_end(self) -> bytes:
        """The end of a stream, when its usage and cost are known."""

    def present_break(self, error: TurnpikeError) -> bytes:
        """The end of a stream that cannot be finished, though HTTP 200 was sent."""


@dataclass(frozen=True, slots=True)
class Skin:
    name: str
    """Sets its answers apart in the response cache: the same body means something else to another skin."""

    parse_request: Callable[[Mapping[str, Any], Headers], ChatRequest]
    """Raises InvalidRequest naming the field."""

    new_presenter: "Callable[[Call, Asked], Presenter]"
    """Called when it is known who answers."""

    present_error: ErrorBody
    keepalive: bytes
    """What a stream says while its provider says nothing, and clients pass over."""
    takes_tools: bool = True
    """Whether its answers have a place for calls of tools."""
    shows_images: bool = True
    """Whether they have one for what a model draws."""

    present_cut: "Callable[[Call, Asked, TurnpikeError], dict[str, Any] | None] | None" = None
    """The answer as which this API tells some errors, with status 200; None for an error that is told as one."""
