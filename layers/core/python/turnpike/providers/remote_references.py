"""Gets the images that a picture is drawn after, which no provider gets itself where it draws."""

from dataclasses import replace

from turnpike.domain.catalog import Endpoint
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.images import ImageRequest
from turnpike.ports.wires import OperationAdapter
from turnpike.providers.fetch import Fetcher
from turnpike.providers.remote_media import with_fetched_media

_FIELD = "input_references"


async def with_references(
    request: ImageRequest, _: OperationAdapter, endpoint: Endpoint, fetcher: Fetcher
) -> ImageRequest:
    """Raises InvalidRequest."""
    if not request.references:
        return request
    message, within_s = {"content": list(request.references)}, endpoint.timeouts.first_token_s
    try:
        [fetched] = await with_fetched_media([message], _fetches_none, fetcher, within_s=within_s)
    except InvalidRequest as error:
        raise InvalidRequest(error.message.removeprefix(f"{error.field}: "), field=_FIELD) from None
    return replace(request, references=list(fetched["content"]))


def _fetches_none(_kind: str, _url: str) -> bool:
    return False
