"""One local run for the session, started as a user starts it, and the clients that users have."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI
from openrouter import OpenRouter

from tests.e2e.asking import http_client
from tests.e2e.deployment import Deployment, deployment
from tests.e2e.run import HOST, Run, running
from tests.e2e.simulated import Simulated, simulated

_LAST = Path(__file__).with_name("test_logs.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The logs are read when everything that could have written to them has happened."""
    items.sort(key=lambda item: item.path == _LAST)


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> Iterator[None]:
    """Loopback is not to be reached through the developer's proxy, which the SDKs would use."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, HOST)
        yield


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    # Keep-alives come soon, so that no test has to wait ten seconds for one.
    with running(tmp_path_factory.mktemp("run"), TURNPIKE_KEEPALIVE_S="0.5") as run:
        yield run


@pytest.fixture(scope="session")
def ledger_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """For tests that compare totals: whoever uses it leaves nothing unsettled behind."""
    with running(tmp_path_factory.mktemp("ledger_run")) as run:
        yield run


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """For tests that need accounts of their own, or end a server that others must survive."""
    with deployment(tmp_path_factory.mktemp("parts")) as parts:
        yield parts


@pytest.fixture(scope="session")
def simulated_run(parts: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    """Providers of every wire format, which answer and fail as they are told."""
    with simulated(parts, tmp_path_factory.mktemp("simulated")) as found:
        yield found


@pytest.fixture
def sim(simulated_run: Simulated) -> Iterator[Simulated]:
    """With nothing planned and nothing asked yet."""
    simulated_run.forget()
    yield simulated_run
    simulated_run.forget()


@pytest.fixture(scope="session")
def http(run: Run) -> Iterator[httpx2.Client]:
    with http_client(run.base_url, run.api_key) as client:
        yield client


@pytest.fixture(scope="session")
def management_http(run: Run) -> Iterator[httpx2.Client]:
    with http_client(run.base_url, run.management_key) as client:
        yield client


@pytest.fixture(scope="session")
def openai(run: Run) -> Iterator[OpenAI]:
    with OpenAI(base_url=run.base_url, api_key=run.api_key) as client:
        yield client


@pytest.fixture(scope="session")
def openrouter(run: Run) -> Iterator[OpenRouter]:
    with OpenRouter(server_url=run.base_url, api_key=run.api_key) as client:
        yield client


@pytest.fixture(scope="session")
def manager(run: Run) -> Iterator[OpenRouter]:
    """The SDK with the management key."""
    with OpenRouter(server_url=run.base_url, api_key=run.management_key) as client:
        yield client
