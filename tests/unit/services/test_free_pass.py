"""A request is counted when it is about to ask a free model, and once."""

import pytest

from turnpike.domain.free_quota import OPENROUTERS_LIMITS, FreeModelsExhausted, FullWindow
from turnpike.domain.ids import AccountId
from turnpike.services.free_pass import FreePass

from tests.scenario import ACCOUNT, endpoint

pytestmark = pytest.mark.anyio

FREE, FREE_TOO = endpoint("one", "acme/chat:free"), endpoint("two", "acme/small:free")
PAID = endpoint("one", "acme/chat")


class Counter:
    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.asked: list[AccountId] = []

    async def __call__(self, account_id: AccountId) -> None:
        self.asked.append(account_id)
        if self.full:
            raise FreeModelsExhausted(FullWindow("minute", 20), OPENROUTERS_LIMITS, 0)


async def test_a_free_model_is_counted_once_however_many_are_tried() -> None:
    count = Counter()
    free_pass = FreePass(count, ACCOUNT)
    for left in ([FREE, FREE_TOO, PAID], [FREE_TOO, PAID], [PAID], []):
        assert await free_pass.admit(left) == left
    assert count.asked == [ACCOUNT]


async def test_a_free_fallback_is_counted_when_its_turn_comes() -> None:
    count = Counter()
    free_pass = FreePass(count, ACCOUNT)
    await free_pass.admit([PAID, FREE])
    assert count.asked == []
    await free_pass.admit([FREE])
    assert count.asked == [ACCOUNT]


async def test_without_any_left_the_other_models_answer() -> None:
    assert await FreePass(Counter(full=True), ACCOUNT).admit([FREE, PAID, FREE_TOO]) == [PAID]


async def test_without_any_left_free_models_alone_are_refused() -> None:
    with pytest.raises(FreeModelsExhausted):
        await FreePass(Counter(full=True), ACCOUNT).admit([FREE, FREE_TOO])


async def test_other_models_ask_nobody() -> None:
    count = Counter(full=True)
    assert await FreePass(count, ACCOUNT).admit([PAID]) == [PAID]
    assert count.asked == []


async def test_without_limits_they_are_asked_as_often_as_anybody_likes() -> None:
    assert await FreePass(None, ACCOUNT).admit([FREE]) == [FREE]
