"""The three addresses at which images are asked for; a request is the same at all."""

from turnpike.api.images.parse import parse_image_request
from turnpike.api.images.present import (
    ImageEvents,
    OpenAIEditEvents,
    OpenAIImageEvents,
    present_images,
    present_images_for_openai,
)
from turnpike.api.images.upload import read_edit
from turnpike.api.inference.operation import OperationSkin
from turnpike.domain.images import ImageRequest


def _is_streamed(request: ImageRequest) -> bool:
    return request.stream


IMAGES = OperationSkin(parse_image_request, present_images, stream=ImageEvents, is_streamed=_is_streamed)
OPENAI_EDITS = OperationSkin(
    parse_image_request, present_images_for_openai, read=read_edit, stream=OpenAIEditEvents, is_streamed=_is_streamed
)
OPENAI_IMAGES = OperationSkin(
    parse_image_request, present_images_for_openai, stream=OpenAIImageEvents, is_streamed=_is_streamed
)
