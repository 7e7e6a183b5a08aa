"""Which addresses a customer may make us call."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.providers.addresses import is_public, parse_address

V4, V6 = st.ip_addresses(v=4), st.ip_addresses(v=6)
CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
OPEN = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "223.255.255.254",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2606:2800:220:1:248:1893:25c8:1946",
    "2a00:1450:4001::200e",
]


@pytest.mark.parametrize("address", CLOSED)
def test_what_leads_inside_or_nowhere_is_closed(address: str) -> None:
    assert not is_public(parse_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_what_anybody_could_call_is_open(address: str) -> None:
    assert is_public(parse_address(address))


@given(V4 | V6)
def test_nothing_is_open_that_the_standard_library_knows_to_be_closed(address: IPv4Address | IPv6Address) -> None:
    # Its own list depends on the Python, and lacks addresses that ours has; but it may not have more.
    mapped = isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address in NAT64)
    if not mapped and (address.is_private or address.is_reserved or address.is_multicast or address.is_link_local):
        assert not is_public(address)


NAT64 = IPv6Network("64:ff9b::/96")
PRIVATE = [IPv4Network(network) for network in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16")]


@given(st.sampled_from(PRIVATE).flatmap(lambda network: st.ip_addresses(v=4, network=network)))
def test_a_closed_address_in_an_open_ones_clothes_is_closed(address: IPv4Address) -> None:
    inner = int(address)
    dressed = [
        (0xFFFF << 32) | inner,
        (0x64FF9B << 96) | inner,
        (0x2002 << 112) | (inner << 80) | 1,
        (0x20010000 << 96) | (inner ^ 0xFFFFFFFF),
        inner,
    ]
    assert not is_public(address)
    for each in dressed:
        assert not is_public(IPv6Address(each)), IPv6Address(each)


@given(V4)
def test_an_address_within_another_is_as_public_as_itself(address: IPv4Address) -> None:
    assert is_public(IPv6Address((0xFFFF << 32) | int(address))) == is_public(address)
    assert is_public(ip_address(f"64:ff9b::{address}")) == is_public(address)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        parse_address("localhost")
