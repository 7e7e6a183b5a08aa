"""What goes wrong between a process and AWS, where the emulator itself never fails.

Below the client's own retries, so that they are tested along with ours: a call is refused before it is made, or it is
made and its answer lost.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from threading import Lock
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

_KINDS = {
    "throttled": 12,
    "conflict": 12,
    "failed before": 4,
    "failed after": 6,
    "unanswered": 4,
    "unreachable": 4,
    "no body": 2,
}
"""How often each happens, beside the others. A conflict can only be met by a transaction."""
_RATE = 0.044
"""Of calls, those that fail."""
_LONGEST_TROUBLE = 16
"""Calls in a row."""

_SENT = ("failed after", "unanswered")
_THROTTLED = {"dynamodb": "ThrottlingException", "sqs": "RequestThrottled"}


class Faults:
    def __init__(self, random: Random, client: BaseClient, note: Callable[[str], None], *, trouble: float) -> None:
        """`note` is told the kind of every fault. `trouble`: of calls, those with which a worse time begins, when so
        many calls of this client fail one after the other that retries run out.
        """
        self._random, self._trouble_rate = random, trouble
        self._note = note
        self._lock = Lock()
        self._trouble: list[str] = []
        self._service: str = client.meta.service_model.service_name
        # The session below the client: what the hook sends must not come back to the hook.
        self._send: Callable[[AWSPreparedRequest], AWSResponse] = client._endpoint.http_session.send
        client.meta.events.register(f"before-send.{self._service}", self._before_send)

    def _before_send(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse | None:
        """The response, of a call that goes wrong; None for one that is made as it is."""
        with self._lock:
            kind = self._next(is_transaction=event_name.endswith(".TransactWriteItems"))
        if kind is None:
            return None
        self._note(kind)
        if kind in _SENT:
            self._send(request)
        if kind == "unanswered":
            raise ReadTimeoutError(endpoint_url=request.url)
        if kind == "unreachable":
            raise EndpointConnectionError(endpoint_url=request.url)
        if kind == "no body":
            return _response(request, 503, b"")
        return _response(request, *self._refusal(kind, request))

    def _next(self, *, is_transaction: bool) -> str | None:
        random = self._random
        if not self._trouble and random.random() < self._trouble_rate:
            of_these = self._some(random.randint(1, 3))
            self._trouble = random.choices(of_these, k=random.randint(3, _LONGEST_TROUBLE))
        if self._trouble:
            kind = self._trouble.pop()
        elif random.random() < _RATE:
            (kind,) = self._some(1)
        else:
            return None
        return "throttled" if kind == "conflict" and not is_transaction else kind

    def _some(self, number: int) -> list[str]:
        return self._random.choices(list(_KINDS), list(_KINDS.values()), k=number)

    def _refusal(self, kind: str, request: AWSPreparedRequest) -> tuple[int, bytes]:
        if kind == "throttled":
            return 400, _error(_THROTTLED[self._service])
        if kind == "conflict":
            reasons = [{"Code": "None"} for _ in json.loads(request.body)["TransactItems"]]
            reasons[self._random.randrange(len(reasons))] = {"Code": "TransactionConflict"}
            return 400, _error("TransactionCanceledException", CancellationReasons=reasons)
        return 500, _error("InternalServerError")


def _error(code: str, **more: Any) -> bytes:
    content: Mapping[str, Any] = {"__type": code, "message": "made up", **more}
    return json.dumps(content).encode()


def _response(request: AWSPreparedRequest, status: int, body: bytes) -> AWSResponse:
    return AWSResponse(request.url, status, {"content-type": "application/x-amz-json-1.0"}, _Raw(body))


class _Raw(io.BytesIO):
    """As much of a urllib3 response as botocore reads."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()
