"""Finds settings that let more clients use the resolver than was meant: everybody, or everybody behind a NAT."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final

from streamdns.addresses import Address
from streamdns.settings.resolver import Network, parse_networks
from streamdns.settings.settings import Settings

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Networks with a shorter prefix hold a good part of the Internet.
_EVERYBODY: Final = {4: 7, 6: 15}
_NEAR: Final = parse_networks("private")


def open_resolver(settings: Settings, gateways: Sequence[_IP]) -> tuple[str, ...]:
    """Return a sentence for each way in which everybody may use the resolver; `gateways` are those of this machine."""
    here = [address for address in settings.address if not ipaddress.ip_address(address.host).is_loopback]
    allowed = [network for network in settings.recursion_allow if not network.is_loopback]
    if not here or not allowed:
        return ()
    return (*_everybody(allowed), *_behind_nat(allowed, here, gateways))


def _everybody(allowed: Sequence[Network]) -> Iterator[str]:
    wide = [
        str(network) for network in allowed
        if network.prefixlen <= _EVERYBODY[network.version] and not _is_near(network)
    ]
    if wide:
        yield (
            f"DNS_RECURSION_ALLOW has {', '.join(wide)}: everybody who reaches this server may use the resolver, and "
            "have its answers sent to others; list the networks of your own clients"
        )


def _behind_nat(allowed: Sequence[Network], here: Sequence[Address], gateways: Sequence[_IP]) -> Iterator[str]:
    """A NAT that hides the addresses of clients gives them its own, a private one, which may use the resolver."""
    private = [network for network in allowed if _is_near(network)]
    inside = [address for address in here if not ipaddress.ip_address(address.host).is_global]
    if not private or not inside:
        return
    hiding = [str(gateway) for gateway in gateways if any(gateway in network for network in private)]
    risk = (
        "where it hides the addresses of clients (NAT on the way in, Docker's proxy, a load balancer), everybody on "
        "the Internet may use the resolver"
    )
    if hiding:
        yield (
            f"DNS_RECURSION_ALLOW has {', '.join(hiding)}, the gateway of this machine: {risk}; take it out with "
            f"!{hiding[0]}, or list the networks of your own clients"
        )
    elif not gateways:
        yield (
            f"DNS_RECURSION_ALLOW has private networks, and {inside[0]} may be reached through a gateway: {risk}; list "
            "the networks of your own clients"
        )


def _is_near(network: Network) -> bool:
    """Return whether a network has no address of the Internet."""
    first, last = network[0], network[-1]
    return any(first in near and last in near for near in _NEAR)
