"""What all tests share."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is; what is too slow for the suite, pytest's timeout ends.
settings.register_profile("turnpike", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("turnpike")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
