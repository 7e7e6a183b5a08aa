"""A catalog that changes while it is served: when it looks, who waits for it, and what happens when it cannot."""

import threading
import time

import pytest

from turnpike.domain.catalog import Catalog, FixedCatalog
from turnpike.domain.errors import ModelNotFound, TemporarilyBusy
from turnpike.services.live_catalog import LiveCatalog

from tests.scenario import catalog, endpoint

FIRST = catalog(endpoint())
SECOND = catalog(endpoint("two", "acme/new"))


class Source:
    """Gives the catalogs one after the other, as soon as it is let; `clock` is what time it is."""

    def __init__(self, *catalogs: Catalog | Exception | None) -> None:
        self.clock = 1_000.0
        self.looks = 0
        self.changes: list[Catalog] = []
        self.failures: list[Exception] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._catalogs = list(catalogs)
        self.live = LiveCatalog(
            FIRST,
            self.load,
            now=lambda: self.clock,
            on_change=self.changes.append,
            on_failure=self.failures.append,
        )

    def load(self) -> Catalog | None:
        self.looks += 1
        assert self.may_answer.wait(10)
        found = self._catalogs.pop(0) if self._catalogs else None
        if isinstance(found, Exception):
            raise found
        return found

    def settle(self) -> None:
        """Until nobody looks any more."""
        for thread in threading.enumerate():
            if thread.name == "catalog":
                thread.join(10)

    def after(self, seconds: float) -> Catalog:
        self.clock += seconds
        return self.live.current()


def test_composing_looks_at_nothing() -> None:
    source = Source(SECOND)
    assert list(source.live.models) == list(FIRST.models)
    assert list(source.live.providers) == list(FIRST.providers)
    assert source.live.get_model("acme/chat") == FIRST.get_model("acme/chat")
    assert (source.live.resolve("x"), source.live.version) == ("x", "")
    assert source.looks == 0


def test_the_first_request_waits_for_what_is_there_now() -> None:
    source = Source(SECOND)
    assert source.live.current() is SECOND
    assert source.live.get_model("acme/new")
    assert source.changes == [SECOND]


def test_it_looks_once_a_minute_and_nobody_waits() -> None:
    source = Source(None, SECOND)
    assert source.live.current() is FIRST
    assert source.after(59) is FIRST
    assert source.looks == 1
    source.may_answer.clear()
    began = time.monotonic()
    assert source.after(1) is FIRST
    assert [source.after(0) for _ in range(3)] == [FIRST] * 3
    assert time.monotonic() - began < 0.5
    source.may_answer.set()
    source.settle()
    assert source.looks == 2
    assert source.after(0) is SECOND


def test_after_two_minutes_a_request_waits_again() -> None:
    """As in an environment that was frozen."""
    source = Source(None, SECOND)
    source.live.current()
    assert source.after(120) is SECOND


def test_nobody_waits_longer_than_a_second() -> None:
    source = Source(SECOND)
    source.may_answer.clear()
    began = time.monotonic()
    assert source.live.current() is FIRST
    assert 0.9 < time.monotonic() - began < 3
    # Others do not wait for what somebody waits for already.
    began = time.monotonic()
    assert source.live.current() is FIRST
    assert time.monotonic() - began < 0.5
    source.may_answer.set()
    source.settle()
    assert source.live.current() is SECOND
    assert source.looks == 1


def test_while_looking_fails_the_last_good_one_is_served() -> None:
    busy = TemporarilyBusy("busy")
    source = Source(busy, busy, SECOND)
    assert source.live.current() is FIRST
    assert source.failures == [busy]
    # Not again at once: nobody has to wait for what has just failed.
    assert source.after(9) is FIRST
    assert source.looks == 1
    assert source.after(1) is FIRST
    assert source.looks == 2
    assert source.after(10) is SECOND
    assert source.failures == [busy, busy]


def test_a_provider_that_has_gone_is_found_by_those_who_began_before() -> None:
    source = Source(SECOND)
    assert source.live.current() is SECOND
    assert source.live.get_provider("one") == FIRST.get_provider("one")
    assert source.live.get_provider("two") == SECOND.get_provider("two")
    with pytest.raises(KeyError):
        source.live.get_provider("three")
    with pytest.raises(ModelNotFound):
        source.live.get_model("acme/chat")


def test_a_fixed_one_is_always_current() -> None:
    fixed = FixedCatalog([], [], {"~a/latest": "a/b"}, version="v")
    assert fixed.current() is fixed
    assert (fixed.resolve("~a/latest"), fixed.resolve("c/d"), fixed.version) == ("a/b", "c/d", "v")
