"""Conversations stay where their prompts are cached."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from turnpike.domain.chat import ProviderPreferences, Usage
from turnpike.domain.health import endpoint_key
from turnpike.domain.ids import AccountId
from turnpike.domain.pricing import Pricing
from turnpike.domain.stickiness import Conversation, Stickiness, conversation_of

from tests.scenario import ACCOUNT, World, endpoint, request, text

CACHED = Usage(prompt_tokens=100, completion_tokens=1, cached_tokens=50)
CHEAP_READS = Pricing(Decimal("0.000001"), Decimal("0.000002"), input_cache_read=Decimal("0.0000001"))


def talk(*messages: tuple[str, Any], **changes: Any) -> Conversation:
    given = tuple({"role": role, "content": content} for role, content in messages)
    found = conversation_of(ACCOUNT, request(messages=given, **changes))
    assert found is not None
    return found


def test_a_conversation_is_the_same_as_it_grows() -> None:
    begun = talk(("system", "Be brief."), ("user", "Hello"))
    assert not begun.named
    grown = (("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi"), ("user", "Bye"))
    assert talk(*grown) == begun
    for other in ((("system", "Be long."), ("user", "Hello")), (("system", "Be brief."), ("user", "Hallo"))):
        assert talk(*other) != begun
    assert conversation_of(AccountId("acct-other"), request()) != conversation_of(ACCOUNT, request())
    assert talk(("user", [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "Hi"}])) == talk(
        ("user", "Hi")
    )


def test_a_name_counts_more_than_what_is_said() -> None:
    first, second = (talk(("user", said), session_id="s1") for said in ("Hello", "Goodbye"))
    assert first == second
    assert first.named
    assert talk(("user", "Hello"), parameters={"prompt_cache_key": "s1"}).named
    assert talk(("user", "s1")) != first


def test_an_order_of_one_s_own_sticks_to_nothing() -> None:
    assert conversation_of(ACCOUNT, request(provider=ProviderPreferences(order=("one",)))) is None


def test_a_named_conversation_sticks_after_any_answer_until_it_is_forgotten() -> None:
    time = [0.0]
    sticky, named = Stickiness(lambda: time[0]), talk(("user", "Hello"), session_id="s1")
    assert sticky.find(named) is None
    sticky.note(named, endpoint("two"), Usage(1, 1))
    assert sticky.find(named) == endpoint_key(endpoint("two"))
    time[0] = 599
    sticky.note(named, endpoint("two"), Usage(1, 1))
    time[0] = 1198
    assert sticky.find(named) is not None
    time[0] = 1200
    assert sticky.find(named) is None


@pytest.mark.parametrize(
    ("pricing", "usage", "sticks"),
    [
        (CHEAP_READS, CACHED, True),
        (CHEAP_READS, Usage(100, 1), False),
        (Pricing(Decimal("0.000001"), Decimal("0.000002")), CACHED, False),
    ],
)
def test_an_unnamed_one_sticks_where_its_cache_saved_money(pricing: Pricing, usage: Usage, sticks: bool) -> None:
    sticky, unnamed = Stickiness(lambda: 0.0), talk(("user", "Hello"))
    sticky.note(unnamed, endpoint("one", pricing=pricing), usage)
    assert (sticky.find(unnamed) is not None) == sticks


def test_only_so_many_are_remembered() -> None:
    sticky = Stickiness(lambda: 0.0, most=2)
    talks = [talk(("user", "Hello"), session_id=name) for name in ("a", "b", "c")]
    for each in talks:
        sticky.note(each, endpoint(), Usage(1, 1))
    assert [sticky.find(each) is not None for each in talks] == [False, True, True]


@pytest.mark.anyio
async def test_a_session_stays_with_the_endpoint_that_answered_it() -> None:
    names = ("one", "two", "three")
    world = World({name: [text("Hi")] for name in names}, *(endpoint(name) for name in names))
    world.case = replace(world.case, stickiness=Stickiness(lambda: 0.0))
    for _ in range(12):
        await world.complete(request(session_id="s1"))
    assert len({provider for provider, _ in world.upstream.calls}) == 1
    for _ in range(40):
        await world.complete(request())
    assert len({provider for provider, _ in world.upstream.calls}) == 3
