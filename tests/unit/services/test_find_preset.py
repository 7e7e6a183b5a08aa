"""A preset is read once in a while, and once for all who ask at the same time."""

import asyncio
from collections.abc import Callable
from threading import Event

import pytest

from turnpike.domain.errors import NotFound, TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import Preset
from turnpike.services.find_preset import FindPreset

from tests.contracts.presets import changed, new_preset, said_anew
from tests.fake_presets import InMemoryPresets

pytestmark = pytest.mark.anyio

MINE, OTHERS = AccountId("acct-mine"), AccountId("acct-others")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def finder(presets: InMemoryPresets, now: Callable[[], float] | None = None) -> FindPreset:
    return FindPreset(presets, ttl_s=30, now=now or Clock())


async def test_it_is_read_again_after_its_time_and_not_before() -> None:
    preset, clock = new_preset(MINE), Clock()
    presets = InMemoryPresets(preset)
    find = finder(presets, clock)
    assert await find(MINE, "one") == preset
    new = said_anew(preset)
    presets.replace(new, was=preset)

    clock.now_s += 29.9
    assert await find(MINE, "one") == preset
    assert presets.reads == 1
    clock.now_s += 0.1
    assert await find(MINE, "one") == new
    assert presets.reads == 2


async def test_that_there_is_none_is_remembered_too() -> None:
    presets = InMemoryPresets(new_preset(OTHERS))
    find = finder(presets)
    for _ in range(3):
        with pytest.raises(NotFound, match="There is no preset one; GET /presets lists those of this account"):
            await find(MINE, "one")
    assert presets.reads == 1


@pytest.mark.parametrize("status", ["disabled", "archived"])
async def test_what_is_not_active_is_not_found(status: str) -> None:
    find = finder(InMemoryPresets(changed(new_preset(MINE), status=status)))
    with pytest.raises(NotFound, match=f"The preset one is {status}"):
        await find(MINE, "one")


class Slow(InMemoryPresets):
    """Reads when it is let."""

    def __init__(self, *presets: Preset) -> None:
        super().__init__(*presets)
        self.let = Event()

    def find(self, account_id: AccountId, slug: str, *, fresh: bool = False) -> Preset | None:
        self.let.wait(5)
        return super().find(account_id, slug, fresh=fresh)


async def test_those_who_ask_at_the_same_time_share_a_reading() -> None:
    presets = Slow(new_preset(MINE), new_preset(OTHERS))
    find = finder(presets)
    asking = [asyncio.create_task(find(account, "one")) for account in (MINE, MINE, OTHERS, MINE)]
    await asyncio.sleep(0)
    asking[0].cancel()
    presets.let.set()

    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert [each.account_id for each in found[1:] if isinstance(each, Preset)] == [MINE, OTHERS, MINE]
    assert presets.reads == 2


async def test_a_failure_is_everybodys_and_not_remembered() -> None:
    presets = Slow(new_preset(MINE))
    presets.failing = TemporarilyBusy("busy")
    find = finder(presets)
    asking = [asyncio.create_task(find(MINE, "one")) for _ in range(3)]
    await asyncio.sleep(0)
    presets.let.set()
    assert {type(each) for each in await asyncio.gather(*asking, return_exceptions=True)} == {TemporarilyBusy}
    assert presets.reads == 1

    presets.failing = None
    assert (await find(MINE, "one")).slug == "one"


async def test_a_bounded_number_is_remembered() -> None:
    presets = InMemoryPresets()
    find = finder(presets)
    for number in range(1_001):
        with pytest.raises(NotFound):
            await find(MINE, f"junk-{number}")
    with pytest.raises(NotFound):
        await find(MINE, "junk-1000")
    assert presets.reads == 1_001
    with pytest.raises(NotFound):
        await find(MINE, "junk-0")
    assert presets.reads == 1_002
