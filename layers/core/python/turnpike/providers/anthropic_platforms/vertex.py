"""Claude through Google's Vertex AI.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
"""

from collections.abc import Mapping
from dataclasses import dataclass

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import AnswerDecoder
from turnpike.providers.anthropic.body import Platform, betas_of, build_body
from turnpike.providers.anthropic.decoder import MessageAnswer, completion_from
from turnpike.providers.anthropic.errors import parse_error
from turnpike.providers.google.errors import parse_error as parse_google_error
from turnpike.providers.request import ProviderRequest

_PLATFORM = Platform(
    members={"anthropic_version": "vertex-2023-10-16"}, names_model=False, system_turns=False, marks_by_itself=False
)

_SEARCH_BETA = "web-search-2025-03-05"
"""Asked for while the search is in preview, and of no consequence afterwards:
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/web-search.
"""


@dataclass(frozen=True, slots=True)
class VertexAnthropicAdapter:
    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        """Media are sent as data alone."""
        return False

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        """`api_key` is an access token."""
        body = build_body(request, endpoint, _PLATFORM)
        body.pop("service_tier", None)
        if request.stream:
            body["stream"] = True
        betas = betas_of(body, request.betas)
        if any(str(tool.get("type")).startswith("web_search_") for tool in body.get("tools") or ()):
            betas.append(_SEARCH_BETA)
        operation = "streamRawPredict" if request.stream else "rawPredict"
        return ProviderRequest(
            url=f"{endpoint.base_url.rstrip('/')}/publishers/anthropic/models/{endpoint.upstream_model}:{operation}",
            headers={
                "authorization": f"Bearer {api_key}",
                **({"anthropic-beta": ",".join(betas)} if betas else {}),
                "content-type": "application/json",
                "accept": "text/event-stream" if request.stream else "application/json",
            },
            body=body,
        )

    def parse_completion(self, body: bytes) -> Completion:
        return completion_from(self.provider, body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The model's errors are Anthropic's, and those of the platform around it Google's."""
        read = parse_error if b'"type"' in body and b'"status"' not in body else parse_google_error
        return read(self.provider, status, headers, body)

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        return AnswerDecoder(self.provider, MessageAnswer(self.provider))


def build_adapter(provider: str) -> VertexAnthropicAdapter:
    return VertexAnthropicAdapter(provider)
