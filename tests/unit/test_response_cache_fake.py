"""The fake of the cached answers keeps the contract."""

import pytest

from tests.contracts.response_cache import CachedAnswersContract
from tests.fake_stores import InMemoryCachedAnswers


class TestInMemoryCachedAnswers(CachedAnswersContract):
    @pytest.fixture
    def answers(self) -> InMemoryCachedAnswers:
        return InMemoryCachedAnswers()
