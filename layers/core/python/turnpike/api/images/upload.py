"""Reads what OpenAI's clients send to have images edited: a form with the images in it."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request

from turnpike.api.edge import check_depth, read_body, read_json
from turnpike.api.inference.forms import boundary_of, media_type_in, names_in, parts_of
from turnpike.domain.errors import InvalidRequest

_IMAGES = frozenset({"image", "image[]"})
_NUMBERS = frozenset({"n", "output_compression", "partial_images", "seed"})
_OBJECTS = frozenset({"plugins", "provider"})
_TYPES = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}


async def read_edit(request: Request) -> Mapping[str, Any]:
    """The body as `POST /images` has it, with the images as `input_references`. Raises PayloadTooLarge or
    InvalidRequest.
    """
    boundary = boundary_of(request.headers)
    if boundary is None:
        given = await read_json(request)
        if not given.get("input_references"):
            # An image that stands elsewhere would be passed over, and what is drawn without it be charged.
            raise InvalidRequest("send a form with an image, or name images here", field="input_references")
        _refuse_mask(given)
        return given
    body = await read_body(request.headers, request.receive)
    fields: dict[str, Any] = {}
    references: list[dict[str, Any]] = []
    for head, content in parts_of(body, boundary):
        name, filename = names_in(head)
        if name in _IMAGES and filename is not None:
            url = f"data:{_type_of(filename, media_type_in(head))};base64,{b64encode(content).decode()}"
            references.append({"type": "image_url", "image_url": {"url": url}})
        elif filename is not None:
            raise InvalidRequest("only `image` may be a file; masks are not taken", field=name[:64])
        else:
            fields[name] = _value_of(name, content)
    _refuse_mask(fields)
    if not references:
        raise InvalidRequest("add a file to the form", field="image")
    check_depth(fields, body if _OBJECTS & fields.keys() else b"")
    return {**fields, "input_references": references}


def _refuse_mask(fields: Mapping[str, Any]) -> None:
    if fields.get("mask"):
        raise InvalidRequest("masks are not taken; say in the prompt what is to change", field="mask")


def _value_of(name: str, content: bytes) -> Any:
    """What cannot be read as what it should be stays text, and is refused as any other wrong value."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("it is not text in UTF-8", field=name[:64]) from None
    try:
        if name in _NUMBERS:
            return int(text)
        if name in _OBJECTS:
            return orjson.loads(text)
    except ValueError:
        return text
    return {"true": True, "false": False}.get(text, text) if name == "stream" else text


def _type_of(filename: str, media_type: str | None) -> str:
    """By its ending, as clients name it, or what they say besides; the bytes go to the provider as they are."""
    told = media_type if media_type in _TYPES.values() else None
    return _TYPES.get(filename.rpartition(".")[2].lower()) or told or "image/png"
