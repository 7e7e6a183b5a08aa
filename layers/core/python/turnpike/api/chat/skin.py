"""The chat skin, as `turnpike.api.inference` serves it."""

from turnpike.api.chat.parse import parse_chat_request
from turnpike.api.chat.present import ChatPresenter
from turnpike.api.errors import present_error_body
from turnpike.api.inference.skin import Skin

CHAT = Skin(
    name="chat",
    parse_request=parse_chat_request,
    new_presenter=ChatPresenter,
    present_error=present_error_body,
    keepalive=b": OPENROUTER PROCESSING\n\n",
)
