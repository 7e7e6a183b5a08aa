"""A generation comes back from its item as it went in, and from items of other versions as far as it can."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.money import NanoUsd
from turnpike.storage.generations import generation_item, parse_generation

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
    finish_reason="stop",
    native_finish_reason="end_turn",
    latency_ms=812,
    generation_time_ms=9_312,
    upstream_id="msg_01XFDUDYJgAACzvnptvVoYEL",
    attempts=(Attempt("anthropic", MODEL, "claude-sonnet-4-5-20250929", 200, 812),),
    http_referer="https://app.example.com",
    app_title="Example",
    user_agent="OpenAI/Python 3.54.0",
)

text = st.text(max_size=20)
whole = st.integers(0, 10**18)
attempts = st.builds(
    Attempt, text, text, text, st.none() | st.integers(100, 599), st.integers(0, 10**6), st.none() | text
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


def test_an_item_from_before_a_field_has_its_default() -> None:
    item = generation_item(TYPICAL)
    del item["upstream_cost"], item["usage"]["M"]["prompt_audio_tokens"]
    parsed = parse_generation(item)
    assert (parsed.upstream_cost, parsed.usage) == (0, TYPICAL.usage)


def test_an_item_with_a_field_from_later_is_read_without_it() -> None:
    item = generation_item(TYPICAL)
    item["mood"] = {"S": "good"}
    item["attempts"]["L"][0]["M"]["mood"] = {"S": "good"}
    assert parse_generation(item) == TYPICAL


def test_a_typical_generation_costs_one_write_unit() -> None:
    assert size_of(generation_item(TYPICAL)) <= 1024
