"""What goes wrong between a process and AWS, where the emulator itself never fails.

Below the client's own retries, so that they are tested along with ours: a call is refused before it is made, or it is
made and its answer lost.
"""

import json
from collections.abc import Callable, Mapping
from random import Random
from threading import Lock
from typing import Any

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from turnpike.storage.aws_json.answers import Answer
from turnpike.storage.aws_json.client import Attempt

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
    def __init__(self, random: Random, client: Any, note: Callable[[str], None], *, trouble: float) -> None:
        """`client`: of a JSON protocol. `note` is told the kind of every fault. `trouble`: of calls, those with which a
        worse time begins, when so many calls of this client fail one after the other that retries run out.
        """
        self._random, self._trouble_rate = random, trouble
        self._note = note
        self._lock = Lock()
        self._trouble: list[str] = []
        self._service: str = client.service.name
        self._send: Attempt = client.attempt
        client.attempt = self._attempt

    def _attempt(self, operation: str, body: bytes) -> Answer:
        with self._lock:
            kind = self._next(is_transaction=operation == "TransactWriteItems")
        if kind is None:
            return self._send(operation, body)
        self._note(kind)
        if kind in _SENT:
            self._send(operation, body)
        if kind == "unanswered":
            raise ReadTimeoutError(endpoint_url=self._service)
        if kind == "unreachable":
            raise EndpointConnectionError(endpoint_url=self._service)
        if kind == "no body":
            return Answer(503, {}, b"")
        return self._refusal(kind, body)

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

    def _refusal(self, kind: str, body: bytes) -> Answer:
        if kind == "throttled":
            return _error(400, _THROTTLED[self._service])
        if kind == "conflict":
            reasons = [{"Code": "None"} for _ in json.loads(body)["TransactItems"]]
            reasons[self._random.randrange(len(reasons))] = {"Code": "TransactionConflict"}
            return _error(400, "TransactionCanceledException", CancellationReasons=reasons)
        return _error(500, "InternalServerError")


def _error(status: int, code: str, **more: Any) -> Answer:
    content: Mapping[str, Any] = {"__type": code, "message": "made up", **more}
    return Answer(status, {}, json.dumps(content).encode())
