"""Images as clients read them: whole, or drawn before their eyes."""

import time
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Send

from turnpike.api.edge import json_response
from turnpike.api.inference.cost import present_cost
from turnpike.api.sse import EventStream
from turnpike.domain.errors import TurnpikeError
from turnpike.domain.images import Image, ImageRequest, Images, PartialImage
from turnpike.services.operation_call import OperationCall

_NEVER_S = 3600.0


def present_images(call: OperationCall[Images], _: ImageRequest, result: Images) -> Response:
    return json_response(_present(call, result))


def present_images_for_openai(call: OperationCall[Images], _: ImageRequest, result: Images) -> Response:
    """With usage under OpenAI's names as well."""
    return json_response({**_present(call, result), "usage": _present_usage_for_openai(call)})


class ImageEvents:
    """Implements `PartStream`. The response starts with the first partial image: until then an error has a status of
    its own, and where a provider shows none, the answer is one JSON object.
    """

    answers_whole = False
    _name = "image_generation"
    """With which the types of events begin."""

    def __init__(self, send: Send, headers: Mapping[str, str], request: ImageRequest) -> None:
        self._send = send
        self._headers = headers
        self._request = request
        self._events: EventStream | None = None

    @property
    def started(self) -> bool:
        return self._events is not None

    async def show(self, part: PartialImage) -> None:
        await self._write(
            {
                "type": f"{self._name}.partial_image",
                "partial_image_index": part.index,
                "b64_json": part.data,
                **self._describe(),
            }
        )

    async def end(self, call: OperationCall[Images], _: ImageRequest, result: Images) -> None:
        *others, last = [
            {
                "type": f"{self._name}.completed",
                "created": call.created_at_s,
                **_present_image(image),
                **self._describe(image.media_type),
            }
            for image in result.images
        ]
        for each in others:
            await self._write(each)
        await self._write({**last, "usage": self._usage_of(call)}, more=False)

    async def break_off(self, error: TurnpikeError) -> None:
        told = {"message": error.message, "code": str(error.status), "type": error.error_type, "param": None}
        await self._write({"type": "error", "error": told}, more=False)

    def _describe(self, media_type: str | None = None) -> Mapping[str, Any]:
        """What else is said of an image."""
        return {}

    def _usage_of(self, call: OperationCall[Images]) -> dict[str, Any]:
        return _present_usage(call)

    async def _write(self, event: Mapping[str, Any], *, more: bool = True) -> None:
        if self._events is None:
            # From here on something comes within the time that idle streams are left open.
            self._events = EventStream(self._send, self._headers, keepalive=b"", keepalive_s=_NEVER_S)
        framed = b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event))
        await self._events.write(framed if more else framed + b"data: [DONE]\n\n", more=more)


class OpenAIImageEvents(ImageEvents):
    """With all that OpenAI's clients read. They take no JSON where they asked for a stream: they would find no event in
    it, and no error either.
    """

    answers_whole = True

    def _describe(self, media_type: str | None = None) -> Mapping[str, Any]:
        """In words of the request, as far as nobody says what became of it."""
        request = self._request
        form = (media_type or "").removeprefix("image/") or request.output_format or "png"
        return {
            "created_at": int(time.time()),
            "background": request.background or "auto",
            "output_format": form,
            "quality": request.quality or "auto",
            "size": "{}x{}".format(*request.pixels) if request.pixels else "auto",
        }

    def _usage_of(self, call: OperationCall[Images]) -> dict[str, Any]:
        return _present_usage_for_openai(call)


class OpenAIEditEvents(OpenAIImageEvents):
    _name = "image_edit"


def _present(call: OperationCall[Images], result: Images) -> dict[str, Any]:
    return {
        "created": call.created_at_s,
        "data": [_present_image(image) for image in result.images],
        "id": call.id,
        "model": call.endpoint.model_id,
        "provider": call.provider.name,
        "usage": _present_usage(call),
    }


def _present_image(image: Image) -> dict[str, Any]:
    named = {} if image.media_type is None else {"media_type": image.media_type}
    return {"b64_json": image.data, **named}


def _present_usage(call: OperationCall[Images]) -> dict[str, Any]:
    usage = call.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "image_tokens": usage.prompt_image_tokens},
        "completion_tokens_details": {
            "image_tokens": usage.completion_image_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        },
        **present_cost(call),
    }


def _present_usage_for_openai(call: OperationCall[Images]) -> dict[str, Any]:
    usage = call.usage
    return {
        **_present_usage(call),
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "text_tokens": usage.prompt_tokens - usage.prompt_image_tokens,
            "image_tokens": usage.prompt_image_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {
            "text_tokens": usage.completion_tokens - usage.completion_image_tokens,
            "image_tokens": usage.completion_image_tokens,
        },
    }
