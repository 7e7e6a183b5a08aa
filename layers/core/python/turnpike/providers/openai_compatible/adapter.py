"""The adapter for OpenAI's chat completions, and for everyone who copied them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Choice, Completion
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import AnswerDecoder
from turnpike.providers.failures import failure_in_answer, parse_failure, unreadable
from turnpike.providers.openai_compatible.decoder import ChunkedAnswer
from turnpike.providers.openai_compatible.messages import build_messages
from turnpike.providers.openai_compatible.parameters import build_parameters
from turnpike.providers.openai_compatible.quirks import DEFAULT, Quirks, quirks_of
from turnpike.providers.openai_compatible.tool_calls import call_id_of
from turnpike.providers.openai_compatible.wire import (
    Json,
    arguments_of,
    citations_of,
    content_of,
    extra_of,
    parse_finish_reason,
    parse_usage,
    reasoning_details_of,
    reasoning_of,
    service_tier_of,
    usage_of,
)
from turnpike.providers.request import ProviderRequest
from turnpike.providers.tool_calls import call_of, new_call_id


@dataclass(frozen=True, slots=True)
class OpenAICompatibleAdapter:
    provider: str
    quirks: Quirks = DEFAULT

    def fetches(self, kind: str, url: str) -> bool:
        return kind in self.quirks.fetched

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        body = {
            "model": endpoint.upstream_model,
            "messages": build_messages(request.messages, self.quirks, endpoint.upstream_model),
            **build_parameters(request, endpoint, self.quirks),
        }
        if self.quirks.verbatim:
            # What a router needs to be asked for: https://openrouter.ai/docs/use-cases/usage-accounting
            body["usage"] = {"include": True}
        if request.stream:
            body["stream"] = True
            if self.quirks.usage_in_stream:
                body["stream_options"] = {"include_usage": True}
        return ProviderRequest(
            url=f"{endpoint.base_url.rstrip('/')}/chat/completions",
            headers={
                "authorization": f"Bearer {api_key}",
                "content-type": "application/json",
                "accept": "text/event-stream" if request.stream else "application/json",
            },
            body=body,
        )

    def parse_completion(self, body: bytes) -> Completion:
        try:
            return self._parse(orjson.loads(body))
        except (AttributeError, LookupError, TypeError, ValueError):
            # Not JSON, or a member of a type that nothing could be made of.
            raise unreadable(self.provider, "The provider sent something that is no answer") from None

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_failure(self.provider, status, headers, body)

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        return AnswerDecoder(self.provider, ChunkedAnswer(self.provider))

    def _parse(self, answer: Json) -> Completion:
        if answer.get("error"):
            raise failure_in_answer(self.provider, answer["error"])
        choices = answer.get("choices")
        if not choices:
            raise unreadable(self.provider, "The provider sent an empty answer")
        usage = usage_of(answer)
        return Completion(
            choices=[self._parse_choice(choice, answer, index) for index, choice in enumerate(choices)],
            usage=None if usage is None else parse_usage(usage),
            upstream_id=answer.get("id"),
            system_fingerprint=answer.get("system_fingerprint"),
            service_tier=service_tier_of(answer),
        )

    def _parse_choice(self, choice: Json, answer: Json, index: int) -> Choice:
        if choice.get("error"):
            raise failure_in_answer(self.provider, choice["error"])
        message = _parse_message(choice["message"], answer)
        native = choice.get("finish_reason")
        finish = parse_finish_reason(native, has_tool_calls="tool_calls" in message) if native else None
        if finish == "error":
            raise failure_in_answer(self.provider, {"code": native})
        return Choice(
            index=choice.get("index", index),
            message=message,
            finish_reason=finish,
            native_finish_reason=choice.get("native_finish_reason") or native,
            logprobs=choice.get("logprobs"),
        )


def _parse_message(given: Json, answer: Json) -> dict[str, Any]:
    reasoning = reasoning_of(given)
    message: dict[str, Any] = {"role": "assistant", "content": content_of(given)}
    if given.get("refusal"):
        message["refusal"] = given["refusal"]
    if reasoning:
        message["reasoning"] = reasoning
    details = given.get("reasoning_details") or (reasoning and reasoning_details_of(reasoning))
    if details:
        message["reasoning_details"] = details
    if given.get("tool_calls"):
        message["tool_calls"] = [_parse_call(call) for call in given["tool_calls"]]
    annotations = citations_of(answer)
    if annotations:
        message["annotations"] = annotations
    return {**message, **(extra_of(given) or {})}


def _parse_call(given: Json) -> Json:
    function = given["function"]
    return call_of(call_id_of(given) or new_call_id(), function["name"], arguments_of(function))


def build_adapter(provider: str) -> OpenAICompatibleAdapter:
    return OpenAICompatibleAdapter(provider, quirks_of(provider))
