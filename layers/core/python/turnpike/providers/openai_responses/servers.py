"""Where servers of the Responses API differ from OpenAI's: data, each with its reason and source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Server:
    form: str = "openai-responses-v1"
    """The format of its reasoning details: what one provider encrypted, another cannot read."""

    refused: frozenset[str] = frozenset()
    """Parameters of chat that it takes in chat alone, whatever a catalog says."""

    unsent: frozenset[str] = frozenset()
    """Members of a request that it does not have."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    """Its own words for members of a request."""

    excluded_domains: str = "blocked_domains"
    """Its word for those of a search's filters that nothing may come from."""

    most_domains: int = 100
    """In either list of a search's filters."""

    narrow_choices: bool = True
    """Whether it can be told which of the tools may be called."""

    context_sizes: bool = True
    """Whether it may be said how much of what a search finds is read."""

    def body_of(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {self.renamed.get(name, name): value for name, value in body.items() if name not in self.unsent}


OPENAI = Server()
"""https://developers.openai.com/api/docs/guides/tools-web-search#domain-filtering"""

_SERVERS: Mapping[str, Server] = {
    # https://docs.x.ai/developers/rest-api-reference/inference/chat#create-new-response
    "xai": Server(
        form="xai-responses-v1",
        # Of what may be included it names encrypted reasoning alone, and it has one tier.
        refused=frozenset({"logprobs", "top_logprobs", "service_tier", "prompt_cache_options"}),
        # It cuts nothing from a prompt anyway.
        unsent=frozenset({"truncation"}),
        # Turns in which its tools are called, each with as many calls as the model likes.
        renamed={"safety_identifier": "user", "max_tool_calls": "max_turns"},
        # https://docs.x.ai/developers/tools/web-search
        excluded_domains="excluded_domains",
        most_domains=5,
        # https://docs.x.ai/developers/tools/function-calling knows one, all or none of them.
        narrow_choices=False,
        context_sizes=False,
    ),
}


def server_of(provider: str) -> Server:
    return _SERVERS.get(provider, OPENAI)
