"""Every skin of the inference API, at its address."""

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from turnpike.api.auth import Guard
from turnpike.api.chat.skin import CHAT
from turnpike.api.inference.endpoint import Inference, InferenceEndpoint
from turnpike.services.complete_chat import CompleteChat

if TYPE_CHECKING:
    from turnpike.services.response_cache import FindAnswer


def routes(
    guard: Guard, complete_chat: CompleteChat, *, keepalive_s: float, find_answer: "FindAnswer | None" = None
) -> list[BaseRoute]:
    inference = Inference(guard, complete_chat, keepalive_s, find_answer)
    return [Route("/chat/completions", InferenceEndpoint(CHAT, inference), methods=["POST"])]
