"""Reasoning as it is asked for, shown and sent back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.providers.reasoning import (
    budget_of,
    details_of,
    effort_of,
    encrypted_detail,
    merged_details,
    reasoning_text_of,
    summary_detail,
    text_detail,
)

FORM = "anthropic-claude-v1"


@pytest.mark.parametrize(
    ("reasoning", "max_tokens", "effort"),
    [
        ({}, None, None),
        ({"exclude": True}, 1000, None),
        ({"effort": "xhigh"}, None, "xhigh"),
        ({"enabled": True}, None, "medium"),
        ({"enabled": False}, None, "none"),
        ({"max_tokens": 100}, None, "medium"),
        ({"max_tokens": 100}, 1000, "minimal"),
        ({"max_tokens": 210}, 1000, "low"),
        ({"max_tokens": 900}, 1000, "xhigh"),
        ({"effort": "none", "enabled": True}, None, "none"),
    ],
)
def test_the_effort(reasoning: dict[str, Any], max_tokens: int | None, effort: str | None) -> None:
    assert effort_of(reasoning, max_tokens) == effort


@pytest.mark.parametrize(
    ("reasoning", "max_tokens", "budget"),
    [
        ({}, 10_000, None),
        ({"max_tokens": 3000}, 10_000, 3000),
        ({"effort": "high"}, 10_000, 8000),
        ({"effort": "minimal"}, 4_000, 1024),
        ({"effort": "max"}, 1_000_000, 128_000),
        ({"effort": "none"}, 10_000, 0),
        ({"enabled": True}, 10_000, 5000),
    ],
)
def test_the_budget(reasoning: dict[str, Any], max_tokens: int, budget: int | None) -> None:
    assert budget_of(reasoning, max_tokens) == budget


def test_fragments_are_put_together_again() -> None:
    fragments = [
        text_detail("Let me ", FORM, 0),
        text_detail("think.", FORM, 0),
        text_detail(None, FORM, 0, signature="sig"),
        encrypted_detail("secret", FORM, 1),
        encrypted_detail("second", FORM, 1),
        text_detail("More", FORM, 2, signature="sig2"),
    ]
    assert merged_details(fragments) == [
        {"type": "reasoning.text", "text": "Let me think.", "format": FORM, "index": 0, "signature": "sig"},
        {"type": "reasoning.encrypted", "data": "secret", "format": FORM, "index": 1},
        {"type": "reasoning.encrypted", "data": "second", "format": FORM, "index": 1},
        {"type": "reasoning.text", "text": "More", "format": FORM, "index": 2, "signature": "sig2"},
    ]
    assert fragments[0]["text"] == "Let me "


def test_a_signature_ends_its_block_even_where_the_index_stays() -> None:
    first = text_detail("A", FORM, 0, signature="1")
    assert merged_details([first, text_detail("B", FORM, 0), text_detail(None, FORM, 0, signature="2")]) == [
        first,
        {"type": "reasoning.text", "text": "B", "format": FORM, "index": 0, "signature": "2"},
    ]


def test_what_is_whole_stays_as_it_is() -> None:
    whole = [summary_detail("A", "openai-responses-v1", 0, id="rs_1"), encrypted_detail("x", "unknown", 1, id="call")]
    assert merged_details(whole) == whole
    assert merged_details(merged_details(whole)) == whole


@given(st.text(min_size=1), st.lists(st.integers(1, 5), max_size=6))
def test_however_a_text_is_cut_it_is_the_same_block(text: str, sizes: list[int]) -> None:
    pieces, rest = [], text
    for size in sizes:
        pieces, rest = [*pieces, rest[:size]], rest[size:]
    fragments = [text_detail(piece, FORM, 0) for piece in [*pieces, rest] if piece]
    assert merged_details(fragments) == merged_details([text_detail(text, FORM, 0)])


def test_only_a_provider_s_own_format_is_sent_back_to_it() -> None:
    mine, other = text_detail("A", FORM, 0, signature="s"), text_detail("B", "google-gemini-v1", 0)
    message = {"role": "assistant", "content": "", "reasoning_details": [mine, other, "junk", {"type": "x"}]}
    assert details_of(message, FORM) == [mine]
    assert details_of(message, FORM, "google-gemini-v1") == [mine, other]
    assert details_of({"role": "assistant", "content": "", "reasoning_details": None}, FORM) == []
    assert details_of({"role": "assistant", "content": ""}, FORM) == []


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning": "Hm"},
        {"reasoning_content": "Hm"},
        {"reasoning": None, "reasoning_details": [text_detail("H", FORM, 0), summary_detail("m", FORM, 1)]},
    ],
)
def test_the_text_of_earlier_reasoning(message: dict[str, Any]) -> None:
    assert reasoning_text_of({"role": "assistant", **message}) == "Hm"
    assert reasoning_text_of({"role": "assistant", "content": "Hello"}) == ""
