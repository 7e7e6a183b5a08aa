"""Images of every wire format that has them, and in chats: answered by who speaks each dialect strictly."""

import base64
from typing import Any

import pytest
from openai import APIStatusError

from tests.e2e.asking import generation, nano
from tests.e2e.run import MARK
from tests.e2e.simulated import (
    COMPLETION_NANO_USD,
    DRAWING,
    DRAWN_NANO_USD,
    IMAGE_NANO_USD,
    PROMPT_NANO_USD,
    REFERENCE_NANO_USD,
    Simulated,
)
from tests.e2e.test_wires import PIXEL, PIXEL_URL
from tests.simulator.drawings import IMAGE_TOKENS, PARTIAL_TOKENS, png_of

EVERY = pytest.mark.parametrize("name", DRAWING)
IN_CHATS = pytest.mark.parametrize("name", ["google", "openrouter"])
PROMPT = f"A red panda {MARK}"


def draw(sim: Simulated, name: str, **members: Any) -> Any:
    extra = {key: members.pop(key) for key in ("aspect_ratio", "resolution", "input_references") if key in members}
    return sim.openai.images.generate(model=f"sim/draw-{name}", prompt=PROMPT, extra_body=extra, **members)


@EVERY
@pytest.mark.parametrize("count", [1, 3])
def test_images_arrive_and_are_charged(sim: Simulated, name: str, count: int) -> None:
    answer = draw(sim, name, n=count)
    images = [base64.b64decode(each.b64_json) for each in answer.data]
    assert len(images) == count
    assert all(image.startswith(b"\x89PNG") for image in images)
    assert {each.media_type for each in answer.data} == {"image/png"}
    usage = answer.usage
    if name == "xai":
        assert nano(usage.cost) == count * IMAGE_NANO_USD
    else:
        drawn = usage.output_tokens_details.image_tokens
        assert drawn == count * IMAGE_TOKENS
        words = (usage.output_tokens - drawn) * COMPLETION_NANO_USD
        assert nano(usage.cost) == usage.prompt_tokens * PROMPT_NANO_USD + words + drawn * DRAWN_NANO_USD
    record = generation(sim.http, answer.id)
    assert (record["api_type"], record["num_media_completion"]) == ("image", count)
    assert nano(record["total_cost"]) == nano(usage.cost)


@pytest.mark.parametrize(
    ("name", "members", "sent"),
    [
        ("openai", {"size": "1000x1000"}, {"size": "992x992"}),
        ("openai", {"resolution": "2K", "aspect_ratio": "16:9"}, {"size": "2736x1536"}),
        ("openai", {"quality": "max"}, {"quality": "high"}),
        ("openai", {"background": "transparent", "output_format": "webp", "output_compression": 50}, {}),
        ("xai", {"size": "2048x1152"}, {"aspect_ratio": "16:9", "resolution": "2k"}),
        ("xai", {"quality": "high", "resolution": "512"}, {"resolution": "1k"}),
        ("google", {"aspect_ratio": "16:9", "resolution": "4K"}, {"aspectRatio": "16:9", "imageSize": "4K"}),
        ("openrouter", {"aspect_ratio": "2:1"}, {"aspect_ratio": "16:9"}),
    ],
)
def test_what_is_asked_for_is_said_in_each_ones_own_words(
    sim: Simulated, name: str, members: dict[str, Any], sent: dict[str, Any]
) -> None:
    draw(sim, name, **members)
    [request] = sim.requests()
    body = request["body"]
    if name == "google":
        body = body["generationConfig"]["imageConfig"]
    elif name == "openrouter":
        body = body["image_config"]
    asked = {member: body[member] for member in ("size", "quality", "resolution", *sent) if member in body}
    assert asked == sent


@EVERY
def test_images_to_go_by_reach_the_provider(sim: Simulated, name: str) -> None:
    reference = {"type": "image_url", "image_url": {"url": PIXEL_URL}}
    answer = draw(sim, name, input_references=[reference, reference])
    [request] = sim.requests()
    assert "refused" not in request
    if name in ("openai", "xai"):
        assert request["path"] == "/openai_compatible/v1/images/edits"
    if name == "openai":
        # The simulator looks into the form, and counts 1,000 tokens for each.
        text = answer.usage.input_tokens_details.text_tokens
        assert answer.usage.input_tokens_details.image_tokens == 2000
        drawn = IMAGE_TOKENS * DRAWN_NANO_USD
        assert nano(answer.usage.cost) == text * PROMPT_NANO_USD + 2000 * REFERENCE_NANO_USD + drawn


@EVERY
def test_the_openai_sdk_edits_images(sim: Simulated, name: str) -> None:
    files = [("one.png", PIXEL), ("two.png", PIXEL)]
    answer = sim.openai.images.edit(model=f"sim/draw-{name}", prompt=PROMPT, image=files, n=1, quality="low")
    [image] = answer.data or ()
    assert base64.b64decode(image.b64_json or "").startswith(b"\x89PNG")
    [request] = sim.requests()
    assert "refused" not in request
    events = list(sim.openai.images.edit(model=f"sim/draw-{name}", prompt=PROMPT, image=files[0], stream=True))
    assert [event.type for event in events][-1] == "image_edit.completed"
    assert len(events) == (2 if name == "openai" else 1)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"prompt": (None, "a")}, "image: add a file to the form"),
        ({"image": ("a.png", PIXEL), "mask": ("b.png", PIXEL)}, "mask: only `image` may be a file"),
        ({"image": ("a.png", PIXEL), "n": (None, "many")}, "n: Input should be a valid integer"),
    ],
)
def test_a_form_that_is_none_is_refused(sim: Simulated, files: Any, says: str) -> None:
    fields = {"model": (None, "sim/draw-openai"), "prompt": (None, "a")}
    answer = sim.http.post("/images/edits", files={**fields, **files})
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]


def test_an_image_is_shown_while_it_is_drawn(sim: Simulated) -> None:
    events = list(draw(sim, "openai", stream=True, partial_images=2))
    assert [event.b64_json for event in events[:2]] == [png_of("draft 0"), png_of("draft 1")]
    assert events[2].type == "image_generation.completed"
    assert events[2].usage.cost_details["upstream_inference_cost"] > 0
    drawn = IMAGE_TOKENS + 2 * PARTIAL_TOKENS
    assert events[2].usage.completion_tokens == drawn


def test_who_shows_nothing_answers_at_once(sim: Simulated) -> None:
    answer = sim.http.post("/images", json={"model": "sim/draw-xai", "prompt": PROMPT, "stream": True})
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json()["data"]) == 1


def test_a_stream_that_breaks_off_says_so_and_costs_nothing(sim: Simulated) -> None:
    sim.plan("openai", {"cut": 1}, model="gpt-image-2")
    body = {"model": "sim/draw-openai", "prompt": PROMPT, "stream": True, "partial_images": 2}
    answer = sim.http.post("/images", json=body)
    assert answer.status_code == 200
    assert '"type":"image_generation.partial_image"' in answer.text
    assert '"type":"error"' in answer.text
    record = generation(sim.http, answer.headers["x-generation-id"])
    assert record["total_cost"] == 0


@EVERY
def test_a_provider_that_fails_is_told(sim: Simulated, name: str) -> None:
    provider, model = DRAWING[name]
    sim.plan(provider, {"status": 503}, model=model)
    with pytest.raises(APIStatusError) as caught:
        draw(sim, name)
    assert caught.value.status_code == 503


@IN_CHATS
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_chat_is_answered_with_an_image(sim: Simulated, name: str, stream: bool) -> None:
    asked: dict[str, Any] = {
        "model": f"sim/draw-{name}",
        "messages": [{"role": "user", "content": PROMPT}],
        "extra_body": {"modalities": ["image", "text"]},
    }
    if stream:
        chunks: list[Any] = list(sim.openai.chat.completions.create(**asked, stream=True))
        deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
        images = [image for delta in deltas for image in getattr(delta, "images", None) or ()]
        text, last = "".join(delta.content or "" for delta in deltas), chunks[-1]
    else:
        last = sim.openai.chat.completions.create(**asked)
        message: Any = last.choices[0].message
        images, text = message.images, message.content
    assert [image["image_url"]["url"] for image in images] == [f"data:image/png;base64,{png_of(text)}"]
    usage = last.usage
    drawn = usage.completion_tokens_details.image_tokens
    assert drawn == IMAGE_TOKENS
    words = (usage.completion_tokens - drawn) * COMPLETION_NANO_USD
    assert nano(usage.cost) == usage.prompt_tokens * PROMPT_NANO_USD + words + drawn * DRAWN_NANO_USD
    record = generation(sim.http, last.id)
    assert (record["num_media_completion"], nano(record["total_cost"])) == (1, nano(usage.cost))
    assert record["native_tokens_completion_images"] == IMAGE_TOKENS
