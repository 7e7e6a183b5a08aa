"""The adapter for OpenAI's Responses API, asked without any state on the provider's side."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import AnswerDecoder
from turnpike.providers.caching import takes_breakpoints
from turnpike.providers.failures import unreadable
from turnpike.providers.folding import completion_of
from turnpike.providers.openai_responses.decoder import ResponseAnswer
from turnpike.providers.openai_responses.failures import failure_of, parse_error
from turnpike.providers.openai_responses.families import family_of, takes_custom_tools
from turnpike.providers.openai_responses.items import build_items
from turnpike.providers.openai_responses.parameters import build_parameters
from turnpike.providers.openai_responses.servers import OPENAI, Server, server_of
from turnpike.providers.request import ProviderRequest


@dataclass(frozen=True, slots=True)
class OpenAIResponsesAdapter:
    provider: str
    server: Server = OPENAI
    form: str = OPENAI.form
    """The format of its reasoning details: what one provider encrypted, another cannot read."""
    fetched: frozenset[str] = frozenset({"image_url", "file"})
    breakpoints: bool = True
    """Whether marks for caching may be set, on the models that take them."""

    def fetches(self, kind: str, url: str) -> bool:
        return kind in self.fetched

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        """Raises InvalidRequest for parts that the API has no form for."""
        family = family_of(endpoint)
        marked = self.breakpoints and takes_breakpoints(endpoint.upstream_model)
        custom = frozenset(request.custom_tools) if takes_custom_tools(endpoint) else frozenset()
        items = build_items(request.messages, self.form, marked=marked, phases=family.phases, custom=custom)
        body = {
            "model": endpoint.upstream_model,
            "input": items,
            # Nothing is kept with the provider, and nothing of a prompt is cut away unasked.
            "store": False,
            "truncation": "disabled",
            **build_parameters(request, endpoint, family, self.server, marked=marked),
        }
        if request.stream:
            # The obfuscation of stream_options stays on: it hides token lengths from who can see the traffic.
            body["stream"] = True
        return ProviderRequest(
            url=f"{endpoint.base_url.rstrip('/')}/responses",
            headers={
                "authorization": f"Bearer {api_key}",
                "content-type": "application/json",
                "accept": "text/event-stream" if request.stream else "application/json",
            },
            body=self.server.body_of(body),
        )

    def parse_completion(self, body: bytes) -> Completion:
        deltas: list[Delta] = []
        try:
            response = orjson.loads(body)
            if response.get("error"):
                raise failure_of(self.provider, response["error"])
            if not isinstance(response.get("output"), list) and response.get("status") != "failed":
                raise ValueError("no response")
            ResponseAnswer(self.provider, self.form).read_whole(response, deltas)
            return completion_of(deltas)
        except (AttributeError, LookupError, TypeError, ValueError):
            # Not JSON, or a member of a type that nothing could be made of.
            raise unreadable(self.provider, "The provider sent something that is no answer") from None

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_error(self.provider, status, headers, body)

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        return AnswerDecoder(self.provider, ResponseAnswer(self.provider, self.form))


def build_adapter(provider: str) -> OpenAIResponsesAdapter:
    server = server_of(provider)
    return OpenAIResponsesAdapter(provider, server, server.form)
