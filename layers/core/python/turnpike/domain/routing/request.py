"""What routing reads of a request, whichever kind it is."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import PromptPlugins, ProviderPreferences
from turnpike.domain.native import Dialect, NativeTool


class RoutedRequest(Protocol):
    """A `ChatRequest`, or an `OperationRequest`."""

    @property
    def models(self) -> tuple[str, ...]: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def provider(self) -> ProviderPreferences: ...
    @property
    def max_tokens(self) -> int | None: ...
    @property
    def takes_less(self) -> bool: ...
    @property
    def context_compression(self) -> bool | None: ...
    @property
    def plugins(self) -> PromptPlugins: ...
    @property
    def dialect(self) -> Dialect | None:
        """The API that alone can answer it."""

    @property
    def native_tools(self) -> tuple[NativeTool, ...]: ...
    @property
    def input_kinds(self) -> frozenset[str]:
        """Kinds of content besides text that it holds: image, file, audio, video."""

    @property
    def media_field(self) -> str:
        """Where a client has them."""

    @property
    def output_kinds(self) -> frozenset[str]:
        """Kinds of content that the answer is to hold."""

    @property
    def demands(self) -> frozenset[str]:
        """Parameters that no endpoint may drop, whatever the preferences say."""

    def unmet(self, endpoint: Endpoint) -> Sequence[str]:
        """Of such parameters, those that this endpoint would drop though it may take them by their names."""
