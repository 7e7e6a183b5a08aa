"""One AWS service, with a method for each of its operations, as botocore's client has them."""

import os
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any, Protocol
from urllib.parse import quote
from uuid import uuid4

import orjson
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from turnpike.storage.aws_json.answers import Answer, parse_answer
from turnpike.storage.aws_json.connections import Connections
from turnpike.storage.aws_json.credentials import GetCredentials
from turnpike.storage.aws_json.retries import MOST_TRIES, Quota, is_throttled, is_transient, wait_s
from turnpike.storage.aws_json.services import Service
from turnpike.storage.aws_json.signing import Signer


class Attempt(Protocol):
    """One try of one call."""

    def __call__(self, operation: str, body: bytes) -> Answer:
        """Raises botocore's ConnectionError, HTTPClientError."""
        ...


class JsonClient:
    """Threads may share it. Calls raise botocore's ClientError, ConnectionError and HTTPClientError, and whatever
    finding credentials raises.
    """

    def __init__(
        self,
        service: Service,
        region: str,
        connections: Connections,
        credentials: GetCredentials,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service, self.region = service, region
        self.attempt: Attempt = self._attempt
        """Whoever counts calls, or has them fail, puts itself in the place of this."""
        self._connections, self._credentials, self._sleep = connections, credentials, sleep
        self._signer = Signer(service.name, region)
        self._quota = Quota()
        self._headers = {
            "accept-encoding": "identity",
            "content-type": f"application/x-amz-json-{service.json_version}",
            "host": connections.host,
            **service.headers,
        }
        for method, operation in service.operations.items():
            setattr(self, method, partial(self._call, operation))

    def _call(self, operation: str, /, **parameters: Any) -> Mapping[str, Any]:
        token = self.service.tokens.get(operation)
        if token is not None:
            # The same with every try, so that a transaction whose answer was lost is not made once more.
            parameters.setdefault(token, str(uuid4()))
        body = orjson.dumps(parameters, default=_base64)
        taken = 0
        for tries in count(1):
            try:
                answer = self.attempt(operation, body)
                values = parse_answer(answer, self.service, operation, tries)
            except (ClientError, ConnectionError, HTTPClientError) as error:
                taken = self._wait(error, tries)
                continue
            self._quota.give_back(taken)
            return values
        raise AssertionError

    def _wait(self, error: Exception, tries: int) -> int:
        """Until the next try, for which that much of the quota was taken. Raises the error when there is to be none."""
        throttled, headers = False, {}
        if isinstance(error, ClientError):
            metadata, code = error.response["ResponseMetadata"], error.response["Error"]["Code"]
            status, headers = metadata["HTTPStatusCode"], metadata["HTTPHeaders"]
            throttled = is_throttled(status, code)
            if not throttled and not is_transient(status, code):
                raise error
        taken = self._quota.take(throttled=throttled) if tries < MOST_TRIES else 0
        if not taken:
            raise error
        self._sleep(wait_s(tries, self.service.first_delay_s, throttled=throttled, headers=headers))
        return taken

    def _attempt(self, operation: str, body: bytes) -> Answer:
        headers = {**self._headers, "x-amz-target": f"{self.service.target_prefix}.{operation}"}
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        signed = self._signer.sign(headers, body, self._credentials(), timestamp)
        return self._connections.post({**signed, **_not_signed()}, body)


def _not_signed() -> Mapping[str, str]:
    trace = os.environ.get("_X_AMZN_TRACE_ID")
    if not trace or "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return {"user-agent": "turnpike"}
    # By it Lambda knows a message that calls forth itself, and X-Ray what belongs together.
    return {"user-agent": "turnpike", "x-amzn-trace-id": quote(trace, safe="-=;:+&[]{}\"',")}


def _base64(value: object) -> str:
    """As AWS wants bytes in JSON."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be sent")
