"""What each wire format offers: pure pairs that build requests and read answers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import UpstreamError
from turnpike.ports.upstream import Signing

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.speech import SpeechPiece, SpeechRequest


class UpstreamRequest(Protocol):
    """An HTTP request to a provider, fully decided and not yet sent."""

    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> Mapping[str, Any]: ...
    @property
    def form(self) -> "Sequence[FormFile] | None":
        """The files, if any, of a form whose other fields are the members of `body`; None for JSON."""

    @property
    def signing(self) -> "Signing | None": ...


class FormFile(Protocol):
    """A file in a form: the field's name, and what is said of the file."""

    @property
    def name(self) -> str: ...
    @property
    def filename(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def content(self) -> bytes: ...


class StreamDecoder(Protocol):
    """Turns one provider's bytes into deltas, wherever the network cut them; holds the state of one stream."""

    @property
    def done(self) -> bool:
        """Whether the answer is over, well or not: what the connection does after it means nothing."""

    def feed(self, data: bytes) -> list[Delta]: ...

    def finish(self) -> list[Delta]:
        """The connection ended: the last deltas, one with `error` if the answer was cut. It is `done` then."""


class Reply(NamedTuple):
    """What a provider answered with status 200; header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes


class OperationAdapter(Protocol):
    """Translates between the canonical form of one operation and one wire format. Pure, as `ProviderAdapter` is."""

    def build_requests(self, request: Any, endpoint: Endpoint, api_key: str) -> "Sequence[UpstreamRequest]":
        """Several where the provider takes less at once than was asked for. Raises InvalidRequest."""

    def parse_replies(self, replies: Sequence[Reply], request: Any, endpoint: Endpoint) -> Any:
        """The result, of one reply for each request. Raises UpstreamError where they are no answer, or an empty one."""

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError: ...


class RecordingAdapter(OperationAdapter, Protocol):
    """Of an operation that is asked about a recording, which may stand at an address."""

    def fetches(self, kind: str, url: str) -> bool:
        """Likewise, with the kind input_audio. What the provider does not get comes to `build_requests` as bytes."""


class SpeechDecoder(Protocol):
    """Holds one answer of sound."""

    def feed(self, data: bytes) -> "Sequence[SpeechPiece]":
        """Raises UpstreamError for what is no sound."""

    def finish(self) -> "Sequence[SpeechPiece]":
        """The response ended. Raises UpstreamError where it should not have."""


class SpeechAdapter(Protocol):
    """What takes the place of `OperationAdapter` for speech, whose answer is passed on as it comes."""

    def build_request(self, request: "SpeechRequest", endpoint: Endpoint, api_key: str) -> UpstreamRequest:
        """Raises InvalidRequest."""

    def decoder(self, request: "SpeechRequest", headers: Mapping[str, str]) -> SpeechDecoder:
        """For an answer with these headers, whose names are in lower case."""

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError: ...


class PartDecoder(Protocol):
    """Turns one provider's bytes into parts, wherever the network cut them; holds the state of one answer."""

    def feed(self, data: bytes) -> Sequence[Any]:
        """Raises UpstreamError for an error that the provider tells, and for what is no answer."""

    def result(self) -> Any:
        """When everything was fed to it. Raises UpstreamError where the answer was cut."""


class PartsAdapter(OperationAdapter, Protocol):
    """Of an operation whose result a provider may show in parts while it makes it."""

    def part_decoder(self, request: Any, endpoint: Endpoint) -> PartDecoder | None:
        """For the one request that is built then; None where this endpoint shows nothing."""


class ProviderAdapter(Protocol):
    """Translates between the canonical chat and one wire format.

    Pure: no sockets, no clock, no environment. `Upstream` sends what it builds.
    """

    def fetches(self, kind: str, url: str) -> bool:
        """Whether the provider itself gets what stands at an http(s) address in a part of this kind.

        `kind` is image_url, file or video_url. What it does not get comes to `build_request` as a data URL.
        """

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> UpstreamRequest: ...

    def parse_completion(self, body: bytes) -> Completion:
        """Raises UpstreamError when the body is no answer, or an error with status 200."""

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError: ...

    def stream_decoder(self, endpoint: Endpoint | None = None) -> StreamDecoder:
        """`endpoint`: whose answer it is, where the stream itself does not say it in time."""
