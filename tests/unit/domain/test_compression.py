"""Prompts that do not fit lose their middle, and stay conversations."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.chat import Message
from turnpike.domain.compression import compress, fit_request, most_sent
from turnpike.domain.estimate import estimate_message, estimate_prompt_tokens
from turnpike.domain.native import native_part

from tests.scenario import endpoint, request


def say(role: str, words: int, mark: str = "w") -> Message:
    return {"role": role, "content": " ".join([mark] * words)}


def calls(number: int, words: int = 10) -> list[Message]:
    """An assistant's tool calls, and their results."""
    ids = [f"call_{n}" for n in range(number)]
    asked = [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids]
    results = [{"role": "tool", "tool_call_id": i, "content": "r " * words} for i in ids]
    return [{"role": "assistant", "content": None, "tool_calls": asked}, *results]


def tokens(messages: Sequence[Message]) -> int:
    return sum(map(estimate_message, messages))


def roles(messages: Sequence[Message]) -> list[str]:
    return [message["role"] for message in messages]


def talk(turns: int, words: int = 50) -> list[Message]:
    """Instructions, that many turns, and a question; every message says which it is."""
    between = [say(("user", "assistant")[n % 2], words, f"m{n}") for n in range(2 * turns)]
    return [say("system", 20, "rule"), *between, say("user", 5, "question")]


def test_what_fits_is_the_same_sequence() -> None:
    messages = talk(3)
    assert compress(messages, limit_tokens=tokens(messages)) is messages
    assert compress(messages, limit_tokens=tokens(messages), most_messages=len(messages)) is messages


def test_the_middle_goes_and_both_ends_stay() -> None:
    messages = talk(50)
    kept = compress(messages, limit_tokens=tokens(messages) // 2)

    assert kept[0] is messages[0]
    assert kept[1] is messages[1]
    assert kept[-1] is messages[-1]
    assert tokens(messages) // 2 * 0.9 < tokens(kept) <= tokens(messages) // 2
    assert roles(kept[1:]) == [("user", "assistant")[n % 2] for n in range(len(kept) - 1)]
    whole = [messages.index(message) for message in kept if message in messages]
    before = [place for place in whole if place < 51]
    after = [place for place in whole if place > 51]
    assert before == list(range(len(before)))
    assert after == list(range(102 - len(after), 102))
    assert abs(len(before) - len(after)) <= 2


def test_one_long_message_is_shortened_in_its_middle() -> None:
    text = "".join(f"{n:06d} " for n in range(10_000))
    (kept,) = compress([{"role": "user", "content": text, "name": "ann"}], limit_tokens=1_000)

    first, last = kept["content"].split("\n...\n")
    assert text.startswith(first)
    assert text.endswith(last)
    assert abs(len(first) - len(last)) <= 1
    assert 950 < estimate_message(kept) <= 1_000
    assert kept["name"] == "ann"


def test_a_long_document_is_shortened_rather_than_left_out() -> None:
    messages = [say("user", 9_000, "document"), say("assistant", 20), say("user", 10, "question")]
    kept = compress(messages, limit_tokens=4_000)

    assert roles(kept) == ["user", "assistant", "user"]
    assert kept[1:] == messages[1:]
    assert tokens(kept) > 3_900


def test_the_last_message_may_be_the_long_one() -> None:
    messages = [say("user", 500), say("assistant", 500), say("user", 9_000, "document")]
    kept = compress(messages, limit_tokens=2_000)

    assert roles(kept) == ["user", "assistant", "user"]
    assert kept[0] is messages[0]
    assert 1_900 < tokens(kept) <= 2_000


def test_instructions_stay_whole_while_they_leave_room() -> None:
    messages = [say("system", 900), say("developer", 100), *talk(100)[1:]]
    kept = compress(messages, limit_tokens=2_000)
    assert kept[:2] == messages[:2]
    assert tokens(kept) <= 2_000


def test_instructions_that_leave_no_room_are_shortened() -> None:
    messages = [say("system", 9_000, "rule"), say("user", 300, "question")]
    kept = compress(messages, limit_tokens=1_000)
    assert roles(kept) == ["system", "user"]
    assert kept[0]["content"].startswith("rule")
    assert tokens(kept[1:]) >= 490
    assert tokens(kept) <= 1_000


def test_tool_calls_keep_their_results() -> None:
    messages = [say("user", 20), *(message for _ in range(40) for message in calls(2)), say("assistant", 5)]
    kept = compress(messages, limit_tokens=tokens(messages) // 3)
    assert_calls_answered(kept)
    assert roles(kept[:4]) == ["user", "assistant", "tool", "tool"]
    assert kept[-1] is messages[-1]
    assert tokens(kept) <= tokens(messages) // 3


def native(number: int) -> list[Message]:
    call = native_part("responses", {"type": "shell_call", "call_id": f"c{number}"})
    ran = native_part("responses", {"type": "shell_call_output", "call_id": f"c{number}", "output": "x" * 300})
    return [
        {"role": "assistant", "content": [{"type": "text", "text": "w " * 400}, call]},
        {"role": "user", "content": [ran]},
    ]


@pytest.mark.parametrize("limit", range(300, 3_000, 150))
def test_tools_that_an_api_defines_keep_their_results_too(limit: int) -> None:
    messages = [say("user", 50), *(each for number in range(6) for each in native(number)), say("user", 50)]
    kept = compress(messages, limit_tokens=limit)
    ids: dict[str, list[str]] = {"shell_call": [], "shell_call_output": []}
    for message in kept:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "native":
                ids[part["item"]["type"]].append(part["item"]["call_id"])
    assert ids["shell_call"] == ids["shell_call_output"]


def test_a_long_result_of_a_tool_is_shortened_and_its_call_is_not() -> None:
    messages = [say("user", 20), *calls(1, 9_000)]
    kept = compress(messages, limit_tokens=2_000)
    assert kept[:2] == messages[:2]
    assert kept[2]["tool_call_id"] == "call_0"
    assert 1_900 < tokens(kept) <= 2_000


def test_short_results_stay_whole_beside_a_long_one() -> None:
    asked, first, second, third = calls(3, 4)
    long = {**second, "content": "r " * 9_000}
    kept = compress([say("user", 20), asked, first, long, third], limit_tokens=1_000)
    assert kept[2] == first
    assert kept[4] == third
    assert tokens(kept) > 950


def test_images_go_when_they_do_not_fit_and_what_was_said_of_them_stays() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    text = {"type": "text", "text": "what " * 100, "cache_control": {"type": "ephemeral"}}
    (kept,) = compress([{"role": "user", "content": [image, text, image]}], limit_tokens=500)
    assert kept["content"] == [text]
    (kept,) = compress([{"role": "user", "content": [image, {**text, "text": "what " * 9_000}]}], limit_tokens=3_000)
    assert kept["content"][0] == image
    assert estimate_message(kept) <= 3_000


def test_text_beyond_ascii_is_counted_by_the_character() -> None:
    (kept,) = compress([{"role": "user", "content": "这是一个很长的问题" * 1_000}], limit_tokens=500)
    assert 450 < estimate_message(kept) <= 500


@pytest.mark.parametrize("most", [10, 11, 1000])
def test_of_too_many_messages_half_stay_from_each_end(most: int) -> None:
    messages = talk(700, words=1)
    kept = compress(messages, limit_tokens=10**6, most_messages=most)

    assert most - 2 <= len(kept) <= most
    assert roles(kept[1:]) == [("user", "assistant")[n % 2] for n in range(len(kept) - 1)]
    at = [messages.index(message) for message in kept]
    before = [place for place in at if place < 700]
    assert before == list(range(len(before)))
    assert abs(2 * len(before) - most) <= 4
    assert at[len(before) :] == list(range(len(messages) - len(kept) + len(before), len(messages)))


def test_a_long_run_of_tools_is_not_torn_apart_either() -> None:
    messages = [say("user", 20), *(message for _ in range(600) for message in calls(2))]
    kept = compress(messages, limit_tokens=10**6, most_messages=1000)
    assert 990 <= len(kept) <= 1000
    assert kept[0] is messages[0]
    assert_calls_answered(kept)


def assert_calls_answered(messages: Sequence[Message]) -> None:
    """Every call is followed by its results, and every result follows its call."""
    left: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert left.pop(0) == message["tool_call_id"]
        else:
            assert left == []
            left = [call["id"] for call in message.get("tool_calls") or ()]
    assert left == []


# --- what holds for every conversation ---

TEXTS = st.text(max_size=40) | st.integers(0, 4000).map(lambda n: "word " * n)
PARTS = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, TEXTS.filter(bool))
    | st.just({"type": "image_url", "image_url": {"url": "x"}}),
    min_size=1,
    max_size=3,
)
CONTENTS = TEXTS | PARTS
TURNS = st.one_of(
    st.builds(
        lambda role, content: [{"role": role, "content": content}], st.sampled_from(["user", "assistant"]), CONTENTS
    ),
    st.builds(calls, st.integers(1, 4), st.integers(0, 2000)),
    st.builds(lambda content: [{"role": "system", "content": content}], TEXTS),
)
TALKS = st.lists(TURNS, min_size=1, max_size=25).map(lambda turns: [message for turn in turns for message in turn])
_LEAST = 700
"""Half of it may be instructions, and a last turn with four calls, which is never left out, needs the other half. No
model has so small a context.
"""


@given(TALKS, st.integers(_LEAST, 20_000), st.none() | st.integers(4, 40))
def test_any_conversation(messages: list[dict[str, Any]], limit: int, most: int | None) -> None:
    before = repr(messages)
    kept = compress(messages, limit_tokens=limit, most_messages=most)

    assert repr(messages) == before
    assert kept[-1]["role"] == messages[-1]["role"]
    assert_calls_answered(kept)
    # In the order that they had, none made up.
    identities = [(m["role"], m.get("tool_call_id"), bool(m.get("tool_calls"))) for m in messages]
    rest = iter(identities)
    assert all((m["role"], m.get("tool_call_id"), bool(m.get("tool_calls"))) in rest for m in kept)
    assert compress(messages, limit_tokens=10**9) is messages
    has_media = any(isinstance(m["content"], list) for m in messages)
    if not has_media:
        assert tokens(kept) <= limit


# --- requests ---


def long_request(**changes: Any) -> Any:
    return request(messages=talk(100, words=60), **changes)


SMALL, LARGE = endpoint(context_length=8_192), endpoint(context_length=24_000)


def test_small_contexts_shorten_unless_they_are_told_not_to() -> None:
    asked = long_request(max_tokens=1_000, parameters={"tools": [{"x": "y" * 300}]})
    fitted = fit_request(asked, SMALL, prompt_tokens=estimate_prompt_tokens(asked))

    assert estimate_prompt_tokens(fitted) <= 8_192 - 1_000
    assert fitted.parameters == asked.parameters
    off = long_request(max_tokens=1_000, context_compression=False)
    assert fit_request(off, SMALL, prompt_tokens=estimate_prompt_tokens(off)) is off


def test_larger_contexts_shorten_when_they_are_told_to() -> None:
    larger = endpoint(context_length=10_000)
    asked = long_request()
    assert fit_request(asked, larger, prompt_tokens=estimate_prompt_tokens(asked)) is asked
    on = long_request(context_compression=True)
    fitted = fit_request(on, larger, prompt_tokens=estimate_prompt_tokens(on))
    assert 0 < estimate_prompt_tokens(fitted) <= 10_000 - 1_250


@pytest.mark.parametrize("on", [None, True])
def test_what_fits_is_the_same_request(on: bool | None) -> None:
    asked = long_request(max_tokens=100, context_compression=on)
    assert fit_request(asked, LARGE, prompt_tokens=estimate_prompt_tokens(asked)) is asked


def test_what_likely_fits_is_shortened_only_for_who_asked() -> None:
    tight = endpoint(context_length=8_000)
    asked, on = request(content="word " * 5_200), request(content="word " * 5_200, context_compression=True)
    estimate = estimate_prompt_tokens(asked)
    assert 8_000 < estimate < 10_000
    assert fit_request(asked, tight, prompt_tokens=estimate) is asked
    assert fit_request(on, tight, prompt_tokens=estimate) is not on


def test_images_alone_are_not_asked_for_with_half_a_prompt() -> None:
    asked = long_request()
    assert fit_request(asked, SMALL, prompt_tokens=20_000, output_modalities=("image",)) is asked


def test_claude_takes_a_thousand_messages() -> None:
    asked = request(messages=talk(700, words=1), context_compression=True)
    claude = endpoint(model="anthropic/claude-x", context_length=200_000)
    assert len(fit_request(asked, claude, prompt_tokens=estimate_prompt_tokens(asked)).messages) <= 1000
    other = endpoint(context_length=200_000)
    assert fit_request(asked, other, prompt_tokens=estimate_prompt_tokens(asked)) is asked


@given(
    TALKS.filter(lambda messages: not any(isinstance(m["content"], list) for m in messages)),
    st.none() | st.integers(1, 3_000),
    st.sampled_from([4_096, 8_192, 16_000]),
    st.sampled_from([None, True, False]),
)
def test_no_more_is_sent_than_is_said(
    messages: list[dict[str, Any]], max_tokens: int | None, context_length: int, on: bool | None
) -> None:
    asked = request(messages=messages, max_tokens=max_tokens, context_compression=on)
    each, estimate = endpoint(context_length=context_length), estimate_prompt_tokens(asked)
    most = most_sent(asked, each, prompt_tokens=estimate)
    fitted = fit_request(asked, each, prompt_tokens=estimate)
    assert estimate_prompt_tokens(fitted) <= most <= estimate
    if fitted is asked:
        assert most == estimate
    else:
        assert most <= context_length
    # Credit that is short caps the answer afterwards, which makes room for more of the prompt.
    if max_tokens is None:
        capped = fit_request(replace(asked, max_tokens=20), each, prompt_tokens=estimate)
        assert estimate_prompt_tokens(capped) <= most
