"""Providers, whose answers are awaited."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.operation import Operation, OperationRequest, ResultT
    from turnpike.domain.speech import SpeechPiece, SpeechRequest


OnPart = Callable[[Any], Awaitable[None]]
"""Takes what there is of a result while the rest is still to come, such as a `PartialImage`."""


class Upstream(Protocol):
    """Calls providers. What calls them raises UpstreamError, also for timeouts and broken connections."""

    async def complete(self, request: ChatRequest, endpoint: Endpoint) -> Completion: ...

    def stream(self, request: ChatRequest, endpoint: Endpoint) -> AsyncGenerator[Sequence[Delta], None]:
        """Batches of deltas, as they arrived together. An error after the first batch is a delta's `error`.

        The caller closes the generator.
        """

    def offers(self, operation: "Operation", endpoint: Endpoint) -> bool:
        """Whether the endpoint's wire format can be asked for it."""

    async def perform(
        self, request: "OperationRequest[ResultT]", endpoint: Endpoint, on_part: OnPart | None = None
    ) -> "ResultT":
        """Only of what the endpoint `offers`. `on_part` is given what there is of the result before it is whole, where
        the provider shows it; with None, nobody is asked to.
        """

    def speak(self, request: "SpeechRequest", endpoint: Endpoint) -> "AsyncGenerator[SpeechPiece, None]":
        """The sound as it comes, some in the first piece. The caller closes the generator, which raises what ends it
        before its time.
        """


class Signing(Protocol):
    """That a request carries an AWS signature (version 4) for this service and region instead of a key."""

    @property
    def service(self) -> str: ...
    @property
    def region(self) -> str: ...


class Signer(Protocol):
    """Signs for AWS with the function's own role, or whatever credentials the environment has."""

    def sign(self, url: str, headers: Mapping[str, str], body: bytes, signing: Signing) -> Mapping[str, str]:
        """The headers to send: those given, and the signature's. The method is POST.

        Raises UpstreamError (401) when there are no credentials.
        """


class TokenSource(Protocol):
    """Where the credential for a provider comes from that is not one string for good."""

    async def token(self) -> str:
        """Valid now and for some minutes. Raises UpstreamError: 401 when our own credential is refused."""
