"""OpenAI's images, and those of everyone who copied them; of models that draw in chats, their chats.

https://developers.openai.com/api/docs/api-reference/images
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import UpstreamError
from turnpike.domain.image_traits import traits_of
from turnpike.domain.images import Image, ImageRequest, Images
from turnpike.ports.wires import Reply, UpstreamRequest
from turnpike.providers.failures import failure_in_answer, parse_failure, unreadable
from turnpike.providers.images_by_chat import ImagesByChat
from turnpike.providers.openai_compatible.adapter import build_adapter as build_chat_adapter
from turnpike.providers.openai_compatible.image_bodies import (
    build_body,
    dialect_of,
    files_of,
    references_as_json,
)
from turnpike.providers.openai_compatible.image_stream import ImageStream
from turnpike.providers.openai_compatible.image_wire import image_of, parse_usage, result_of
from turnpike.providers.openai_compatible.quirks import quirks_of
from turnpike.providers.request import ProviderRequest

_NO_ANSWER = "The provider sent something that is no answer"


@dataclass(frozen=True, slots=True)
class OpenAICompatibleImages:
    provider: str

    def build_requests(self, request: ImageRequest, endpoint: Endpoint, api_key: str) -> Sequence[UpstreamRequest]:
        if _draws_in_chats(self.provider, endpoint):
            return self._by_chat.build_requests(request, endpoint, api_key)
        return self.build_own(request, endpoint, api_key)

    def build_own(self, request: ImageRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        """Of the API for images itself."""
        at_once = traits_of(endpoint).at_once
        counts = [min(at_once, request.count - done) for done in range(0, request.count, at_once)]
        return [self._build(request, endpoint, api_key, count) for count in counts]

    def parse_replies(self, replies: Sequence[Reply], request: ImageRequest, endpoint: Endpoint) -> Images:
        if _draws_in_chats(self.provider, endpoint):
            return self._by_chat.parse_replies(replies, request, endpoint)
        decoder = self.part_decoder(request, endpoint)
        if decoder is not None:
            # Asked for in parts, which nobody was there to be shown.
            decoder.feed(replies[0].body)
            return decoder.result()
        images: list[Image] = []
        usages: list[Usage | None] = []
        for reply in replies:
            try:
                answer = orjson.loads(reply.body)
                if answer.get("error"):
                    raise failure_in_answer(self.provider, answer["error"])
                images += [image_of(each, answer) for each in answer["data"]]
                usages.append(parse_usage(answer.get("usage")))
            except (AttributeError, LookupError, TypeError, ValueError):
                # Not JSON, or a member of a type that nothing could be made of.
                raise unreadable(self.provider, _NO_ANSWER) from None
        if not images:
            raise unreadable(self.provider, "The provider sent no image")
        return result_of(images, usages, request, endpoint)

    def part_decoder(self, request: ImageRequest, endpoint: Endpoint) -> ImageStream | None:
        """What is drawn of an image before it is finished; None where the endpoint shows nothing of it."""
        if not _streams(self.provider, request, endpoint):
            return None
        return ImageStream(self.provider, request, endpoint)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_failure(self.provider, status, headers, body)

    @property
    def _by_chat(self) -> ImagesByChat:
        return ImagesByChat(self.provider, build_chat_adapter(self.provider))

    def _build(self, request: ImageRequest, endpoint: Endpoint, api_key: str, count: int) -> ProviderRequest:
        dialect = dialect_of(self.provider)
        streams = _streams(self.provider, request, endpoint)
        body = build_body(request, endpoint, dialect, count=count, streams=streams)
        form = None
        if request.references and dialect.edits == "json":
            body.update(references_as_json(request.references))
        elif request.references:
            form = files_of(request.references)
        return ProviderRequest(
            url=f"{endpoint.base_url.rstrip('/')}/images/{'edits' if request.references else 'generations'}",
            headers={"authorization": f"Bearer {api_key}", "content-type": "application/json"},
            body=body,
            form=form,
        )


def _draws_in_chats(provider: str, endpoint: Endpoint) -> bool:
    """Whoever takes `modalities` says in a chat that it is to be answered with an image."""
    return "modalities" in endpoint.supported_parameters | quirks_of(provider).unlisted


def _streams(provider: str, request: ImageRequest, endpoint: Endpoint) -> bool:
    traits = traits_of(endpoint)
    return (
        request.stream
        and traits.streams
        and request.count <= traits.at_once
        and not _draws_in_chats(provider, endpoint)
    )


def build_adapter(provider: str) -> OpenAICompatibleImages:
    return OpenAICompatibleImages(provider)
