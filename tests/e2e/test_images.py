"""`POST /images` with the SDKs that people use, and with nothing but the demo provider."""

import base64
import struct
from typing import Any

import httpx2
import pytest
from openai import APIStatusError, OpenAI
from openrouter import OpenRouter

from tests.e2e.asking import error_of, generation, nano
from tests.e2e.run import MARK

MODEL = "demo/draw"
PROMPT = f"A red panda astronaut {MARK}"
WORD_NANO_USD, DRAWN_NANO_USD = 1_000, 10_000
MEDIUM, LOW, PARTIAL = 256, 64, 16
"""Tokens that the demo provider counts for an image."""


def size_of(data: str) -> tuple[int, int]:
    png = base64.b64decode(data)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def price_of(tokens: int) -> int:
    return -(-len(PROMPT) // 4) * WORD_NANO_USD + tokens * DRAWN_NANO_USD


def test_the_openai_sdk_gets_images_of_the_size_it_asks_for(openai: OpenAI) -> None:
    answer: Any = openai.images.generate(model=MODEL, prompt=PROMPT, n=2, size="1024x1536", quality="low")
    assert [size_of(image.b64_json) for image in answer.data] == [(1024, 1536)] * 2
    assert answer.data[0].b64_json != answer.data[1].b64_json
    assert answer.data[0].media_type == "image/png"
    assert (answer.usage.output_tokens, answer.usage.output_tokens_details.image_tokens) == (2 * LOW, 2 * LOW)
    assert nano(answer.usage.cost) == price_of(2 * LOW)


def test_its_cost_is_in_the_answer_the_record_and_the_account(http: httpx2.Client) -> None:
    answer = http.post("/images", json={"model": MODEL, "prompt": PROMPT, "user": "ann"})
    content = answer.json()
    usage = content["usage"]
    assert set(content) == {"created", "data", "id", "model", "provider", "usage"}
    assert usage["completion_tokens_details"]["image_tokens"] == usage["completion_tokens"] == MEDIUM
    assert nano(usage["cost"]) == price_of(MEDIUM)
    record = generation(http, answer.headers["x-generation-id"])
    assert (record["api_type"], record["model"], record["external_user"]) == ("image", MODEL, "ann")
    assert nano(record["total_cost"]) == price_of(MEDIUM)
    assert record["num_media_completion"] == 1


def test_the_openrouter_sdk(openrouter: OpenRouter) -> None:
    answer: Any = openrouter.images.generate(model=MODEL, prompt=PROMPT, aspect_ratio="16:9", resolution="1K")
    width, height = size_of(answer.data[0].b64_json)
    assert width / height == pytest.approx(16 / 9, rel=0.02)
    assert nano(answer.usage.cost) == price_of(MEDIUM)
    listed = openrouter.images.list_models()
    [shown] = [model for model in listed.data if model.id == MODEL]
    assert shown.supports_streaming
    author, slug = MODEL.split("/")
    [endpoint] = openrouter.images.list_model_endpoints(author=author, slug=slug).endpoints
    assert (endpoint.provider_slug, endpoint.supports_streaming) == ("demo", True)
    assert [(line.billable, line.unit, line.cost_usd) for line in endpoint.pricing] == [
        ("output_image", "token", 0.00001),
        ("input_text", "token", 0.000001),
        ("input_image", "token", 0.000001),
    ]


def test_an_image_is_shown_while_it_is_drawn(openai: OpenAI, http: httpx2.Client) -> None:
    raw = openai.images.with_raw_response.generate(model=MODEL, prompt=PROMPT, stream=True, partial_images=2)
    events: list[Any] = list(raw.parse())
    kinds = [(event.type, getattr(event, "partial_image_index", None)) for event in events]
    partial, completed = "image_generation.partial_image", "image_generation.completed"
    assert kinds == [(partial, 0), (partial, 1), (completed, None)]
    assert all(size_of(event.b64_json) == (512, 512) for event in events)
    assert nano(events[-1].usage.cost) == price_of(MEDIUM + 2 * PARTIAL)
    record = generation(http, raw.headers["x-generation-id"])
    assert record["streamed"] is True
    assert nano(record["total_cost"]) == price_of(MEDIUM + 2 * PARTIAL)


def test_the_openrouter_sdk_reads_the_stream(openrouter: OpenRouter) -> None:
    with openrouter.images.generate(model=MODEL, prompt=PROMPT, stream=True) as events:
        found = [event.type for event in events]
    assert found == ["image_generation.partial_image", "image_generation.completed"]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "prompt: Field required"),
        ({"prompt": "a", "n": 11}, "n: Input should be less than or equal to 10"),
        ({"prompt": "a", "size": "huge"}, "size: give pixels such as 1536x1024"),
        ({"prompt": "a", "size": "1024x1024", "aspect_ratio": "16:9"}, "aspect_ratio: 1024x1024 is not of this shape"),
        ({"prompt": "a", "size": "1024x1024", "resolution": "4K"}, "resolution: 1024x1024 is not of this tier"),
        ({"prompt": "a", "size": "2K", "resolution": "4K"}, "size: it names another tier than resolution, 4K"),
        ({"prompt": "a", "aspect_ratio": "17:9"}, "aspect_ratio: Input should be 'auto' or one of 1:1"),
        ({"prompt": "a", "response_format": "url"}, "response_format: images are answered as base64"),
        ({"prompt": "a", "background": "transparent", "output_format": "jpeg"}, "output_format: a transparent"),
        (
            {"prompt": "a", "input_references": [{"type": "image_url", "image_url": {"url": "http://example.com"}}]},
            "input_references.0.image_url.url: give an https:// address",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/images", "/images/generations"])
def test_what_cannot_be_done_is_said(http: httpx2.Client, members: dict[str, Any], says: str, path: str) -> None:
    answer = http.post(path, json={"model": MODEL, **members})
    assert says in error_of(answer, 400)["message"]


def test_what_no_endpoint_can_do_names_what_to_leave_out(http: httpx2.Client) -> None:
    answer = http.post("/images", json={"model": MODEL, "prompt": "a", "background": "transparent"})
    error = error_of(answer, 404)
    assert "leave out background" in error["message"]
    assert error["availability"]["excluded_by"] == ["require_parameters"]


def test_a_model_for_chats_says_which_do(openai: OpenAI) -> None:
    with pytest.raises(APIStatusError) as caught:
        openai.images.generate(model="demo/chat", prompt=PROMPT)
    assert caught.value.status_code == 404
    assert "GET /models?output_modalities=image" in str(caught.value.body)


def test_models_that_draw_do_not_chat(openai: OpenAI) -> None:
    with pytest.raises(APIStatusError) as caught:
        openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    assert caught.value.status_code == 404


def test_endpoints_of_what_draws_nothing_are_not_found(http: httpx2.Client) -> None:
    assert "draws no images" in error_of(http.get("/images/models/demo/chat/endpoints"), 404)["message"]
