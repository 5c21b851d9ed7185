"""Settings of the resolver: who may ask by default, and what a user is told of values that cannot be."""

from __future__ import annotations

import ipaddress

import pytest

from streamdns.errors import ConfigError
from streamdns.settings import load


@pytest.mark.parametrize(("client", "near"), [
    ("127.0.0.1", "both"), ("::1", "both"), ("10.1.2.3", "private"), ("172.31.0.1", "private"),
    ("192.168.1.1", "private"), ("100.100.0.1", "private"), ("169.254.7.7", "private"), ("fd00::1", "private"),
    ("fe80::1", "private"),
    ("192.0.2.1", ""), ("172.32.0.1", ""), ("8.8.8.8", ""), ("2001:db8::1", ""), ("ff02::1", ""),
])
def test_who_may_have_names_resolved(client: str, near: str) -> None:
    """This host alone, unless private networks are asked for; nobody on the Internet."""
    for settings, words in (({}, ("both",)), ({"DNS_RECURSION_ALLOW": "Private"}, ("both", "private"))):
        allowed = load(settings).recursion_allow
        assert any(ipaddress.ip_address(client) in network for network in allowed) == (near in words)


def test_networks_without_some() -> None:
    """The whole of each network but for what is taken out, whatever the order, in either family."""
    text = "!172.17.0.1 private !fd00::/9 2001:db8::/126 !2001:db8::3 !192.0.2.1"
    allowed = load({"DNS_RECURSION_ALLOW": text}).recursion_allow
    inside = {
        client for client in (
            "172.17.0.1", "172.17.0.2", "172.17.0.0", "172.31.0.1", "10.0.0.1", "fd00::1", "fdff::1", "2001:db8::2",
            "2001:db8::3",
        )
        if sum(ipaddress.ip_address(client) in network for network in allowed) == 1
    }
    assert inside == {"172.17.0.2", "172.17.0.0", "172.31.0.1", "10.0.0.1", "fdff::1", "2001:db8::2"}
    assert load({"DNS_RECURSION_ALLOW": "10.0.0.1 !10.0.0.0/8"}).recursion_allow == ()


def test_an_empty_value_that_stands_for_something() -> None:
    """Without a word the resolver does not send to this host; with an empty list it may."""
    assert load({"DNS_RESOLVER_DENY": " "}).resolver_deny == ()
    assert load({}).resolver_deny
    assert load({"DNS_RECURSION_ALLOW": ""}).recursion_allow == load({}).recursion_allow


@pytest.mark.parametrize(("address", "asked", "itself"), [
    ("127.0.0.1:53", "127.0.0.1", True), ("127.0.0.1:53", "127.0.0.1:5353", False), (":53", "127.0.0.1", True),
    (":53", "127.0.0.53", True), (":53", "::1", True), ("0.0.0.0:53", "::1", False), (":53", "192.0.2.1", False),
    ("192.0.2.1:53 [2001:db8::1]:53", "2001:db8:0::1", True), (":5353", "127.0.0.1", False),
])
@pytest.mark.parametrize("name", ["DNS_RESOLVER_ADDRESS", "DNS_FORWARD_ZONES"])
def test_who_is_asked_is_somebody_else(name: str, address: str, asked: str, itself: bool) -> None:
    """A resolver that forwards to itself would answer nothing, and only after all of its time."""
    value = asked if name == "DNS_RESOLVER_ADDRESS" else f"corp.example=10.0.0.1 lab.example={asked}"
    settings = {"DNS_ADDRESS": address, name: value}
    if not itself:
        load(settings)
        return
    with pytest.raises(ConfigError) as caught:
        load(settings)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{name}: ")
    assert "where this server itself answers" in problem


def test_a_star_is_no_zone_to_forward() -> None:
    with pytest.raises(ConfigError, match=r"a zone stands for all names below it, so write corp\.example"):
        load({"DNS_FORWARD_ZONES": "*.corp.example=10.0.0.1"})
