"""The skin of text completions, as `turnpike.api.inference` serves it."""

from turnpike.api.completions.parse import parse_completion_request
from turnpike.api.completions.present import KEEPALIVE, CompletionPresenter
from turnpike.api.errors import present_error_body
from turnpike.api.inference.skin import Skin

COMPLETIONS = Skin(
    name="completions",
    parse_request=parse_completion_request,
    new_presenter=CompletionPresenter,
    present_error=present_error_body,
    keepalive=KEEPALIVE,
    takes_tools=False,
    shows_images=False,
)
