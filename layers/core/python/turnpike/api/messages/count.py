"""`POST /messages/count_tokens`: how many tokens a prompt may have, by our own estimate.

Nobody is asked: it costs nothing and works for every model that there is, and it errs on the high side as holds do.
Clients such as Claude Code use it to know when a conversation has to be shortened.
"""

from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from turnpike.api.edge import json_response
from turnpike.api.inference.endpoint import Inference, receive_asking
from turnpike.api.messages.parse import parse_prompt
from turnpike.api.messages.schema import MessagesBody
from turnpike.api.messages.skin import MESSAGES
from turnpike.api.validation import parse
from turnpike.domain.estimate import estimate_prompt_tokens


@dataclass(frozen=True, slots=True)
class CountTokens:
    """An ASGI endpoint. `max_tokens` may be missing here."""

    inference: Inference

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asking = await receive_asking(self.inference, MESSAGES, scope, receive)
        content = asking.content
        prompt = asking.complete(parse_prompt(parse(MessagesBody, content), content, asking.headers), MESSAGES)
        await self.inference.complete_chat.check_models(asking.principal, prompt)
        await json_response({"input_tokens": estimate_prompt_tokens(prompt)})(scope, receive, send)
