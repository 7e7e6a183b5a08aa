"""OpenAI's images, and xAI's, which differ. https://developers.openai.com/api/docs/api-reference/images and
https://docs.x.ai/docs/guides/image-generation
"""

import json
import re
from email import message_from_bytes
from typing import Any

from tests.simulator.asked import Json, bearer, body_of, check_key, media_type_of, unknown_of, words
from tests.simulator.drawings import IMAGE_TOKENS, PARTIAL_TOKENS, png_of
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import EVENTS, Target, named_event

_OPENAI = words(
    "background image[] model moderation n output_compression output_format partial_images prompt quality size "
    "stream user"
)
_XAI = words("aspect_ratio image images model n prompt resolution response_format user")
_QUALITIES = words("auto low medium high")
_SIZE = re.compile(r"(\d+)x(\d+)")


def draw_as_openai(request: Request, target: Target, key: str) -> Reply:
    check_key(bearer(request), key, "Incorrect API key provided: sim-****.")
    edits = target.api == "edits"
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    body, images = _form_of(request) if is_form else (body_of(request), [])
    if not isinstance(body["prompt"], str) or not body["prompt"]:
        raise Trouble("invalid", "you must provide a prompt", param="prompt")
    if str(body["model"]).startswith("grok-"):
        return _draw_as_xai(body, edits=edits)
    if edits and not images:
        raise Trouble("invalid", "Missing required parameter: 'image'.", param="image")
    _check_openai(body)
    return _answer(body, images)


def _check_openai(body: Json) -> None:
    unknown = unknown_of(body, _OPENAI)
    if unknown:
        raise Trouble("invalid", f"Unknown parameter: '{unknown}'.", param=unknown)
    if body.get("quality", "auto") not in _QUALITIES:
        raise Trouble("invalid", f"Invalid value: '{body['quality']}'.", param="quality")
    size = _SIZE.fullmatch(body.get("size", "1024x1024"))
    if size is None:
        raise Trouble("invalid", "Invalid size.", param="size")
    width, height = int(size[1]), int(size[2])
    if width % 16 or height % 16 or not 655_360 <= width * height <= 8_294_400 or max(width, height) > 3840:
        raise Trouble("invalid", f"Invalid size '{body['size']}'.", param="size")
    if body.get("background") == "transparent" and body.get("output_format", "png") not in ("png", "webp"):
        raise Trouble("invalid", "Transparent background is not supported for jpeg.", param="background")
    if "partial_images" in body and not body.get("stream"):
        raise Trouble("invalid", "partial_images needs stream.", param="partial_images")


def _answer(body: Json, images: list[str]) -> Reply:
    count, partial = int(body.get("n", 1)), int(body.get("partial_images", 0))
    prompt = len(body["prompt"]) // 4 + 1000 * len(images)
    drawn = count * (IMAGE_TOKENS + partial * PARTIAL_TOKENS)
    usage = {
        "input_tokens": prompt,
        "input_tokens_details": {"text_tokens": prompt - 1000 * len(images), "image_tokens": 1000 * len(images)},
        "output_tokens": drawn,
        "total_tokens": prompt + drawn,
    }
    shape = {"size": body.get("size", "1024x1024"), "quality": body.get("quality", "high"), "output_format": "png"}
    finished = [png_of(f"{body['prompt']}#{place}") for place in range(count)]
    if not body.get("stream"):
        data = [{"b64_json": each} for each in finished]
        return json_reply({"created": 1_767_225_600, "data": data, "usage": usage, **shape})
    kind = "image_edit" if images else "image_generation"
    events: list[Json] = [
        {"type": f"{kind}.partial_image", "partial_image_index": place, "b64_json": png_of(f"draft {place}"), **shape}
        for place in range(partial)
    ]
    events += [{"type": f"{kind}.completed", "b64_json": each, "usage": usage, **shape} for each in finished]
    return Reply(200, EVENTS, tuple(map(named_event, events)), streamed=True)


def _draw_as_xai(body: Json, *, edits: bool) -> Reply:
    unknown = unknown_of(body, _XAI)
    if unknown:
        raise Trouble("invalid", f"Argument not supported: {unknown}", param=unknown)
    if edits:
        for each in body.get("images") or [body["image"]]:
            media_type_of(each["url"])
    if body.get("response_format") != "b64_json":
        return json_reply({"data": [{"url": "https://imgen.test/1.jpeg"}]})
    if body.get("resolution", "1k") not in ("1k", "2k"):
        raise Trouble("invalid", "Invalid resolution", param="resolution")
    count = int(body.get("n", 1))
    data = [{"b64_json": png_of(f"{body['prompt']}#{place}"), "mime_type": "image/png"} for place in range(count)]
    return json_reply({"data": data, "usage": {"cost_in_usd_ticks": 200_000_000 * count}})


def _form_of(request: Request) -> tuple[Json, list[str]]:
    """The fields, and the media types of the images."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    fields: dict[str, Any] = {}
    images = []
    for part in message_from_bytes(head + request.raw).get_payload():
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        content = part.get_payload(decode=True)  # type: ignore[union-attr]
        assert isinstance(content, bytes)
        if name == "image[]":
            images.append(part.get_content_type())  # type: ignore[union-attr]
            assert content.startswith(b"\x89PNG"), "the image came through as it was"
        else:
            fields[str(name)] = content.decode()
    return {**fields, "stream": json.loads(fields.get("stream", "false"))}, images
