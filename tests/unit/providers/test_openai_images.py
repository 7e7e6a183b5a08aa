"""OpenAI's images and those who copied them: what is sent, and how odd answers and broken streams are read."""

import base64
from decimal import Decimal
from typing import Any

import orjson
import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.images import Image, ImageRequest, Images, PartialImage
from turnpike.domain.pricing import Pricing
from turnpike.ports.wires import Reply
from turnpike.providers.azure.images import AzureImages
from turnpike.providers.openai_compatible.images import OpenAICompatibleImages

SVG = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(64)).decode()
REFERENCE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
USAGE = {
    "input_tokens": 12,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 2},
    "output_tokens": 120,
    "output_tokens_details": {"text_tokens": 20, "image_tokens": 100},
}


def endpoint(model: str = "gpt-image-2", provider: str = "openai", *parameters: str, **prices: Any) -> Endpoint:
    return Endpoint(
        "acme/draw", provider, model, "https://api.test/v1/", Pricing(**prices), 8192,
        supported_parameters=frozenset(parameters or ("n",)),
    )  # fmt: skip


def asked(**changes: Any) -> ImageRequest:
    return ImageRequest(**({"models": ("acme/draw",), "prompt": "A red panda"} | changes))


def bodies(request: ImageRequest, served: Endpoint) -> list[Any]:
    return [built.body for built in OpenAICompatibleImages(served.provider).build_requests(request, served, "sk-1")]


def parse(content: Any, request: ImageRequest | None = None, served: Endpoint | None = None) -> Images:
    served = served or endpoint()
    replies = [Reply({}, each if isinstance(each, bytes) else orjson.dumps(each)) for each in content]
    return OpenAICompatibleImages(served.provider).parse_replies(replies, request or asked(), served)


def test_the_least_request() -> None:
    [built] = OpenAICompatibleImages("openai").build_requests(asked(), endpoint(), "sk-secret")
    assert built.url == "https://api.test/v1/images/generations"
    assert built.headers["authorization"] == "Bearer sk-secret"
    assert built.body == {"model": "gpt-image-2", "prompt": "A red panda"}
    assert "panda" not in repr(built)


@pytest.mark.parametrize(
    ("served", "changes", "sent"),
    [
        (endpoint("gpt-image-1.5"), {"pixels": (1920, 1080)}, {"size": "1536x1024"}),
        (endpoint("gpt-image-1.5"), {"resolution": "4K"}, {"size": "1024x1024"}),
        (
            endpoint(),
            {"output_format": "jpeg", "output_compression": 80},
            {"output_format": "jpeg", "output_compression": 80},
        ),
        # It has no effect on an image that loses nothing, and OpenAI refuses it there.
        (endpoint(), {"output_format": "png", "output_compression": 80}, {"output_format": "png"}),
        (endpoint(), {"moderation": "low", "seed": 7, "user": "ann"}, {"moderation": "low"}),
        (endpoint("gpt-image-2", "openai", "n", "user"), {"user": "ann"}, {"user": "ann"}),
        (
            endpoint("flux", "together", "seed", "size"),
            {"seed": 7, "moderation": "low"},
            {"seed": 7, "response_format": "b64_json"},
        ),
        (endpoint("flux", "together", "n"), {"pixels": (512, 512)}, {"response_format": "b64_json"}),
        (
            endpoint("grok-imagine-image", "xai"),
            {"pixels": (768, 1536), "quality": "high", "output_format": "png"},
            {"response_format": "b64_json", "aspect_ratio": "1:2", "resolution": "1k"},
        ),
        (endpoint("grok-2-image", "xai"), {"pixels": (1000, 2000)}, {"response_format": "b64_json"}),
        (endpoint(), {"stream": True, "partial_images": 2}, {"stream": True, "partial_images": 2}),
        (endpoint("grok-imagine-image", "xai"), {"stream": True}, {"response_format": "b64_json"}),
    ],
)
def test_what_a_model_knows_is_sent_in_its_own_words(served: Endpoint, changes: dict[str, Any], sent: Any) -> None:
    [body] = bodies(asked(**changes), served)
    assert body == {"model": served.upstream_model, "prompt": "A red panda", **sent}


def test_as_many_as_a_provider_draws_at_once() -> None:
    assert [body.get("n") for body in bodies(asked(count=7), endpoint())] == [7]
    assert [body.get("n") for body in bodies(asked(count=3), endpoint("flux", "together", "size"))] == [None] * 3


def test_openai_gets_images_to_go_by_in_a_form() -> None:
    request = asked(references=[REFERENCE, REFERENCE], quality="low", count=2)
    [built] = OpenAICompatibleImages("openai").build_requests(request, endpoint(), "sk-1")
    assert built.url == "https://api.test/v1/images/edits"
    assert built.form is not None
    assert built.body == {"model": "gpt-image-2", "prompt": "A red panda", "n": 2, "quality": "low"}
    assert [(file.name, file.filename, file.media_type) for file in built.form] == [
        ("image[]", "0.png", "image/png"),
        ("image[]", "1.png", "image/png"),
    ]
    assert {file.content for file in built.form} == {base64.b64decode(PNG)}


def test_what_is_no_image_is_refused_by_its_place() -> None:
    page = {"type": "image_url", "image_url": {"url": "data:application/pdf;base64,AAAA"}}
    with pytest.raises(InvalidRequest, match=r"^input_references\.1: give an image"):
        bodies(asked(references=[REFERENCE, page]), endpoint())


def test_xai_gets_them_as_json() -> None:
    served, url = endpoint("grok-imagine-image", "xai"), REFERENCE["image_url"]["url"]  # type: ignore[index]
    [one] = bodies(asked(references=[REFERENCE]), served)
    assert one["image"] == {"type": "image_url", "url": url}
    [two] = bodies(asked(references=[REFERENCE] * 2), served)
    assert two["images"] == [{"type": "image_url", "url": url}] * 2


def test_openrouter_is_asked_in_a_chat() -> None:
    served = endpoint("google/gemini-3-pro-image", "openrouter", "max_tokens")
    built = OpenAICompatibleImages("openrouter").build_requests(
        asked(count=2, resolution="2K", aspect_ratio="16:9", references=[REFERENCE]), served, "sk-1"
    )
    assert [each.url for each in built] == ["https://api.test/v1/chat/completions"] * 2
    body = built[0].body
    assert (body["modalities"], body["image_config"]) == (
        ["image", "text"],
        {"aspect_ratio": "16:9", "image_size": "2K"},
    )
    assert body["messages"][0]["content"] == [{"type": "text", "text": "A red panda"}, REFERENCE]


def test_whoever_takes_modalities_is_asked_in_a_chat() -> None:
    [built] = OpenAICompatibleImages("acme").build_requests(asked(), endpoint("any", "acme", "modalities"), "sk-1")
    assert built.url.endswith("/chat/completions")


@pytest.mark.parametrize(("base", "url"), [
    ("https://r.openai.azure.com/openai/v1", "https://r.openai.azure.com/openai/v1/images/generations"),
    ("https://r.cognitiveservices.azure.com", "https://r.cognitiveservices.azure.com/openai/v1/images/generations"),
])  # fmt: skip
def test_azure_has_addresses_of_its_own(base: str, url: str) -> None:
    served = Endpoint("a/b", "azure", "gpt-image-2", base, Pricing(), 8192)
    [built] = AzureImages("azure").build_requests(asked(), served, "key")
    assert (built.url, built.headers["api-key"]) == (url, "key")
    assert built.body == {"model": "gpt-image-2", "prompt": "A red panda"}


def test_what_was_counted_is_charged() -> None:
    found = parse([{"data": [{"b64_json": PNG}, {"b64_json": JPEG}], "usage": USAGE}])
    assert [image.media_type for image in found.images] == ["image/png", "image/jpeg"]
    assert found.usage == Usage(
        prompt_tokens=12,
        prompt_image_tokens=2,
        completion_tokens=120,
        completion_image_tokens=100,
        completion_images=2,
    )


def test_several_answers_are_one() -> None:
    one = {"data": [{"b64_json": PNG}], "usage": USAGE}
    found = parse([one, one, one], asked(count=3))
    assert len(found.images) == 3
    assert found.usage is not None
    assert (found.usage.completion_tokens, found.usage.completion_images) == (360, 3)


def test_who_counts_nothing_is_paid_the_most_that_so_many_images_take() -> None:
    request = asked(count=4, quality="low")
    found = parse([{"data": [{"b64_json": PNG}]}], request)
    assert found.usage is not None
    assert found.usage.estimated
    assert found.usage.completion_image_tokens * 4 == request.most_used(endpoint()).completion_image_tokens


def test_who_charges_by_the_image_counts_no_tokens() -> None:
    served = endpoint("grok-imagine-image", "xai", output_image=Decimal("0.02"))
    answer = {"data": [{"b64_json": JPEG, "mime_type": "image/jpeg"}], "usage": {"cost_in_usd_ticks": 200_000_000}}
    found = parse([answer], asked(count=2, resolution="2K", references=[REFERENCE]), served)
    assert found.usage == Usage(completion_images=1, image_variant="2K", prompt_images=1)


@pytest.mark.parametrize(
    ("named", "data", "media_type"),
    [
        ({"output_format": "svg"}, SVG, "image/svg+xml"),
        ({"output_format": "webp"}, "AAAA", "image/webp"),
        ({"mime_type": "image/avif"}, "AAAA", "image/avif"),
        # Its first bytes are to be believed more than its name.
        ({"mime_type": "image/jpeg"}, PNG, "image/png"),
        ({}, "AAAA", None),
        ({"output_format": "png"}, "*", "image/png"),
    ],
)
def test_what_an_image_is(named: dict[str, str], data: str, media_type: str | None) -> None:
    found = parse([{"data": [{"b64_json": data, **named}], "usage": USAGE}])
    assert found.images == [Image(data, media_type)]


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"[]",
        {},
        {"data": None},
        {"data": [{"url": "https://imgen.test/1.png"}]},
        {"data": [{"b64_json": None}]},
        {"data": [{"b64_json": ""}]},
        {"data": []},
        {"error": {"message": "no", "code": 500}},
    ],
)
def test_what_is_no_image_is_an_answer_to_fall_back_from(content: Any) -> None:
    with pytest.raises(UpstreamError) as caught:
        parse([content])
    assert caught.value.retryable


def test_a_refusal_is_final() -> None:
    body = orjson.dumps(
        {"error": {"message": "Your request was rejected by the safety system", "code": "moderation_blocked"}}
    )
    error = OpenAICompatibleImages("openai").parse_error(400, {}, body)
    assert (error.error_type, error.retryable) == ("content_policy_violation", False)


def event(kind: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **members}))


STREAM = (
    event("image_generation.partial_image", partial_image_index=0, b64_json="AAAA")
    + event("image_generation.partial_image", partial_image_index=1, b64_json="BBBB")
    + event("image_generation.completed", b64_json=PNG, output_format="png", usage=USAGE)
)
WHOLE = orjson.dumps({"data": [{"b64_json": PNG}], "usage": USAGE})


def read(*pieces: bytes) -> tuple[list[Any], Images]:
    decoder = OpenAICompatibleImages("openai").part_decoder(asked(stream=True), endpoint())
    assert decoder is not None
    parts = [part for piece in pieces for part in decoder.feed(piece)]
    return parts, decoder.result()


def test_a_stream_that_nobody_watches_is_read_all_the_same() -> None:
    streamed = asked(stream=True)
    assert parse([STREAM], streamed) == parse([WHOLE], streamed) == parse([WHOLE])
    with pytest.raises(UpstreamError):
        parse([STREAM[:200]], streamed)


@pytest.mark.parametrize("at", range(0, len(STREAM), 7))
def test_a_stream_is_the_same_wherever_it_is_cut(at: int) -> None:
    parts, found = read(STREAM[:at], STREAM[at:])
    assert parts == [PartialImage("AAAA", 0), PartialImage("BBBB", 1)]
    assert found == parse([WHOLE])


def test_the_stream_of_an_edit_and_one_that_is_none() -> None:
    edit = STREAM.replace(b"image_generation.", b"image_edit.")
    assert read(edit) == read(STREAM)
    assert read(WHOLE[:9], WHOLE[9:]) == ([], parse([WHOLE]))
    # Of several images, the last may tell for all of them.
    several = event("image_generation.completed", b64_json=PNG, usage=None) + STREAM
    assert read(several)[1].usage == parse([{"data": [{"b64_json": PNG}] * 2, "usage": USAGE}]).usage


@pytest.mark.parametrize(
    "stream",
    [
        STREAM[:200],
        b"",
        b"{}",
        WHOLE[:20],
        event("image_generation.completed", b64_json=None),
        event("image_generation.partial_image", b64_json="AAAA", partial_image_index="x"),
        b"data: nonsense\n\n",
        event("error", error={"message": "It broke", "code": "server_error"}),
        event("image_generation.partial_image", b64_json="AAAA") + event("error", error={"message": "no"}),
    ],
)
def test_a_stream_that_breaks_off_is_a_failure(stream: bytes) -> None:
    with pytest.raises(UpstreamError):
        read(stream)


def test_an_image_of_megabytes_comes_through() -> None:
    large = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(5 * 1024 * 1024)).decode()
    stream = event("image_generation.completed", b64_json=large, usage=USAGE)
    pieces = [stream[start : start + 65_536] for start in range(0, len(stream), 65_536)]
    assert read(*pieces)[1].images == [Image(large, "image/png")]


def test_only_what_is_streamed_is_read_as_one() -> None:
    adapter = OpenAICompatibleImages("openai")
    assert adapter.part_decoder(asked(), endpoint()) is None
    assert adapter.part_decoder(asked(stream=True), endpoint("grok-imagine-image", "xai")) is None
    chats = endpoint("gpt-image-2", "openrouter")
    assert OpenAICompatibleImages("openrouter").part_decoder(asked(stream=True), chats) is None
