"""The messages skin, as `turnpike.api.inference` serves it."""

from turnpike.api.inference.skin import Skin
from turnpike.api.messages.errors import present_message_error_body
from turnpike.api.messages.parse import parse_messages_request
from turnpike.api.messages.present import PING, MessagesPresenter

MESSAGES = Skin(
    name="messages",
    parse_request=parse_messages_request,
    new_presenter=MessagesPresenter,
    present_error=present_message_error_body,
    keepalive=PING,
    shows_images=False,
)
