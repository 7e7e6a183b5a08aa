"""Which addresses of the internet a customer may make us call: public ones, and none that leads back inside."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IpAddress = IPv4Address | IPv6Address

# https://www.iana.org/assignments/iana-ipv4-special-registry
_CLOSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # Shared by carriers, and by clouds for what is theirs: Alibaba's metadata is there.
        "127.0.0.0/8",
        "169.254.0.0/16",  # Link-local: the metadata of AWS, Azure and Google, and the credentials of containers.
        "172.16.0.0/12",
        "192.0.0.0/24",  # Oracle's metadata is there.
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # Azure's own services, at an address that looks public:
        # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
        "168.63.129.16/32",
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
"""All that IANA has given out as global; private, link-local, multicast and mapped addresses lie outside."""
# https://www.iana.org/assignments/iana-ipv6-special-registry
_CLOSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Protocols, Teredo's tunnels among them.
        "2001:db8::/32",
        "2002::/16",  # 6to4's tunnels.
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""How a network without IPv4 reaches it (RFC 6052): AWS gives out such addresses for every IPv4 host."""


def is_public(address: IpAddress) -> bool:
    """Whether anybody on the internet could call it, so that calling it for somebody gives nothing away.

    Unlike `ipaddress.is_global`, it says the same on every Python. An IPv6 address that stands for an
    IPv4 one is as public as that; tunnels, whose far end is not to be seen, are never.
    """
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is None:
            return address in _GLOBAL_V6 and not any(address in network for network in _CLOSED_V6)
        address = inner
    return not any(address in network for network in _CLOSED_V4)


def parse_address(text: str) -> IpAddress:
    """From a resolver's answer, which may name the interface (`fe80::1%eth0`). Raises ValueError."""
    return ip_address(text.partition("%")[0])


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(address.packed[-4:]) if address in _NAT64 else None
