"""What an answer of AWS says: the values of a call, or an error as botocore's client would raise it."""

import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from botocore.exceptions import ClientError, HTTPClientError

from turnpike.storage.aws_json.retries import MOST_TRIES
from turnpike.storage.aws_json.services import Service


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes


def parse_answer(answer: Answer, service: Service, operation: str, tries: int) -> Mapping[str, Any]:
    """Its values, after so many tries. Raises ClientError for what AWS refuses, HTTPClientError for what it cannot
    have meant.
    """
    if answer.status != 200:
        raise _error(answer, operation, tries)
    expected = answer.headers.get("x-amz-crc32")
    if expected is not None and expected != str(zlib.crc32(answer.body)):
        raise HTTPClientError(error="the answer's checksum is not its body's")
    # botocore takes an answer that is no JSON for one without values: an item would seem not to be there.
    values = _parse_object(answer.body)
    if values is None:
        raise HTTPClientError(error="the answer is no JSON object")
    try:
        # Few items hold bytes, and one look at the text is cheaper than one at every value.
        if service.has_items and (b'"B"' in answer.body or b'"BS"' in answer.body):
            values = _with_bytes(values)
        for name in service.blobs & values.keys():
            values[name] = b64decode(values[name], validate=True)
    except (Base64Error, TypeError):
        raise HTTPClientError(error="the answer holds bytes that are no base64") from None
    return values


def _parse_object(body: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _error(answer: Answer, operation: str, tries: int) -> ClientError:
    """Without the text of what is no error of AWS: proxies may put there what was sent."""
    members = _parse_object(answer.body) or {}
    kind = members.pop("__type", None)
    if not isinstance(kind, str):
        members, kind = {}, str(answer.status)
    metadata = {
        "RequestId": answer.headers.get("x-amzn-requestid", ""),
        "HTTPStatusCode": answer.status,
        "HTTPHeaders": answer.headers,
        "RetryAttempts": tries - 1,
        "MaxAttemptsReached": tries == MOST_TRIES,
    }
    error = {
        "Code": _code(kind, answer.headers.get("x-amzn-query-error", "")),
        "Message": str(members.get("message") or members.get("Message") or ""),
    }
    response: Any = {**_with_bytes(members), "Error": error, "ResponseMetadata": metadata}
    return ClientError(response, operation)


def _code(kind: str, earlier: str) -> str:
    """`com.amazonaws.dynamodb.v20120810#ValidationException` is a ValidationException. `earlier`: its name in the
    protocol before this one, and whose fault it is.
    """
    return earlier.partition(";")[0] or kind.partition(":")[0].rpartition("#")[2]


def _with_bytes(value: Any) -> Any:
    """Bytes are in base64 under the names B and BS, under which attributes have no text and no list of texts."""
    if isinstance(value, list):
        return [_with_bytes(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        if isinstance(one := value.get("B"), str):
            return {"B": b64decode(one, validate=True)}
        if isinstance(several := value.get("BS"), list):
            return {"BS": [b64decode(each, validate=True) for each in several]}
    return {name: _with_bytes(each) for name, each in value.items()}
