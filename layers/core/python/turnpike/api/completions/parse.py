"""From a body of OpenAI's text completions to canonical requests: one for each text that is to be generated."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.chat.parse import parse_chat_request
from turnpike.api.completions.schema import MOST_GENERATIONS, CompletionsBody
from turnpike.api.validation import parse
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest

_NOT_CHATS = frozenset({"prompt", "suffix", "echo", "logprobs", "top_logprobs", "n", "best_of", "messages"})
_FOR_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
"""A text has no place for their calls."""


def parse_completion_request(content: Mapping[str, Any], headers: Headers) -> ChatRequest:
    """Of a body with one prompt, of which one text is wanted. Raises InvalidRequest naming the field."""
    body = parse(CompletionsBody, content)
    (prompt,) = _prompts(body.prompt)
    chat = {name: value for name, value in content.items() if name not in _NOT_CHATS | _FOR_TOOLS}
    chat["messages"] = [{"role": "user", "content": prompt}]
    if body.logprobs is not None:
        chat["logprobs"] = True
        if body.logprobs:
            chat["top_logprobs"] = body.logprobs
    request = parse_chat_request(chat, headers)
    if request.output_kinds - {"text"}:
        # They would be drawn and charged for, and shown to nobody.
        raise InvalidRequest("a text has no place for images or sound; ask POST /chat/completions", field="modalities")
    return replace(request, parameters={**request.parameters, "suffix": body.suffix}) if body.suffix else request


def split_prompts(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A body for each text that is wanted, in the order of the answer's choices: all of the first prompt, then all of
    the second one. Raises InvalidRequest naming the field.
    """
    body = parse(CompletionsBody, content)
    prompts, each = _prompts(body.prompt), body.n or 1
    if len(prompts) * each > MOST_GENERATIONS:
        raise InvalidRequest(
            f"at most {MOST_GENERATIONS} texts are generated at once, over all prompts; send several requests",
            field="n" if body.n and len(prompts) == 1 else "prompt",
        )
    if (body.best_of or each) != each:
        raise InvalidRequest("the best is not chosen here; send n and choose among the choices", field="best_of")
    alone = {name: value for name, value in content.items() if name not in ("n", "best_of")}
    return [{**alone, "prompt": prompt} for prompt in prompts for _ in range(each)]


def _prompts(given: Any) -> list[str]:
    prompts = [given] if isinstance(given, str) else given
    if not isinstance(prompts, list) or not prompts:
        raise InvalidRequest("send a text, or a list of texts", field="prompt")
    for place, prompt in enumerate(prompts):
        field = "prompt" if prompts is not given else f"prompt.{place}"
        if isinstance(prompt, (int, list)):
            raise InvalidRequest("token ids mean something to one model alone; send the text instead", field=field)
        if not isinstance(prompt, str):
            raise InvalidRequest("send a text, or a list of texts", field=field)
        if not prompt:
            raise InvalidRequest("there is nothing to go on from; send a text", field=field)
    return prompts
