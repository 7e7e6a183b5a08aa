"""`GET /key`: what a key may know about itself."""

import pytest
from openrouter import OpenRouter

from tests.e2e.run import Run

# The SDK warns of two members that OpenRouter has deprecated and still sends, as we do.
pytestmark = pytest.mark.filterwarnings("ignore:.*DEPRECATED:DeprecationWarning")


def test_inference_key_describes_itself(run: Run, openrouter: OpenRouter) -> None:
    current = openrouter.api_keys.get_current_key_metadata().data

    assert current.label == f"{run.api_key[:12]}...{run.api_key[-3:]}"
    assert current.limit is None
    assert current.is_management_key is False
    assert current.is_free_tier is False


def test_management_key_describes_itself(manager: OpenRouter) -> None:
    assert manager.api_keys.get_current_key_metadata().data.is_management_key is True
