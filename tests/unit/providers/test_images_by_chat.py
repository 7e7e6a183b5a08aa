"""Images of models that draw in chats, of which Gemini's are the most."""

from typing import Any

import orjson
import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import UpstreamError
from turnpike.domain.images import Image, ImageRequest, Images
from turnpike.domain.pricing import Pricing
from turnpike.ports.wires import Reply
from turnpike.providers.google.images import build_adapter
from turnpike.providers.openai_compatible.images import OpenAICompatibleImages

PICTURE = {"inlineData": {"mimeType": "image/jpeg", "data": "AAAA"}}
REFERENCE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
COUNTED = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 1130,
    "thoughtsTokenCount": 50,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
}


def endpoint(model: str = "gemini-3-pro-image", provider: str = "google-ai-studio") -> Endpoint:
    return Endpoint("a/b", provider, model, "https://api.test/v1beta", Pricing(), 32_768)


def asked(**changes: Any) -> ImageRequest:
    return ImageRequest(**({"models": ("a/b",), "prompt": "A red panda"} | changes))


def gemini(*parts: Any, usage: Any = COUNTED, finish: str = "STOP") -> bytes:
    candidate = {"content": {"parts": list(parts)}, "finishReason": finish}
    return orjson.dumps({"candidates": [candidate], "usageMetadata": usage, "responseId": "r1"})


def parse(*bodies: bytes, **changes: Any) -> Images:
    replies = [Reply({}, body) for body in bodies]
    return build_adapter("google-ai-studio").parse_replies(replies, asked(**changes), endpoint())


def test_gemini_is_asked_for_an_image_of_the_nearest_shape() -> None:
    request = asked(count=2, pixels=(3840, 2160), seed=7, references=[REFERENCE])
    built = build_adapter("google-ai-studio").build_requests(request, endpoint(), "key")
    assert len(built) == 2
    assert built[0].url == "https://api.test/v1beta/models/gemini-3-pro-image:generateContent"
    assert built[0].body == {
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "A red panda"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
            }
        ],
        "generationConfig": {
            "seed": 7,
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "4K"},
        },
    }


def test_models_of_one_size_are_not_told_any() -> None:
    request = asked(resolution="4K", aspect_ratio="1:8")
    [built] = build_adapter("google-ai-studio").build_requests(request, endpoint("gemini-2.5-flash-image"), "key")
    assert built.body["generationConfig"]["imageConfig"] == {"aspectRatio": "9:16"}


def test_the_words_beside_an_image_are_left_out_and_paid_for() -> None:
    found = parse(gemini({"text": "Here it is"}, PICTURE))
    assert found.images == [Image("AAAA", "image/jpeg")]
    assert found.upstream_id == "r1"
    assert found.usage == Usage(
        prompt_tokens=10,
        completion_tokens=1180,
        reasoning_tokens=50,
        completion_image_tokens=1120,
        completion_images=1,
    )


def test_every_answer_counts() -> None:
    found = parse(gemini(PICTURE), gemini(PICTURE, PICTURE), count=2)
    assert len(found.images) == 3
    assert found.usage is not None
    assert (found.usage.completion_image_tokens, found.usage.completion_images) == (2240, 3)


def test_where_nobody_tells_images_from_words_all_is_the_image() -> None:
    counted = {name: COUNTED[name] for name in COUNTED if name != "candidatesTokensDetails"}
    found = parse(gemini(PICTURE, usage=counted))
    assert found.usage is not None
    assert (found.usage.completion_tokens, found.usage.completion_image_tokens) == (1180, 1130)


def test_what_nobody_counts_is_estimated() -> None:
    found = parse(gemini(PICTURE, usage={}))
    assert found.usage is not None
    assert found.usage.estimated
    assert found.usage.completion_image_tokens == 1120


@pytest.mark.parametrize(
    ("body", "error_type", "retryable"),
    [
        (gemini({"text": "I cannot draw"}), "provider_unavailable", True),
        (gemini({"text": "No"}, finish="IMAGE_SAFETY"), "content_policy_violation", False),
        (gemini(finish="NO_IMAGE"), "provider_unavailable", True),
        (b"[]", "provider_unavailable", True),
    ],
)
def test_an_answer_without_an_image_is_none(body: bytes, error_type: str, retryable: bool) -> None:
    with pytest.raises(UpstreamError) as caught:
        parse(body)
    assert (caught.value.error_type, caught.value.retryable) == (error_type, retryable)


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:image/png;base64,", None])
def test_an_image_that_is_not_data_is_none(url: str | None) -> None:
    message = {"role": "assistant", "content": "", "images": [{"image_url": {"url": url}}, "nonsense"]}
    body = orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}]})
    served = endpoint("google/gemini-3-pro-image", "openrouter")
    with pytest.raises(UpstreamError):
        OpenAICompatibleImages("openrouter").parse_replies([Reply({}, body)], asked(), served)
