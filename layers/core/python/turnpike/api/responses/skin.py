"""The responses skin, as `turnpike.api.inference` serves it."""

from turnpike.api.errors import present_error_body
from turnpike.api.inference.skin import Skin
from turnpike.api.responses.parse import parse_responses_request
from turnpike.api.responses.present import ResponsesPresenter
from turnpike.api.responses.result import present_cut

RESPONSES = Skin(
    name="responses",
    parse_request=parse_responses_request,
    new_presenter=ResponsesPresenter,
    present_error=present_error_body,
    present_cut=present_cut,
    keepalive=b": OPENROUTER PROCESSING\n\n",
)
