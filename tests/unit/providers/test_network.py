"""Connections as the kernel knows them."""

import socket

import pytest

from turnpike.providers.network import AsyncioBackend

pytestmark = pytest.mark.anyio


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has all of them")
async def test_the_kernel_is_told_to_notice_a_host_that_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        stream = await AsyncioBackend().connect_tcp(host, port)
        connection = stream._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle_s, interval_s, count, unacknowledged_ms = (
            connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        )
        assert idle_s + interval_s * count == unacknowledged_ms / 1000 == 30
        await stream.aclose()
