"""Whose word counts about who the client is: that of trusted proxies, from the end of X-Forwarded-For on."""

from __future__ import annotations

import pytest

from streamdns.admin.http.proxies import client_of, scheme_of
from streamdns.settings.admin import parse_proxies

TRUSTED = parse_proxies("10.0.0.0/8 2001:db8:1::/48")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        # What a client makes up stands before what the proxy saw.
        ("10.0.0.1", "192.0.2.9, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "192.0.2.9, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", "192.0.2.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.9,", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1::1", "[2001:db8:2::7]:4711", "2001:db8:2::7"),
        ("2001:db8:1::1", "2001:db8:2::7", "2001:db8:2::7"),
        # One who is not trusted is the client, whatever he says.
        ("203.0.113.7", "10.0.0.1", "203.0.113.7"),
        ("", "203.0.113.7", ""),
    ],
)
def test_the_client_is_who_the_last_trusted_proxy_saw(peer: str, forwarded: str, client: str) -> None:
    assert client_of(peer, forwarded, TRUSTED) == client


def test_the_unix_socket_is_trusted_by_its_word() -> None:
    assert client_of("", "203.0.113.7", parse_proxies("unix")) == "203.0.113.7"
    assert client_of("10.0.0.1", "203.0.113.7", parse_proxies("unix")) == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [("10.0.0.1", "https", "https"), ("10.0.0.1", "http, HTTPS", "https"), ("10.0.0.1", "gopher", "http"),
     ("10.0.0.1", "", "http"), ("203.0.113.7", "https", "http")],
)
def test_the_scheme_as_well(peer: str, said: str, scheme: str) -> None:
    assert scheme_of(peer, {"x-forwarded-proto": said} if said else {}, "http", TRUSTED) == scheme
