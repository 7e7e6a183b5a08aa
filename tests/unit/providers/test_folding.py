"""A whole answer put together from deltas."""

import pytest

from turnpike.domain.chat import Choice, Completion, Delta, Usage
from turnpike.domain.errors import UpstreamError
from turnpike.providers.failures import unreadable
from turnpike.providers.folding import completion_of
from turnpike.providers.reasoning import text_detail
from turnpike.providers.tool_calls import call_of, first_fragment, new_call_id, next_fragment, parse_arguments


def test_everything_that_an_answer_may_hold() -> None:
    citation = {"type": "url_citation", "url_citation": {"url": "https://x.test"}}
    folded = completion_of(
        [
            Delta(upstream_id="r1", service_tier="default"),
            Delta(reasoning="Hm", reasoning_details=[text_detail("Hm", "unknown", 0)]),
            Delta(reasoning=".", reasoning_details=[text_detail(".", "unknown", 0)]),
            Delta(content="He", logprobs={"content": [1]}),
            Delta(content="llo", logprobs={"content": [2]}, extra={"annotations": [citation]}),
            Delta(extra={"annotations": [citation], "audio": {"id": "a"}}),
            Delta(tool_calls=[first_fragment(0, "c1", "f", '{"a"'), first_fragment(1, "c2", "g")]),
            Delta(tool_calls=[next_fragment(0, ":1}"), next_fragment(1, "{}")]),
            Delta(finish_reason="tool_calls", native_finish_reason="tool_use"),
            Delta(usage=Usage(3, 4)),
        ]
    )
    message = {
        "role": "assistant",
        "content": "Hello",
        "reasoning": "Hm.",
        "reasoning_details": [text_detail("Hm.", "unknown", 0)],
        "tool_calls": [call_of("c1", "f", '{"a":1}'), call_of("c2", "g", "")],
        "annotations": [citation, citation],
        "audio": {"id": "a"},
    }
    choice = Choice(0, message, "tool_calls", "tool_use", {"content": [1, 2]})
    assert folded == Completion([choice], Usage(3, 4), upstream_id="r1", service_tier="default")


def test_choices_are_told_apart_and_nothing_stays_nothing() -> None:
    folded = completion_of([Delta(content="B", index=1), Delta(content="A"), Delta(finish_reason="stop", index=1)])
    assert [(c.index, c.message["content"], c.finish_reason) for c in folded.choices] == [
        (0, "A", None),
        (1, "B", "stop"),
    ]
    assert completion_of([Delta(usage=Usage(1, 0))]) == Completion([], Usage(1, 0))


def test_sound_is_put_together() -> None:
    pieces = [Delta(extra={"audio": {"id": "a", "data": data}}) for data in ("QQ==", "QkM=")]
    assert completion_of(pieces).choices[0].message["audio"] == {"id": "a", "data": "QUJD"}


def test_sound_and_its_transcript_come_apart() -> None:
    """As OpenAI streams them: an id with the first words, then sound and words by turns, and at last an expiry."""
    given = [
        {"id": "a", "transcript": "He"},
        {"data": "QQ=="},
        {"transcript": "llo"},
        {"data": "QkM="},
        {"expires_at": 9},
    ]
    pieces = [Delta(extra={"audio": each}) for each in given]
    whole = {"id": "a", "transcript": "Hello", "data": "QUJD", "expires_at": 9}
    assert completion_of(pieces).choices[0].message["audio"] == whole


def test_an_error_is_raised() -> None:
    with pytest.raises(UpstreamError, match="Nothing"):
        completion_of([Delta(content="A"), Delta(error=unreadable("acme", "Nothing"))])


def test_arguments_as_values() -> None:
    assert parse_arguments(call_of("c", "f", '{"a": [1]}')) == {"a": [1]}
    assert parse_arguments({"function": {"arguments": " "}}) == {}
    assert parse_arguments(call_of("c", "f", "{broken")) == {"arguments": "{broken"}
    assert new_call_id() != new_call_id()
