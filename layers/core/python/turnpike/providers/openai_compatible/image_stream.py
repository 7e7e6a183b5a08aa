"""An image while it is drawn. https://developers.openai.com/api/docs/api-reference/images-streaming"""

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.images import Image, ImageRequest, Images, PartialImage
from turnpike.providers.answer import raise_error
from turnpike.providers.failures import unreachable, unreadable
from turnpike.providers.openai_compatible.image_wire import Json, image_of, parse_usage, result_of
from turnpike.providers.sse import Event, EventTooLarge, SseDecoder

_NO_ANSWER = "The provider sent something that is no answer"


class ImageStream:
    """The state of one stream: partial images come out as they are in, finished ones at the end."""

    def __init__(self, provider: str, request: ImageRequest, endpoint: Endpoint) -> None:
        self._provider = provider
        self._request = request
        self._endpoint = endpoint
        self._framing = SseDecoder()
        # JSON where a stream should be: some answer at once whatever they are asked; None once it is known to be none.
        self._whole: bytearray | None = bytearray()
        self._images: list[Image] = []
        self._usages: list[Usage | None] = []

    def feed(self, data: bytes) -> list[PartialImage]:
        """Raises UpstreamError."""
        if self._whole is not None:
            self._whole += data
            begun = self._whole.lstrip()
            if not begun or begun.startswith(b"{"):
                return []
            data, self._whole = bytes(self._whole), None
        try:
            return [part for event in self._framing.feed(data) for part in self._read(event)]
        except EventTooLarge:
            raise unreadable(self._provider, "The provider sent an event that is too large") from None

    def result(self) -> Images:
        """Raises UpstreamError where the stream was cut before there was an image."""
        if self._whole:
            self._read_whole(bytes(self._whole))
        if not self._images:
            raise unreachable(self._provider, "The provider's answer broke off")
        return result_of(self._images, self._usages, self._request, self._endpoint)

    def _read(self, event: Event) -> list[PartialImage]:
        if event.data in (b"", b"[DONE]"):
            return []
        try:
            content = orjson.loads(event.data)
            kind = str(content.get("type") or event.name)
            raise_error(self._provider, kind, content)
            if kind.endswith(".partial_image"):
                return [PartialImage(str(content["b64_json"]), int(content.get("partial_image_index") or 0))]
            if kind.endswith(".completed"):
                self._images.append(image_of(content, content))
                usage = parse_usage(content.get("usage"))
                if usage is not None:
                    # Of several images, the last may tell for all of them.
                    self._usages.append(usage)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise unreadable(self._provider, _NO_ANSWER) from None
        return []

    def _read_whole(self, body: bytes) -> None:
        try:
            answer: Json = orjson.loads(body)
            raise_error(self._provider, "", answer)
            self._images += [image_of(each, answer) for each in answer["data"]]
            self._usages.append(parse_usage(answer.get("usage")))
        except (AttributeError, LookupError, TypeError, ValueError):
            raise unreadable(self._provider, _NO_ANSWER) from None
