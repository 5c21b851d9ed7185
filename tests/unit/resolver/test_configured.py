"""From settings to a resolver: root hints, whom it may ask, forwards, special-use names, private addresses."""

from __future__ import annotations

import ipaddress
import pathlib
import random
from typing import cast

import pytest

from streamdns.dns import name
from streamdns.errors import ConfigError
from streamdns.resolver.resolution.cache import Cache
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.question import Ask, Knowledge, Outcome, Question
from streamdns.resolver.resolution.servers import Address, Servers
from streamdns.resolver.resolution.special_names import GROUPS
from streamdns.resolver.service.from_settings import MayAsk, WithoutPrivate, knowledge_of
from streamdns.resolver.service.priming import Priming
from streamdns.resolver.service.roots import ROOT_SERVERS, known_roots, primed, read_hints
from streamdns.resolver.transport.transport import Events, Transport
from streamdns.settings import load
from streamdns.settings.resolver import SPECIAL_GROUPS
from tests.harness.hierarchy import Zone

HINTS = """
; as https://www.internic.net/domain/named.root has them
.                        3600000      NS    A.ROOT-SERVERS.NET.
A.ROOT-SERVERS.NET.      3600000      A     198.41.0.4
A.ROOT-SERVERS.NET.      3600000      AAAA  2001:503:ba3e::2:30
B.ROOT-SERVERS.NET.      3600000      A     192.0.2.1
"""


def wire(text: str) -> bytes:
    return name.from_text(text).lower()


def test_the_root_servers() -> None:
    """Thirteen names, each with an address of both kinds, all different."""
    assert [each[0] for each in ROOT_SERVERS] == list("abcdefghijklm")
    addresses = [ipaddress.ip_address(address.host) for address in known_roots(53)]
    assert [each.version for each in addresses] == [4, 6] * 13
    assert len(set(addresses)) == 26
    assert all(each.is_global for each in addresses)


def test_hints_of_a_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "named.root"
    path.write_text(HINTS)
    assert read_hints(str(path), 53) == (Address("198.41.0.4", 53), Address("2001:503:ba3e::2:30", 53))


@pytest.mark.parametrize(
    ("before", "of_ns", "of_a"),
    [("3600000 IN", "NS", "A"), ("IN 3600000", "NS", "A"), ("IN", "NS", "A"), ("41d", "NS", "A"), ("", "ns", "a"),
     ("CLASS1 1h", "TYPE2", "TYPE1")],
)
def test_hints_state_class_and_ttl_in_either_order(
    tmp_path: pathlib.Path, before: str, of_ns: str, of_a: str
) -> None:
    path = tmp_path / "named.root"
    target, address = ("A.ROOT-SERVERS.NET.", "198.41.0.4")
    if of_a.startswith("TYPE"):
        target, address = "\\# 20 01410c524f4f542d53455256455253034e455400", "\\# 4 c6290004"
    path.write_text(
        f"; as internic.net has it\n. {before} {of_ns} {target}\nA.ROOT-SERVERS.NET. {before} {of_a} {address}\n"
    )
    assert read_hints(str(path), 53) == (Address("198.41.0.4", 53),)


@pytest.mark.parametrize("text", [None, "", ". 1 NS a.\n", "a. 1 A 192.0.2.1\n", "this is no zone file", ". 1 NS (\n"])
def test_hints_that_say_nothing(tmp_path: pathlib.Path, text: str | None) -> None:
    path = tmp_path / "named.root"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match="DNS_ROOT_HINTS=") as caught:
        read_hints(str(path), 53)
    assert "\n" not in str(caught.value)


def response(*, rcode: int = 0, aa: bool = True, owner: bytes = b"\0", glue: bytes = b"\1a\0") -> Response:
    servers = RRset(owner, 2, 1000, (b"\1A\0", b"\1b\0"))
    addresses = (RRset(glue, 1, 60, (b"\1\2\3\4",)), RRset(glue, 28, 60, (bytes(15) + b"\1",)))
    return Response(1, b"\0", 2, rcode, aa, False, False, True, (servers,), (), addresses)


def test_what_a_root_server_says_of_the_roots() -> None:
    found = primed(response(), 53)
    assert found is not None
    assert found.names == (b"\1a\0", b"\1b\0")
    assert {name: [each.is_ipv6 for each in here] for name, here in found.addresses.items()} == {
        b"\1a\0": [False, True]
    }
    assert found.lasts_s == 1000.0
    without = primed(response(glue=b"\1c\0"), 53)
    assert without is not None
    assert without.addresses == {}
    for useless in (response(rcode=2), response(aa=False), response(owner=b"\3org\0")):
        assert primed(useless, 53) is None


class Roots:
    """A transport to root servers that have no addresses in what they say of themselves."""

    def __init__(self, *silent: bytes) -> None:
        self.asked: list[tuple[bytes, int]] = []
        self._silent = silent

    def send(self, ask: Ask, events: Events) -> None:
        self.asked.append((ask.qname, ask.qtype))
        found = response(glue=b"\1c\0")
        if ask.qname != b"\0":
            rdata = bytes((192, 0, 2, ask.qname[1])) if ask.qtype == 1 else bytes(15) + ask.qname[1:2]
            found = found._replace(answer=(RRset(ask.qname, ask.qtype, 60, (rdata,)),))
        if ask.qname in self._silent:
            events.failed(ask.token, "no response")
        else:
            events.responded(ask.token, found)


@pytest.mark.parametrize(("silent", "expected"), [
    ((), ["192.0.2.97", "::61", "192.0.2.98", "::62"]),
    ((b"\1b\0",), ["192.0.2.97", "::61"]),
    ((b"\1a\0",), ["198.41.0.4"]),
])
def test_root_servers_whose_addresses_are_missing_are_asked_for_them(
    silent: tuple[bytes, ...], expected: list[str]
) -> None:
    """RFC 9609 §4.2; as many as are told, and the old ones stay where none are."""
    rng = random.Random(1)
    known = Knowledge(Cache(1 << 20), Servers(rng), (Address("198.41.0.4"),), rng)
    roots = Roots(*silent)
    lasts_s = Priming(known, cast(Transport, roots), lambda: 1.0).run()
    assert [address.host for address in known.roots] == expected
    assert lasts_s == (None if len(expected) == 1 else 1000.0)
    assert roots.asked[:2] == [(b"\0", 2), (b"\1a\0", 1)]


@pytest.mark.parametrize(("clients", "denied", "private"), [
    ("127.0.0.1 ::1", "", True), ("10.0.0.0/8 192.168.7.0/24 fd00::/8 fe80::/64 100.64.0.0/12", "", True),
    ("none", "", True),
    ("10.0.0.0/8 8.8.8.0/24", "", False), ("0.0.0.0/0", "", False), ("2000::/3", "", False),
    ("0.0.0.0/0", "127.0.0.0/8", True),
])
def test_private_servers_are_not_asked_where_others_may_ask(clients: str, denied: str, private: bool) -> None:
    """Who is not of this network shall not have its servers sent to: unless it is said which are."""
    settings = {"DNS_RECURSION_ALLOW": clients, "DNS_ADDRESS": "127.0.0.1:0", "DNS_RESOLVER_DENY": denied}
    may = MayAsk(load({key: text for key, text in settings.items() if text}).resolver_deny, [Address("10.0.0.53", 53)])
    asked = ("10.0.0.1", "172.16.9.9", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1")
    assert {host: may(Address(host, 53)) for host in asked} == dict.fromkeys(asked, private)
    assert may(Address("10.0.0.53", 53))
    assert may(Address("8.8.8.8", 53))


def test_whom_it_may_ask() -> None:
    may = MayAsk(load({}).resolver_deny, [Address("127.0.0.53", 53)])
    asked = {
        "127.0.0.1": False, "0.0.0.0": False, "224.0.0.1": False, "255.255.255.255": False, "::": False, "::1": False,
        "ff02::1": False, "::ffff:127.0.0.1": False, "10.0.0.1": True, "8.8.8.8": True, "2001:500:2::c": True,
        "127.0.0.53": True,
        # This link, where clouds tell their machines secrets, and documentation; also as IPv6 addresses lead there.
        "169.254.169.254": False, "fe80::1": False, "fd00:ec2::254": False, "fd00:ec2::253": True,
        "168.63.129.16": False, "100.100.100.200": False, "192.0.0.192": False, "250.1.2.3": False,
        "192.0.2.1": False, "198.51.100.1": False, "203.0.113.1": False, "2001:db8::1": False,
        "64:ff9b::a9fe:a9fe": False, "2002:7f00:1::": False, "2002:808:808::": True, "64:ff9b::808:808": True,
    }
    for _ in range(2):
        assert {host: may(Address(host, 53)) for host in asked} == asked
    assert not may(Address("127.0.0.53", 5353))


def test_forwards_and_special_names() -> None:
    """A zone that is forwarded is nobody else's; all the others are answered here in forward mode, too."""
    known = knowledge_of(
        load({"DNS_RESOLVER_ADDRESS": "127.0.0.1", "DNS_FORWARD_ZONES": "Lab.Test=10.0.0.1:5353",
              "DNS_SPECIAL_NAMES_OFF": "onion"}), lambda qname, qtype: None,
    )
    forwards = {each: known.forward_of(wire(each)) for each in ("a.lab.test.", "other.test.", ".")}
    zones = {each: forward.zone for each, forward in forwards.items() if forward is not None}
    assert zones == {"a.lab.test.": wire("lab.test."), "other.test.": b"\0", ".": b"\0"}
    assert known.may_ask(Address("127.0.0.1", 53))
    answered = {each: known.local(wire(each), 1) is not None
                for each in ("a.lab.test.", "other.test.", "localhost.", "x.onion.", "example.org.")}
    assert answered == {"a.lab.test.": False, "other.test.": True, "localhost.": True, "x.onion.": False,
                        "example.org.": False}


def test_the_groups_of_special_names_are_those_of_the_settings() -> None:
    assert set(SPECIAL_GROUPS) == set(GROUPS)


def test_private_addresses_are_left_out_of_foreign_names() -> None:
    known = knowledge_of(load({"DNS_FORWARD_ZONES": "corp.=10.0.0.1"}), lambda qname, qtype: None)
    polish = WithoutPrivate(known)
    answer = (RRset(wire("a.corp."), 1, 60, (b"\x0a\0\0\1", b"\1\2\3\4")),)
    found = Outcome(0, answer, (), -1, "", 1)
    foreign = polish(Question(wire("a.org."), 1), found)
    assert (foreign.answer[0].rdatas, foreign.ede) == ((b"\1\2\3\4",), 15)
    assert polish(Question(wire("a.corp."), 1), found) is found
    alias = polish(Question(wire("a.org."), 1), found._replace(own=True))
    assert alias.answer == foreign.answer, "a foreign name that is an alias of ours stays foreign"
    known.local = Zone("ours.").add("a.ours.", "A", "10.0.0.1").answer
    assert polish(Question(wire("a.ours."), 1), found) is found
    assert polish(Question(wire("a.org."), 1), found) == foreign
    polish = WithoutPrivate(known, ["zen.org."])
    assert polish(Question(wire("2.0.0.127.zen.org."), 1), found) is found
    assert polish(Question(wire("axzen.org."), 1), found) == foreign
