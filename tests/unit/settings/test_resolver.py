"""Settings of the resolver: who may ask by default, and what a user is told of values that cannot be."""

from __future__ import annotations

import ipaddress

import pytest

from streamdns.settings import load


@pytest.mark.parametrize(("client", "may"), [
    ("127.0.0.1", True), ("::1", True), ("10.1.2.3", True), ("172.31.0.1", True), ("192.168.1.1", True),
    ("100.100.0.1", True), ("169.254.7.7", True), ("fd00::1", True), ("fe80::1", True),
    ("192.0.2.1", False), ("172.32.0.1", False), ("8.8.8.8", False), ("2001:db8::1", False), ("ff02::1", False),
])
def test_who_may_have_names_resolved_by_default(client: str, may: bool) -> None:
    """Who is near: nobody on the Internet can make this node ask others."""
    loaded = load({})
    assert any(ipaddress.ip_address(client) in network for network in loaded.recursion_allow) == may


def test_an_empty_value_that_stands_for_something() -> None:
    """Without a word the resolver does not send to this host; with an empty list it may."""
    assert load({"DNS_RESOLVER_DENY": " "}).resolver_deny == ()
    assert load({}).resolver_deny
    assert load({"DNS_RECURSION_ALLOW": ""}).recursion_allow == load({}).recursion_allow
