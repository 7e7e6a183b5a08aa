"""`POST /messages/count_tokens`: how many tokens a prompt may have, by our own estimate.

Nobody is asked: it costs nothing and works for every model, and it errs on the high side as holds do. Clients such as
Claude Code use it to know when a conversation has to be shortened.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from turnpike.api.auth import Guard
from turnpike.api.edge import ERROR_BODY, json_response, read_json
from turnpike.api.messages.errors import present_message_error_body
from turnpike.api.messages.parse import parse_prompt
from turnpike.api.messages.schema import MessagesBody
from turnpike.api.validation import parse
from turnpike.domain.estimate import estimate_prompt_tokens


@dataclass(frozen=True, slots=True)
class CountTokens:
    """An ASGI endpoint. `max_tokens` may be missing here."""

    guard: Guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ERROR_BODY] = present_message_error_body
        request = Request(scope, receive)
        await self.guard.inference(request.headers)
        content = await read_json(request)
        prompt = parse_prompt(parse(MessagesBody, content), content, request.headers)
        await json_response({"input_tokens": estimate_prompt_tokens(prompt)})(scope, receive, send)
