"""The Responses API's events, read strictly: what was announced piece by piece must be what it ends as."""

import json
from collections.abc import Sequence
from typing import Any


def read_events(body: bytes) -> list[dict[str, Any]]:
    """Without comments; numbered without a gap, and every event's name is that of its data."""
    events: list[dict[str, Any]] = []
    for part in body.decode().strip().split("\n\n"):
        if part.startswith(":"):
            continue
        name, data = (line.partition(": ")[2] for line in part.split("\n"))
        content = json.loads(data)
        assert content["type"] == name
        assert content["sequence_number"] == len(events)
        events.append(content)
    return events


def fold(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The response at the end, whose output is what the events before it told."""
    created, running, *middle, last = events
    assert (created["type"], running["type"]) == ("response.created", "response.in_progress")
    response: dict[str, Any] = last["response"]
    assert last["type"] == f"response.{response['status']}"
    assert {each["response"]["id"] for each in (created, running, last)} == {response["id"]}
    told: list[dict[str, Any]] = []
    pieces: dict[tuple[str, int], str] = {}
    for event in middle:
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            assert event["output_index"] == len(told)
            told.append(event["item"])
        elif kind == "output_item.done":
            assert event["item"]["id"] == told[-1]["id"]
            told[-1] = event["item"]
        else:
            assert (event["item_id"], event["output_index"]) == (told[-1]["id"], len(told) - 1)
            if kind.endswith(".delta"):
                place = (kind.removesuffix(".delta"), len(told) - 1)
                pieces[place] = pieces.get(place, "") + event["delta"]
            elif kind in ("output_text.done", "refusal.done", "reasoning_summary_text.done"):
                member = "refusal" if kind.startswith("refusal") else "text"
                assert pieces[(kind.removesuffix(".done"), len(told) - 1)].endswith(event[member])
            elif kind == "function_call_arguments.done":
                assert pieces.get((kind.removesuffix(".done"), len(told) - 1), "") == event["arguments"]
    if response["status"] != "failed":
        assert told == response["output"]
    return response
