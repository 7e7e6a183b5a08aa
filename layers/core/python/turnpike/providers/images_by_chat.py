"""Images of models that draw them in a chat: asked for in one message, each in an answer of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Usage, add_usages
from turnpike.domain.errors import UpstreamError
from turnpike.domain.image_sizes import nearest_ratio
from turnpike.domain.image_traits import traits_of
from turnpike.domain.images import Image, ImageRequest, Images
from turnpike.ports.wires import ProviderAdapter, Reply, UpstreamRequest
from turnpike.providers.failures import failure, unreadable


@dataclass(frozen=True, slots=True)
class ImagesByChat:
    """Implements the port `OperationAdapter` over the adapter for chats of the same wire format."""

    provider: str
    chat: ProviderAdapter
    modalities: tuple[str, ...] = ("image", "text")
    """What the answer may be made of."""

    def build_requests(self, request: ImageRequest, endpoint: Endpoint, api_key: str) -> Sequence[UpstreamRequest]:
        chat = build_chat(request, endpoint, self.modalities)
        return [self.chat.build_request(chat, endpoint, api_key)] * request.count

    def parse_replies(self, replies: Sequence[Reply], request: ImageRequest, endpoint: Endpoint) -> Images:
        images: list[Image] = []
        usages: list[Usage | None] = []
        for reply in replies:
            completion = self.chat.parse_completion(reply.body)
            found = self._images_of(completion)
            images += found
            usages.append(_with_image_tokens(completion.usage))
        usage = _sum_of(usages) or replace(request.used(endpoint, len(images)), estimated=True)
        return Images(images, request.counted(usage, endpoint, len(images)), completion.upstream_id)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return self.chat.parse_error(status, headers, body)

    def _images_of(self, completion: Completion) -> list[Image]:
        choice = completion.choices[0]
        found = [_image_of(each) for each in choice.message.get("images") or ()]
        images = [image for image in found if image is not None]
        if images:
            return images
        if choice.finish_reason == "content_filter":
            what = "The provider's content policy kept it from drawing this"
            raise failure(self.provider, 400, what, code="content_policy_violation")
        raise unreadable(self.provider, "The model answered without an image; ask for one in the prompt")


def build_chat(request: ImageRequest, endpoint: Endpoint, modalities: Sequence[str]) -> ChatRequest:
    traits = traits_of(endpoint)
    config: dict[str, Any] = {}
    if request.ratio is not None and traits.ratios:
        config["aspect_ratio"] = nearest_ratio(request.ratio, traits.ratios)
    tier = traits.tier(request.tier)
    if tier is not None:
        config["image_size"] = tier
    parameters: dict[str, Any] = {"modalities": list(modalities)}
    if config:
        parameters["image_config"] = config
    if request.seed is not None:
        parameters["seed"] = request.seed
    content: Any = request.prompt
    if request.references:
        content = [{"type": "text", "text": request.prompt}, *request.references]
    return ChatRequest(
        models=request.models,
        messages=[{"role": "user", "content": content}],
        parameters=parameters,
        provider=request.provider,
        user=request.user,
        session_id=request.session_id,
    )


def _image_of(part: Any) -> Image | None:
    """None for what is no data URL: nobody could tell whether an address still holds tomorrow."""
    url = part.get("image_url", {}).get("url") if isinstance(part, dict) else None
    if not isinstance(url, str) or not url.startswith("data:"):
        return None
    head, _, data = url.partition(",")
    return Image(data, head.removeprefix("data:").partition(";")[0] or None) if data else None


def _with_image_tokens(usage: Usage | None) -> Usage | None:
    """Where nobody says which of an answer's tokens are the image's, all are that are no thoughts: they cost more."""
    if usage is None or usage.completion_image_tokens:
        return usage
    return replace(usage, completion_image_tokens=max(0, usage.completion_tokens - usage.reasoning_tokens))


def _sum_of(usages: Sequence[Usage | None]) -> Usage | None:
    """None where any of them is unknown."""
    known = [usage for usage in usages if usage is not None]
    if len(known) < len(usages):
        return None
    return add_usages(known)
