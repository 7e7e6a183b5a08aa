"""A generation comes back from its item as it went in, and from items of other versions as far as it can."""

from dataclasses import replace
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt, Generation, Outcome
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.money import NanoUsd
from turnpike.storage.generations import generation_item, parse_generation
from turnpike.storage.items import expiring

MODEL = "anthropic/claude-sonnet-4.5"
TYPICAL = Generation(
    id=GenerationId("gen-1795428000-abcdefghijklmnopqrst"),
    account_id=AccountId("acct-1795428000-abcdefghijkl"),
    key_hash=KeyHash("a" * 64),
    created_at_s=1_795_428_000,
    requested_model=MODEL,
    model=MODEL,
    provider="Anthropic",
    streamed=True,
    usage=Usage(1234, 567, cached_tokens=1000),
    cost=NanoUsd(12_345_678),
    upstream_cost=NanoUsd(12_345_678),
    upstream_prompt_cost=NanoUsd(3_702_000),
    upstream_completion_cost=NanoUsd(8_643_678),
    cache_discount=NanoUsd(2_700_000),
    finish_reason="stop",
    native_finish_reason="end_turn",
    latency_ms=812,
    generation_time_ms=9_312,
    upstream_id="msg_01XFDUDYJgAACzvnptvVoYEL",
    attempts=(
        Attempt(
            "anthropic",
            MODEL,
            "claude-sonnet-4-5-20250929",
            200,
            812,
            tag="anthropic",
            first_content_ms=812,
            output_tokens_per_s=61.4,
            ended_at_s=1_795_428_010,
            streamed_ms=8_500,
        ),
    ),
    http_referer="https://app.example.com",
    app_title="Example",
    user_agent="OpenAI/Python 3.54.0",
)

text = st.text(max_size=20)
whole = st.integers(0, 10**18)
attempts = st.builds(
    Attempt,
    text,
    text,
    text,
    st.none() | st.integers(100, 599),
    st.integers(0, 10**6),
    st.none() | text,
    tag=text,
    first_content_ms=st.none() | st.integers(0, 10**6),
    output_tokens_per_s=st.none() | st.integers(1, 10**6).map(lambda tenths: tenths / 10),
    outcome=st.sampled_from(get_args(Outcome)),
    absorbed_cost=whole,
    ended_at_s=st.none() | whole,
    streamed_ms=whole,
)
generations = st.builds(
    Generation,
    id=st.just(TYPICAL.id),
    account_id=st.just(TYPICAL.account_id),
    usage=st.builds(Usage, whole, whole, whole, estimated=st.booleans()),
    cost=whole,
    attempts=st.lists(attempts, max_size=3).map(tuple),
    provider=st.none() | text,
    finish_reason=st.none() | text,
    latency_ms=st.none() | whole,
    user=st.none() | text,
)


def size_of(item: dict[str, Any]) -> int:
    """As DynamoDB counts: names and values, three bytes for a map or a list and one for each of its members."""
    return sum(len(name.encode()) + size_of_value(value) for name, value in item.items())


def size_of_value(attribute: dict[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return len(value) // 2 + 2
        case "M":
            return 3 + len(value) + size_of(value)
        case "L":
            return 3 + len(value) + sum(map(size_of_value, value))
    return 1


@given(generations)
def test_a_generation_comes_back_as_it_was(generation: Generation) -> None:
    assert parse_generation(generation_item(generation)) == generation


def test_what_is_none_is_not_stored() -> None:
    assert "session_id" not in generation_item(TYPICAL)


def test_what_is_as_by_default_is_not_stored_and_comes_back() -> None:
    item = generation_item(replace(TYPICAL, cost=NanoUsd(0)))
    assert "cost" not in item
    assert "outcome" not in item["attempts"]["L"][0]["M"]
    assert set(item["usage"]["M"]) == {"prompt_tokens", "completion_tokens", "cached_tokens"}
    assert parse_generation(item) == replace(TYPICAL, cost=NanoUsd(0))


def test_an_item_from_before_a_field_has_its_default() -> None:
    item = generation_item(TYPICAL)
    del item["upstream_cost"], item["usage"]["M"]["cached_tokens"]
    parsed = parse_generation(item)
    assert (parsed.upstream_cost, parsed.usage) == (0, replace(TYPICAL.usage, cached_tokens=0))


def test_an_item_with_a_field_from_later_is_read_without_it() -> None:
    item = generation_item(TYPICAL)
    item["mood"] = {"S": "good"}
    item["attempts"]["L"][0]["M"]["mood"] = {"S": "good"}
    assert parse_generation(item) == TYPICAL


def test_a_typical_generation_costs_one_write_unit() -> None:
    assert size_of(expiring(generation_item(TYPICAL), 1_810_980_000)) <= 1024
