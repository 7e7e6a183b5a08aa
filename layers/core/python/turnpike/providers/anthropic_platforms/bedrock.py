"""Claude through Amazon Bedrock's InvokeModel, which unlike Converse leaves nothing of Anthropic's API out.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta, Usage
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import AnswerDecoder, Json
from turnpike.providers.anthropic.body import Platform, betas_of, build_body
from turnpike.providers.anthropic.decoder import MessageAnswer, completion_from
from turnpike.providers.bedrock.adapter import region_of
from turnpike.providers.bedrock.errors import failure_of, parse_error_answer
from turnpike.providers.bedrock.frames import EXCEPTION, EventStreamFraming
from turnpike.providers.request import ProviderRequest, Signing

_PLATFORM = Platform(
    members={"anthropic_version": "bedrock-2023-05-31"}, names_model=False, system_turns=False, marks_by_itself=False
)
_TIERS = {"flex": "flex", "priority": "priority", "auto": "default", "default": "default"}
"""https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html"""


@dataclass(frozen=True, slots=True)
class BedrockAnthropicAdapter:
    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        """Media are sent as data alone."""
        return False

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        """Without a key the request is to be signed."""
        base_url = endpoint.base_url.rstrip("/")
        body = build_body(request, endpoint, _PLATFORM)
        # Both end in "extraneous key is not permitted" here; the tier is asked for by a header.
        for member in ("metadata", "service_tier"):
            body.pop(member, None)
        betas = betas_of(body, request.betas)
        if betas:
            body["anthropic_beta"] = betas
        headers = {
            "content-type": "application/json",
            "accept": "application/vnd.amazon.eventstream" if request.stream else "application/json",
            **({"authorization": f"Bearer {api_key}"} if api_key else {}),
        }
        tier = _TIERS.get(str(request.parameters.get("service_tier")))
        if tier:
            headers["x-amzn-bedrock-service-tier"] = tier
        operation = "invoke-with-response-stream" if request.stream else "invoke"
        url = f"{base_url}/model/{quote(endpoint.upstream_model, safe='')}/{operation}"
        return ProviderRequest(url, headers, body, None if api_key else Signing("bedrock", region_of(base_url)))

    def parse_completion(self, body: bytes) -> Completion:
        return completion_from(self.provider, body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_error_answer(self.provider, status, headers, body)

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        return AnswerDecoder(self.provider, _InvokedAnswer(self.provider), EventStreamFraming())


class _InvokedAnswer:
    """Implements `Answer`: each frame holds one of Anthropic's events, in base64."""

    __slots__ = ("_message", "_provider")

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._message = MessageAnswer(provider)

    @property
    def usage(self) -> Usage | None:
        return self._message.usage

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        if name == "chunk":
            return self._message.read("message", orjson.loads(b64decode(event["bytes"])), deltas)
        if name == "error" or name.startswith(EXCEPTION):
            raise failure_of(self._provider, name.removeprefix(EXCEPTION), event)
        return False

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        return self._message.end(deltas, told=told)


def build_adapter(provider: str) -> BedrockAnthropicAdapter:
    return BedrockAnthropicAdapter(provider)
