"""Every skin of the inference API, at its address."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from turnpike.api.auth import Guard
from turnpike.api.chat.skin import CHAT
from turnpike.api.edge import ErrorBody
from turnpike.api.inference.endpoint import Expand, Inference, InferenceEndpoint
from turnpike.domain.errors import TurnpikeError
from turnpike.services.complete_chat import CompleteChat

if TYPE_CHECKING:
    from turnpike.api.inference.operation import OperationSkin
    from turnpike.services.response_cache import FindAnswer


def routes(
    guard: Guard,
    complete_chat: CompleteChat,
    *,
    keepalive_s: float,
    find_answer: "FindAnswer | None" = None,
    expand: Expand | None = None,
) -> list[BaseRoute]:
    inference = Inference(guard, complete_chat, keepalive_s, find_answer, expand)

    def messages() -> ASGIApp:
        from turnpike.api.messages.skin import MESSAGES

        return InferenceEndpoint(MESSAGES, inference)

    def responses() -> ASGIApp:
        from turnpike.api.responses.skin import RESPONSES

        return InferenceEndpoint(RESPONSES, inference)

    def completions() -> ASGIApp:
        from turnpike.api.completions.endpoint import CompletionsEndpoint

        return CompletionsEndpoint(inference)

    def count_tokens() -> ASGIApp:
        from turnpike.api.messages.count import CountTokens

        return CountTokens(inference)

    def embeddings() -> ASGIApp:
        from turnpike.api.embeddings.skin import EMBEDDINGS

        return operation(EMBEDDINGS)

    def rerank() -> ASGIApp:
        from turnpike.api.rerank.skin import RERANK

        return operation(RERANK)

    def images() -> ASGIApp:
        from turnpike.api.images.skin import IMAGES

        return operation(IMAGES)

    def openai_edits() -> ASGIApp:
        from turnpike.api.images.skin import OPENAI_EDITS

        return operation(OPENAI_EDITS)

    def openai_images() -> ASGIApp:
        from turnpike.api.images.skin import OPENAI_IMAGES

        return operation(OPENAI_IMAGES)

    def operation(skin: "OperationSkin[Any, Any]") -> ASGIApp:
        from turnpike.api.inference.operation import OperationEndpoint
        from turnpike.services.run_operation import RunOperation

        return OperationEndpoint(skin, guard, RunOperation(complete_chat), expand)

    def speech() -> ASGIApp:
        from turnpike.api.audio.speech import SpeechEndpoint
        from turnpike.services.run_speech import RunSpeech

        return SpeechEndpoint(guard, RunSpeech(complete_chat), expand)

    def transcriptions() -> ASGIApp:
        from turnpike.api.audio.transcription import TRANSCRIPTION

        return operation(TRANSCRIPTION)

    return [
        Route("/chat/completions", InferenceEndpoint(CHAT, inference), methods=["POST"]),
        Route("/completions", _Deferred(completions), methods=["POST"]),
        Route("/responses", _Deferred(responses), methods=["POST"]),
        Route("/messages", _Deferred(messages), methods=["POST"]),
        Route("/messages/count_tokens", _Deferred(count_tokens), methods=["POST"]),
        Route("/embeddings", _Deferred(embeddings), methods=["POST"]),
        Route("/images", _Deferred(images), methods=["POST"]),
        Route("/images/edits", _Deferred(openai_edits), methods=["POST"]),
        Route("/images/generations", _Deferred(openai_images), methods=["POST"]),
        Route("/rerank", _Deferred(rerank), methods=["POST"]),
        Route("/audio/speech", _Deferred(speech), methods=["POST"]),
        Route("/audio/transcriptions", _Deferred(transcriptions), methods=["POST"]),
    ]


def _present_message_error(
    error: TurnpikeError, call_id: str | None = None, beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    from turnpike.api.messages.errors import present_message_error_body

    return present_message_error_body(error, call_id, beside)


ERROR_BODIES: Mapping[str, ErrorBody] = {"/messages": _present_message_error}
"""Where clients read errors otherwise than OpenRouter's, which they do of unknown addresses and methods too."""


class _Deferred:
    """An endpoint that is loaded with its first request: most environments never get one for most skins."""

    def __init__(self, load: Callable[[], ASGIApp]) -> None:
        self._load = load
        self._endpoint: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._endpoint is None:
            self._endpoint = self._load()
        await self._endpoint(scope, receive, send)
