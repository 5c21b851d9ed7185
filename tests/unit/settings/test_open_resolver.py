"""Warnings of a resolver that more clients may use than was meant."""

from __future__ import annotations

import ipaddress

import pytest

from streamdns.settings import load
from streamdns.settings.open_resolver import open_resolver

BRIDGE = "172.17.0.1"


def warnings(allow: str, address: str, *gateways: str) -> tuple[str, ...]:
    settings = load({"DNS_RECURSION_ALLOW": allow, "DNS_ADDRESS": address})
    return open_resolver(settings, [ipaddress.ip_address(each) for each in gateways])


@pytest.mark.parametrize(("allow", "address", "gateway"), [
    ("", ":53", BRIDGE), ("none", ":53", BRIDGE), ("loopback", "0.0.0.0:53", BRIDGE),   # nobody but this host
    ("private", "127.0.0.1:53 [::1]:53", BRIDGE),                                      # nobody reaches it
    ("private", "[2a00:1450::1]:53 8.8.8.8:53", BRIDGE),                               # no NAT is in front of these
    ("private", "0.0.0.0:53", "8.8.8.1"), ("10.0.0.0/8", "172.17.0.2:53", BRIDGE),     # what it hides may not ask
    (f"private !{BRIDGE}", "0.0.0.0:53", BRIDGE),
    ("8.8.0.0/16 2a00:1450::/32", "0.0.0.0:53", "8.8.0.1"),
])
def test_nothing_to_warn_of(allow: str, address: str, gateway: str) -> None:
    assert warnings(allow, address, gateway) == ()


@pytest.mark.parametrize(("allow", "address", "gateways", "told"), [
    ("private", "0.0.0.0:53", [BRIDGE], f"has {BRIDGE}, the gateway"),
    ("172.16.0.0/12", "172.17.0.2:53", ["8.8.8.1", BRIDGE], f"take it out with !{BRIDGE}"),
    ("private", "[fd00::2]:53", ["fd00::1"], "has fd00::1, the gateway"),
    ("private", ":53", [], "0.0.0.0:53 may be reached through a gateway"),
    ("0.0.0.0/0 ::/0", "192.0.2.1:53", [BRIDGE], "has 0.0.0.0/0, ::/0: everybody"),
    ("0.0.0.0/1 128.0.0.0/1", "8.8.8.8:53", [], "has 0.0.0.0/1, 128.0.0.0/1: everybody"),
])
def test_what_is_warned_of(allow: str, address: str, gateways: list[str], told: str) -> None:
    (warning,) = warnings(allow, address, *gateways)
    assert warning.startswith("DNS_RECURSION_ALLOW has ")
    assert told in warning


@pytest.mark.parametrize(("settings", "warned"), [
    ({"DNS_RECURSION_ALLOW": "private"}, True), ({"DNS_RECURSION_ALLOW": "loopback 192.0.2.0/24"}, True),
    ({}, False), ({"DNS_RECURSION_ALLOW": "none"}, False), ({"DNS_RECURSION_ALLOW": "loopback"}, False),
    ({"DNS_RECURSION_ALLOW": "private", "DNS_ZONES_ALLOW": "example.org"}, False),
    ({"DNS_RECURSION_ALLOW": "private", "DNS_ZONES": "example.org"}, False),
    ({"DNS_RECURSION_ALLOW": "private", "DNS_TOPIC_ZONES": "file=example.org"}, False),
])
def test_a_log_that_may_take_any_name_from_others_is_warned_of(settings: dict[str, str], warned: bool) -> None:
    """Where other hosts trust the resolver, what a producer writes is the Internet to them."""
    found = [each for each in load(settings).warnings if "any name of the Internet" in each]
    assert len(found) == warned
    assert all("DNS_ZONES_ALLOW" in each for each in found)
