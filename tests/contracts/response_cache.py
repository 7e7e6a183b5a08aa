"""The contract of `ports.CachedAnswers`."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from turnpike.domain.ids import GenerationId, new_generation_id
from turnpike.domain.response_cache import CachedAnswer, CacheKey
from turnpike.ports.accounts import CachedAnswers

NOW = 1_795_521_600
SIZES = (0, 10, 370_000, 400_000, 1_000_000, 4_000_000)
"""Around what one item takes, and far beyond."""


def answer(body: bytes, *, created_at_s: int = NOW, ttl_s: int = 300) -> CachedAnswer:
    return CachedAnswer(new_generation_id(created_at_s), created_at_s, created_at_s + ttl_s, body)


class CachedAnswersContract:
    """A subclass provides the fixture `answers`. Every test has a key of its own."""

    @pytest.fixture
    def key(self) -> CacheKey:
        return CacheKey(secrets.token_hex(32))

    @pytest.mark.parametrize("size", SIZES)
    def test_an_answer_is_found_as_it_was_kept(self, answers: CachedAnswers, key: CacheKey, size: int) -> None:
        # Random bytes, which no compression makes smaller.
        kept = answer(secrets.token_bytes(size))
        answers.keep(key, kept)
        assert answers.find(key, NOW) == kept
        assert answers.find(key, NOW + 299) == kept

    def test_what_compresses_may_be_larger_still(self, answers: CachedAnswers, key: CacheKey) -> None:
        kept = answer(b"data: the same again\n\n" * 500_000)
        answers.keep(key, kept)
        assert answers.find(key, NOW) == kept

    @pytest.mark.parametrize("size", [10, 1_000_000])
    def test_it_is_not_found_after_its_time(self, answers: CachedAnswers, key: CacheKey, size: int) -> None:
        answers.keep(key, answer(secrets.token_bytes(size), ttl_s=60))
        assert answers.find(key, NOW + 59) is not None
        assert answers.find(key, NOW + 60) is None

    def test_another_key_has_another_answer(self, answers: CachedAnswers, key: CacheKey) -> None:
        answers.keep(key, answer(b"mine"))
        assert answers.find(CacheKey(key[::-1] + "0"), NOW) is None

    @pytest.mark.parametrize(("first", "second"), [(10, 1_000_000), (1_000_000, 10), (900_000, 400_000)])
    def test_the_newer_answer_stays(self, answers: CachedAnswers, key: CacheKey, first: int, second: int) -> None:
        older = answer(secrets.token_bytes(first))
        newer = answer(secrets.token_bytes(second), created_at_s=NOW + 5)
        answers.keep(key, older)
        answers.keep(key, newer)
        assert answers.find(key, NOW + 5) == newer
        answers.keep(key, older)
        assert answers.find(key, NOW + 5) == newer

    def test_one_that_is_over_is_followed_by_the_next(self, answers: CachedAnswers, key: CacheKey) -> None:
        answers.keep(key, answer(b"first", ttl_s=1))
        later = answer(b"second", created_at_s=NOW + 100)
        answers.keep(key, later)
        assert answers.find(key, NOW + 100) == later

    @pytest.mark.parametrize("size", [10, 1_000_000])
    def test_what_is_dropped_is_gone(self, answers: CachedAnswers, key: CacheKey, size: int) -> None:
        answers.keep(key, answer(secrets.token_bytes(size)))
        answers.drop(key)
        answers.drop(key)
        assert answers.find(key, NOW) is None

    def test_what_is_too_large_is_not_kept(self, answers: CachedAnswers, key: CacheKey) -> None:
        answers.keep(key, answer(secrets.token_bytes(8_000_000)))
        assert answers.find(key, NOW) is None

    def test_of_answers_that_race_one_is_found_whole(self, answers: CachedAnswers, key: CacheKey) -> None:
        kept = [
            replace(answer(bytes([n]) + secrets.token_bytes(900_000)), source_id=GenerationId(f"gen-{n}"))
            for n in range(8)
        ]
        start = Barrier(len(kept) + 2)

        def keep(one: CachedAnswer) -> None:
            start.wait()
            answers.keep(key, one)

        def read() -> list[CachedAnswer | None]:
            start.wait()
            return [answers.find(key, NOW) for _ in range(20)]

        with ThreadPoolExecutor(len(kept) + 2) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            list(pool.map(keep, kept))
        assert answers.find(key, NOW) in kept
        assert all(found is None or found in kept for reader in readers for found in reader.result())
