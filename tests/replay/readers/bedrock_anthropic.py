"""Claude through Bedrock's InvokeModel: Anthropic's events, each in base64 within a frame."""

import base64
import json
from dataclasses import replace

from tests.replay.expected import Expected, ExpectedError
from tests.replay.readers import anthropic
from tests.replay.recordings import Exchange

ERRORS = {
    "bedrock/bedrock_anthropic_errors[0]": ExpectedError(
        "rate_limit_exceeded", retryable=True, message="Too many tokens"
    ),
    "bedrock/bedrock_anthropic_errors[1]": ExpectedError(
        "context_length_exceeded", retryable=False, message="Input is too long"
    ),
}


def expected(exchange: Exchange) -> Expected:
    if not exchange.framed:
        return anthropic.expected(exchange)
    events: list[dict[str, object]] = []
    body = exchange.body
    while body:
        length, headers = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        payload = json.loads(body[12 + headers : length - 4])
        body = body[length:]
        if "bytes" not in payload:
            return replace(_read(exchange, events), error="rate_limit_exceeded", finish=None, native=None)
        events.append(json.loads(base64.b64decode(payload["bytes"])))
    return _read(exchange, events)


def _read(exchange: Exchange, events: list[dict[str, object]]) -> Expected:
    lines = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return anthropic.expected(replace(exchange, body=lines.encode(), content_type="text/event-stream"))
