"""Which clients are in the networks of a setting, by the octets of their addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from streamdns import addresses
from streamdns.addresses import Within

_NETWORKS = [ip_network(text) for text in (
    "10.0.0.0/8", "192.0.2.128/25", "198.51.100.7/32", "fc00::/7", "2001:db8::/56", "::1/128", "::/96",
)]


def address(octets: bytes) -> IPv4Address | IPv6Address:
    """The address with these octets."""
    return ip_address(octets)


def _near(network: IPv4Network | IPv6Network) -> st.SearchStrategy[bytes]:
    """Addresses in a network, and right beside it."""
    first, last = int(network.network_address), int(network.broadcast_address)
    size = len(network.network_address.packed)
    most = (1 << 8 * size) - 1
    return st.integers(max(0, first - 2), min(most, last + 2)).map(lambda number: number.to_bytes(size, "big"))


@given(st.lists(st.sampled_from(_NETWORKS)), st.one_of(*map(_near, _NETWORKS), st.binary(min_size=4, max_size=4)))
def test_it_is_as_the_standard_library_says(networks: list[IPv4Network | IPv6Network], client: bytes) -> None:
    within = Within(networks)
    for _ in range(2):      # It remembers.
        assert within[client] is any(address(client) in network for network in networks)


def test_whoever_has_no_address_is_in_no_network() -> None:
    assert not Within([ip_network("0.0.0.0/0"), ip_network("::/0")])[b""]


def test_what_is_remembered_has_a_bound() -> None:
    within = Within([ip_network("10.0.0.0/8")])
    for number in range(addresses._CLIENTS_KEPT + 10):
        assert within[(10 << 24 | number).to_bytes(4, "big")]
    assert len(within) == 10
