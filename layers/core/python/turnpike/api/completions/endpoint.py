"""Answers `POST /completions`: one text as any skin is answered, several of them together."""

from dataclasses import dataclass, replace

from starlette.types import Receive, Scope, Send

from turnpike.api.completions.parse import parse_completion_request, split_prompts
from turnpike.api.completions.skin import COMPLETIONS
from turnpike.api.completions.together import answer_together
from turnpike.api.inference.endpoint import Inference, InferenceEndpoint, receive_asking
from turnpike.api.inference.skin import Asked


@dataclass(frozen=True, slots=True)
class CompletionsEndpoint:
    """An ASGI endpoint."""

    inference: Inference

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asking = await receive_asking(self.inference, COMPLETIONS, scope, receive)
        first, *others = split_prompts(asking.content)
        if not others:
            alone = InferenceEndpoint(COMPLETIONS, self.inference)
            await alone.answer(replace(asking, content=first), scope, receive, send)
            return
        headers = asking.headers
        requests = [parse_completion_request(each, headers) for each in (first, *others)]
        wanted = [
            Asked(asking.complete(request, COMPLETIONS), each, headers)
            for request, each in zip(requests, (first, *others), strict=True)
        ]
        await answer_together(self.inference, asking, wanted, scope, receive, send)
