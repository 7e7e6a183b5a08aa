"""What tests of services beside the providers share."""

from collections.abc import AsyncIterator, Iterator

import pytest

from turnpike.providers.transport import PooledTransport

from tests.plugin_server import PluginServer, serving_plugins


@pytest.fixture(scope="module")
def server() -> Iterator[PluginServer]:
    with serving_plugins() as server:
        yield server


@pytest.fixture
async def transport(server: PluginServer) -> AsyncIterator[PooledTransport]:
    server.forget()
    transport = PooledTransport()
    yield transport
    await transport.aclose()
