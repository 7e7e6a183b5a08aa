"""Azure OpenAI: OpenAI's APIs at other addresses, with another credential and content filters.

https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.simulator.asked import Asked, Json, bearer, body_of, check_key
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.said import Said
from tests.simulator.trouble import Trouble
from tests.simulator.wires.openai_chat import OpenAIChat
from tests.simulator.wires.openai_responses import OpenAIResponses
from tests.simulator.wires.wire import EVENTS, Target, data_event

_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/chat/completions")
_PATHS = {"/openai/v1/chat/completions": "chat", "/openai/v1/responses": "responses"}
_WRONG_KEY = "Access denied due to invalid subscription key or wrong API endpoint."
_FILTERED = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
_SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}


class Azure:
    content_type = EVENTS
    call_id = "call_{number}"
    _chat, _responses = OpenAIChat(), OpenAIResponses()

    def find(self, path: str, query: Mapping[str, str]) -> Target | None:
        if path == "/openai/v1/embeddings":
            return Target(operation="embeddings")
        if path in _PATHS:
            return Target(api=_PATHS[path])
        found = _DEPLOYMENT.fullmatch(path)
        # Without a version there is nothing at a deployment's address.
        return Target(found[1], api="deployment") if found and "api-version" in query else None

    def check(self, request: Request, target: Target, key: str) -> Asked:
        check_key(request.headers.get("api-key") or bearer(request), key, _WRONG_KEY)
        body = dict(body_of(request))
        if target.model:
            # What the body says does not matter here: the deployment is the model.
            body["model"] = target.model
        checked = Request("POST", "", {}, {**request.headers, "authorization": f"Bearer {key}"}, body=body)
        api = self._responses if target.api == "responses" else self._chat
        asked = api.check(checked, Target(), key)
        return replace(asked, options=asked.options | {target.api})

    def whole(self, said: Said, asked: Asked) -> bytes:
        return (self._responses if "responses" in asked.options else self._chat).whole(said, asked)

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        if "responses" in asked.options:
            yield from self._responses.events(said, asked)
            return
        results = [{"prompt_index": 0, "content_filter_results": _SAFE}]
        head = {"id": "", "object": "", "created": 0, "model": ""}
        yield data_event({**head, "choices": [], "prompt_filter_results": results})
        yield from self._chat.events(said, asked)

    def refusal(self, trouble: Trouble) -> Reply:
        return json_reply({"error": _describe(trouble)}, trouble.status_or(), trouble.headers)

    def error_event(self, trouble: Trouble, asked: Asked) -> bytes:
        if "responses" in asked.options:
            return self._responses.error_event(trouble, asked)
        return data_event({"error": _describe(trouble)})


def _describe(trouble: Trouble) -> Json:
    if trouble.kind == "content_policy":
        inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": _SAFE}
        return {"message": _FILTERED, "code": "content_filter", "status": 400, "innererror": inner}
    names = {"context_length": "context_length_exceeded", "invalid": "invalid_request_error"}
    return {"code": names.get(trouble.kind, str(trouble.status_or())), "message": trouble.message}
