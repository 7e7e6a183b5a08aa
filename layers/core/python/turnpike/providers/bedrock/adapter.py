"""The adapter for Amazon Bedrock's Converse, one form for the models of many authors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import AnswerDecoder
from turnpike.providers.bedrock.answer import ConverseAnswer
from turnpike.providers.bedrock.errors import parse_error_answer
from turnpike.providers.bedrock.families import family_of
from turnpike.providers.bedrock.frames import EventStreamFraming
from turnpike.providers.bedrock.messages import Block, build_conversation, cache_point
from turnpike.providers.bedrock.parameters import build_parameters, taken_parameters
from turnpike.providers.caching import MOST_MARKS, cache_ttl
from turnpike.providers.failures import unreadable
from turnpike.providers.folding import completion_of
from turnpike.providers.request import ProviderRequest, Signing

# Also in the names of private endpoints: https://docs.aws.amazon.com/bedrock/latest/userguide/vpc-interface-endpoints.html
_REGION = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z]{2}[a-z-]+\d)\.")
_USUAL_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class BedrockAdapter:
    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        """Only from S3, of which clients do not speak."""
        return False

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        """Without a key the request is to be signed, for the region that the address names, or us-east-1.

        Raises InvalidRequest for media that Converse has no form for.
        """
        base_url = endpoint.base_url.rstrip("/")
        # Quoted as AWS's own clients do, so that what is signed is what is sent.
        model = quote(endpoint.upstream_model, safe="")
        headers = {
            "content-type": "application/json",
            "accept": "application/vnd.amazon.eventstream" if request.stream else "application/json",
        }
        signing = None
        if api_key:
            headers["authorization"] = f"Bearer {api_key}"
        else:
            signing = Signing("bedrock", region_of(base_url))
        return ProviderRequest(
            url=f"{base_url}/model/{model}/{'converse-stream' if request.stream else 'converse'}",
            headers=headers,
            body=_build_body(request, endpoint),
            signing=signing,
        )

    def parse_completion(self, body: bytes) -> Completion:
        deltas: list[Delta] = []
        answer = ConverseAnswer(self.provider)
        try:
            answer.read_whole(orjson.loads(body), deltas)
        except (AttributeError, LookupError, TypeError, ValueError):
            # Not JSON, or a member of a type that nothing could be made of.
            raise unreadable(self.provider, "The provider sent something that is no answer") from None
        return completion_of(deltas)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_error_answer(self.provider, status, headers, body)

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        """`endpoint` tells whose reasoning it is, which the stream itself does not say before its signature."""
        form = None if endpoint is None else family_of(endpoint).reasoning_format
        return AnswerDecoder(self.provider, ConverseAnswer(self.provider, form), EventStreamFraming())


def region_of(base_url: str) -> str:
    match = _REGION.search(base_url)
    return match[1] if match else _USUAL_REGION


def build_adapter(provider: str) -> BedrockAdapter:
    return BedrockAdapter(provider)


def _build_body(request: ChatRequest, endpoint: Endpoint) -> Mapping[str, Any]:
    family = family_of(endpoint)
    taken = taken_parameters(request, endpoint)
    system, messages = build_conversation(request.messages, family)
    members, said = build_parameters(taken, request, endpoint, family)
    ttl = cache_ttl(taken)
    if ttl and "messages" in family.caching:
        _mark_end(messages, cache_point(ttl, family))
    _spare_marks([members.get("toolConfig", {}).get("tools", []), system, *(turn["content"] for turn in messages)])
    system += said
    return {"messages": messages, **({"system": system} if system else {}), **members}


def _mark_end(messages: list[Block], point: Block) -> None:
    """The prompt's end is the last of the user's turns, as a prefill changes."""
    content = next(turn["content"] for turn in reversed(messages) if turn["role"] == "user")
    if "cachePoint" not in content[-1]:
        content.append(point)


def _spare_marks(lists: list[list[Block]]) -> None:
    """Leave the last marks where there are too many: they stand for the longest prefixes."""
    surplus = sum("cachePoint" in block for blocks in lists for block in blocks) - MOST_MARKS
    for blocks in lists:
        for block in [each for each in blocks if "cachePoint" in each][: max(surplus, 0)]:
            # By identity: equal marks may stand in one list.
            del blocks[next(index for index, each in enumerate(blocks) if each is block)]
            surplus -= 1
