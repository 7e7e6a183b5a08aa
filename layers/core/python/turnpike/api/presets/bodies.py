"""What of a request's body a preset keeps, whichever skin it is of: the request that works becomes the preset."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.chat.parse import parse_chat_request
from turnpike.api.messages.parse import parse_prompt
from turnpike.api.messages.schema import MessagesBody
from turnpike.api.presets.config import ANY_MESSAGE, ANY_MODEL, PARAMETERS, SHARED, check_config, check_size
from turnpike.api.responses.parse import parse_responses_request
from turnpike.api.validation import parse
from turnpike.domain.chat import ChatRequest, Message
from turnpike.domain.errors import InvalidRequest
from turnpike.services.manage_presets import PresetContent

Read = Callable[[Mapping[str, Any]], ChatRequest]


def keep_chat(content: Mapping[str, Any]) -> PresetContent:
    """Raises InvalidRequest naming the field, as all of these."""
    return _keep(content, "messages", [ANY_MESSAGE], lambda body: parse_chat_request(body, Headers()))


def keep_messages(content: Mapping[str, Any]) -> PresetContent:
    def read(body: Mapping[str, Any]) -> ChatRequest:
        return parse_prompt(parse(MessagesBody, body), body, Headers())

    kept = {name: value for name, value in content.items() if name != "fallbacks"}
    if content.get("fallbacks"):
        # Read as they are, so that what is wrong with them is told by their own name.
        read({**content, "model": content.get("model") or ANY_MODEL, "messages": [ANY_MESSAGE]})
        kept["models"] = [each["model"] for each in content["fallbacks"]]
    return _keep(kept, "messages", [ANY_MESSAGE], read)


def keep_responses(content: Mapping[str, Any]) -> PresetContent:
    return _keep(content, "input", ".", lambda body: parse_responses_request(body, Headers()))


def _keep(content: Mapping[str, Any], prompt: str, any_prompt: Any, read: Read) -> PresetContent:
    """A body needs no `prompt` and no model here, as neither is asked."""
    if content.get("preset") is not None:
        raise InvalidRequest("a preset cannot refer to a preset; leave it out", field="preset")
    body = dict(content)
    body[prompt] = content.get(prompt) or any_prompt
    if content.get("model") is None and not content.get("models"):
        body["model"] = ANY_MODEL
    request = read(body)
    config = {name: content[name] for name in SHARED if content.get(name) is not None}
    if request.max_tokens is not None:
        config["max_tokens"] = request.max_tokens
    config |= {name: value for name, value in request.parameters.items() if name in PARAMETERS}
    # Also as a chat, since that is how it is read from now on.
    check_config(config)
    system_prompt = _system_prompt(request.messages)
    check_size(config, system_prompt)
    return PresetContent(config, system_prompt)


def _system_prompt(messages: Iterable[Message]) -> str | None:
    """What stands before the conversation."""
    said: list[str] = []
    for message in messages:
        if message["role"] not in ("system", "developer"):
            break
        content = message["content"]
        said += [content] if isinstance(content, str) else [part["text"] for part in content]
    return "\n\n".join(text for text in said if text) or None
