"""Claude on Google's Vertex AI: Anthropic's messages at Google's addresses.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.simulator.asked import Asked, bearer, body_of, check_key, words
from tests.simulator.http import Reply, Request
from tests.simulator.said import Said
from tests.simulator.trouble import Trouble
from tests.simulator.wires.anthropic import Anthropic, read_message
from tests.simulator.wires.anthropic_tools import OWN
from tests.simulator.wires.google import Google
from tests.simulator.wires.wire import EVENTS, Target

_PATH = re.compile(
    r"/v1/projects/[^/]+/locations/[^/]+/publishers/anthropic/models/([^/:]+):(rawPredict|streamRawPredict)"
)
_KNOWN = words(
    "anthropic_version max_tokens messages metadata output_config stop_sequences stream system temperature thinking "
    "tool_choice tools top_k top_p"
)
# https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool#dynamic-filtering
_OWN = {kind: members for kind, members in OWN.items() if not kind.startswith(("web_fetch_", "web_search_2026"))}
_OF_THE_PLATFORM = ("auth", "rate_limit")
"""What Google says before the model is reached."""


class VertexAnthropic:
    content_type = EVENTS
    call_id = "toolu_vrtx_{number}"
    _model, _platform = Anthropic(), Google()

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        found = _PATH.fullmatch(path)
        return Target(found[1], found[2] == "streamRawPredict") if found else None

    def check(self, request: Request, target: Target, key: str) -> Asked:
        check_key(bearer(request), key, "Request had invalid authentication credentials.")
        body = body_of(request)
        if body.get("anthropic_version") != "vertex-2023-10-16":
            raise Trouble("invalid", "anthropic_version: Field required")
        if bool(body.get("stream")) != target.stream:
            raise Trouble("invalid", "stream: does not fit the address")
        return replace(read_message(body, _KNOWN, _OWN), model=str(target.model))

    def whole(self, said: Said, asked: Asked) -> bytes:
        return self._model.whole(said, asked)

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        return self._model.events(said, asked)

    def refusal(self, trouble: Trouble) -> Reply:
        return (self._platform if trouble.kind in _OF_THE_PLATFORM else self._model).refusal(trouble)

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        return self._model.error_event(trouble, asked)
