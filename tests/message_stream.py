"""Anthropic's events, read strictly: nothing may come in another order than the one that is documented."""

import json
from collections.abc import Sequence
from typing import Any

_FIELDS = {"text_delta": "text", "thinking_delta": "thinking"}
_USES = ("tool_use", "server_tool_use")


def read_events(body: bytes) -> list[dict[str, Any]]:
    """Without pings; every event's name is that of its data."""
    events: list[dict[str, Any]] = []
    for part in body.decode().replace("\r\n", "\n").strip().split("\n\n"):
        name, data = (line.partition(": ")[2] for line in part.split("\n"))
        content = json.loads(data)
        assert content["type"] == name
        if name != "ping":
            events.append(content)
    return events


def fold(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The message that a stream tells."""
    start, *middle, ending, stop = events
    assert (start["type"], ending["type"], stop["type"]) == ("message_start", "message_delta", "message_stop")
    message = dict(start["message"])
    assert message["content"] == []
    blocks: list[dict[str, Any]] = []
    is_open = False
    for event in middle:
        if event["type"] == "content_block_start":
            assert (is_open, event["index"]) == (False, len(blocks))
            blocks.append(_begun(event["content_block"]))
            is_open = True
            continue
        assert (is_open, event["index"]) == (True, len(blocks) - 1)
        if event["type"] == "content_block_stop":
            is_open = False
            _finish(blocks[-1])
        else:
            assert event["type"] == "content_block_delta"
            _add(blocks[-1], event["delta"])
    assert not is_open
    usage = {**message["usage"], **ending["usage"]}
    return {**message, "content": blocks, **ending["delta"], "usage": usage}


def _begun(block: dict[str, Any]) -> dict[str, Any]:
    return {**block, "input": ""} if block["type"] in _USES else dict(block)


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    kind = delta["type"]
    if kind in _FIELDS:
        block[_FIELDS[kind]] += delta[_FIELDS[kind]]
    elif kind == "signature_delta":
        assert not block["signature"]
        block["signature"] = delta["signature"]
    elif kind == "input_json_delta":
        block["input"] += delta["partial_json"]
    elif kind == "compaction_delta":
        block["content"] = (block["content"] or "") + delta["content"]
    else:
        assert kind == "citations_delta"
        block.setdefault("citations", []).append(delta["citation"])


def _finish(block: dict[str, Any]) -> None:
    if block["type"] in _USES:
        block["input"] = json.loads(block["input"] or "{}")
