"""`POST /images` through the ASGI app, with a scripted provider and everything else in memory."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from starlette.datastructures import Headers

from turnpike.api.images.parse import parse_image_request
from turnpike.domain.catalog import FixedCatalog
from turnpike.domain.chat import Usage
from turnpike.domain.images import Image, Images, PartialImage
from turnpike.domain.pricing import Pricing

from tests.chat_client import Answer, Client
from tests.scenario import ACCOUNT, Script, World, endpoint, failure

pytestmark = pytest.mark.anyio

PRICING = Pricing(Decimal("0.000001"), Decimal("0.000002"), image_output=Decimal("0.00003"))
DRAWN = Images(
    [Image("AAAA", "image/png")], Usage(10, 110, completion_image_tokens=100, completion_images=1), upstream_id="u1"
)
COST = (10 * 1 + 10 * 2 + 100 * 30) / 1_000_000


def client(scripts: dict[str, list[Script]], credit_usd: str = "10") -> Client:
    served = [endpoint(name, pricing=PRICING, upstream_model="gpt-image-2") for name in scripts]
    world = World(scripts, *served, credit_usd=credit_usd)
    made = {"input_modalities": ("text", "image"), "output_modalities": ("image",)}
    models = [replace(model, **made) for model in world.catalog.models]
    world.catalog = FixedCatalog(models, world.catalog.providers)
    return Client(world)


async def draw(*scripts: Script, path: str = "/api/v1/images", **members: Any) -> Answer:
    return await client({"one": list(scripts)}).post({"model": "acme/chat", "prompt": "A panda", **members}, path=path)


def events_of(answer: Answer) -> list[Any]:
    assert answer.lines[-1] == "data: [DONE]"
    lines = [line.split("\n") for line in answer.lines[:-1]]
    events = [orjson.loads(data.removeprefix("data: ")) for _, data in lines]
    assert [name for name, _ in lines] == [f"event: {event['type']}" for event in events]
    return events


async def test_images_have_the_shape_that_clients_know() -> None:
    answer = await draw([DRAWN])
    assert answer.status == 200
    content = answer.json
    assert isinstance(content.pop("created"), int)
    assert content == {
        "data": [{"b64_json": "AAAA", "media_type": "image/png"}],
        "id": answer.headers["x-generation-id"],
        "model": "acme/chat",
        "provider": "One",
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 110,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 0, "image_tokens": 0},
            "completion_tokens_details": {"image_tokens": 100, "reasoning_tokens": 0},
            "cost": COST,
            "is_byok": False,
            "cost_details": {
                "upstream_inference_cost": COST,
                "upstream_inference_prompt_cost": 0.00001,
                "upstream_inference_completions_cost": 0.00302,
            },
        },
    }


async def test_openais_address_has_usage_in_openais_words() -> None:
    usage = (await draw([DRAWN], path="/v1/images/generations")).json["usage"]
    assert usage["input_tokens_details"] == {"text_tokens": 10, "image_tokens": 0}
    assert (usage["output_tokens"], usage["output_tokens_details"]) == (110, {"text_tokens": 10, "image_tokens": 100})


async def test_parts_are_shown_as_they_come() -> None:
    answer = await draw([PartialImage("BBBB", 0), PartialImage("CCCC", 1), DRAWN], stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-generation-id"]
    assert len(answer.writes) == 3
    first, second, last = events_of(answer)
    assert first == {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": "BBBB"}
    assert second["partial_image_index"] == 1
    assert (last["type"], last["b64_json"], last["usage"]["cost"]) == ("image_generation.completed", "AAAA", COST)


async def test_of_several_images_the_last_has_the_usage() -> None:
    several = replace(DRAWN, images=[Image("AAAA"), Image("DDDD")])
    events = events_of(await draw([PartialImage("BBBB", 0), several], stream=True, n=2))
    assert [event.get("b64_json") for event in events] == ["BBBB", "AAAA", "DDDD"]
    assert ["usage" in event for event in events] == [False, False, True]


async def test_nothing_shown_is_an_answer_in_one_piece() -> None:
    answer = await draw([DRAWN], stream=True)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["data"] == [{"b64_json": "AAAA", "media_type": "image/png"}]


async def test_openais_clients_read_the_same_from_a_stream() -> None:
    path = "/v1/images/generations"
    partial, last = events_of(await draw([PartialImage("BBBB", 0), DRAWN], path=path, stream=True, size="1024x1536"))
    for event in (partial, last):
        assert isinstance(event["created_at"], int)
        told = [event[name] for name in ("background", "output_format", "quality", "size")]
        assert told == ["auto", "png", "auto", "1024x1536"]
    assert (last["usage"]["input_tokens"], last["usage"]["output_tokens"], last["usage"]["cost"]) == (10, 110, COST)


async def test_openais_clients_find_an_event_where_nothing_could_be_shown() -> None:
    answer = await draw([DRAWN], path="/v1/images/generations", stream=True)
    assert answer.headers["x-generation-id"]
    [completed] = events_of(answer)
    assert (completed["type"], completed["b64_json"]) == ("image_generation.completed", "AAAA")
    assert completed["usage"]["cost"] == COST


async def test_of_an_edit_openais_clients_read_other_types() -> None:
    references = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    script = [PartialImage("BBBB", 0), DRAWN]
    answer = await draw(script, path="/v1/images/edits", stream=True, input_references=references)
    assert [event["type"] for event in events_of(answer)] == ["image_edit.partial_image", "image_edit.completed"]


async def test_an_edit_needs_an_image_and_takes_no_mask() -> None:
    references = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    for members, says in (
        ({"image": "data:image/png;base64,AAAA"}, "input_references: send a form with an image, or name images here"),
        ({"input_references": references, "mask": "AAAA"}, "mask: masks are not taken"),
    ):
        answer = await draw([DRAWN], path="/v1/images/edits", **members)
        assert answer.status == 400
        assert answer.json["error"]["message"].startswith(says)


async def test_before_anything_is_shown_the_next_endpoint_may_answer() -> None:
    asked = client({"one": [[failure(503)]], "two": [[PartialImage("BBBB", 0), DRAWN]]})
    body = {"model": "acme/chat", "prompt": "a", "stream": True, "provider": {"order": ["one", "two"]}}
    answer = await asked.post(body, path="/api/v1/images")
    assert [event["type"] for event in events_of(answer)][-1] == "image_generation.completed"
    [(generation, _)] = asked.world.sent_events()
    assert [attempt.provider for attempt in generation.attempts] == ["one", "two"]
    assert (generation.streamed, generation.completion_media, generation.api_type) == (True, 1, "image")


async def test_what_breaks_off_is_told_in_the_stream_and_costs_nothing() -> None:
    asked = client({"one": [[PartialImage("BBBB", 0), failure(502)]], "two": [[DRAWN]]})
    body = {"model": "acme/chat", "prompt": "a", "stream": True, "provider": {"order": ["one", "two"]}}
    answer = await asked.post(body, path="/api/v1/images")
    assert answer.status == 200
    partial, broken = events_of(answer)
    assert partial["b64_json"] == "BBBB"
    assert broken["type"] == "error"
    assert broken["error"]["message"]
    [(generation, _)] = asked.world.sent_events()
    assert generation.cost == 0
    # Another image would be another answer.
    assert [attempt.provider for attempt in generation.attempts] == ["one"]
    asked.world.settle()
    assert asked.world.ledger.get_balance(ACCOUNT).held == 0


async def test_a_failure_before_anything_has_its_own_status() -> None:
    answer = await draw([failure(503, error_type="provider_overloaded")], stream=True)
    assert answer.status == 503
    assert answer.json["error"]["metadata"]["error_type"] == "provider_overloaded"


async def test_the_dearest_that_it_may_be_is_held() -> None:
    # Ten images of some 7,100 tokens at 30 dollars a million.
    asked = client({"one": [[DRAWN]]}, credit_usd="2")
    body = {"model": "acme/chat", "prompt": "a", "n": 10, "size": "1024x1024"}
    refused = await asked.post(body, path="/api/v1/images")
    assert refused.status == 402
    assert "It may cost up to $2.1" in refused.json["error"]["message"]
    assert (await asked.post({**body, "quality": "low"}, path="/api/v1/images")).status == 200


async def test_a_large_image_comes_through() -> None:
    large = "A" * (5 * 1024 * 1024)
    answer = await draw([replace(DRAWN, images=[Image(large)])])
    assert answer.json["data"] == [{"b64_json": large}]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"size": "auto", "quality": "auto", "background": "auto"}, (None, None, None, None)),
        ({"size": "2k", "aspect_ratio": "16:9"}, ("16:9", "2K", None, None)),
        ({"size": "2K", "resolution": "2K"}, (None, "2K", None, None)),
        ({"size": "1536x1024"}, (None, None, (1536, 1024), None)),
        ({"size": "1820x1024", "aspect_ratio": "16:9"}, (None, None, (1820, 1024), None)),
        ({"size": "3840x2160", "resolution": "4K"}, (None, None, (3840, 2160), None)),
        ({"aspect_ratio": "auto", "quality": "hd"}, (None, None, None, "high")),
        ({"quality": "standard"}, (None, None, None, "medium")),
    ],
)
def test_sizes_and_qualities_are_read_in_any_words(given: dict[str, str], read: tuple[Any, ...]) -> None:
    request = parse_image_request({"model": "acme/draw", "prompt": "a", **given}, Headers())
    assert (request.aspect_ratio, request.resolution, request.pixels, request.quality) == read
    assert request.background is None


def test_what_else_clients_send_is_read() -> None:
    reference = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}}
    given = {"n": 3, "output_format": "webp", "output_compression": 5, "seed": 7, "moderation": "low", "stream": True}
    body = {"model": "acme/draw", "prompt": "a", **given, "input_references": [reference], "session_id": "s"}
    request = parse_image_request(body, Headers())
    assert (request.count, request.output_format, request.output_compression, request.seed) == (3, "webp", 5, 7)
    assert (request.moderation, request.stream, request.partial_images, request.session_id) == ("low", True, 1, "s")
    assert request.references == [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    assert request.input_kinds == {"image"}
