"""Special-use names and private addresses."""

from __future__ import annotations

import ipaddress
import random

import pytest

from streamdns.dns import name, rdata
from streamdns.dns.wire import AAAA, ANY, DS, NS, NXDOMAIN, PTR, SOA, TXT, A
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.special_names import GROUPS, Special, is_private, without_private

SPECIAL = Special()


def wire(text: str) -> bytes:
    return name.from_text(text).lower()


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode", "answer"),
    [
        ("localhost.", A, 0, ["127.0.0.1"]),
        ("a.b.localhost.", AAAA, 0, ["::1"]),
        ("localhost.", TXT, 0, []),
        ("1.0.0.127.in-addr.arpa.", PTR, 0, ["localhost."]),
        ("0.0.127.in-addr.arpa.", PTR, 0, []),
        ("2.0.0.127.in-addr.arpa.", PTR, NXDOMAIN, []),
        ("1." + "0." * 31 + "ip6.arpa.", PTR, 0, ["localhost."]),
        ("www.invalid.", A, NXDOMAIN, []),
        ("invalid.", A, 0, []),
        ("xyz.onion.", A, NXDOMAIN, []),
        ("printer.home.arpa.", A, NXDOMAIN, []),
        ("_dns.resolver.arpa.", 64, NXDOMAIN, []),
        ("1.2.3.10.in-addr.arpa.", PTR, NXDOMAIN, []),
        ("5.31.172.in-addr.arpa.", PTR, NXDOMAIN, []),
        ("1.0.168.192.in-addr.arpa.", PTR, NXDOMAIN, []),
        ("1.1.127.100.in-addr.arpa.", PTR, NXDOMAIN, []),
        ("0.0.0.0.d.f.ip6.arpa.", PTR, NXDOMAIN, []),
    ],
)
def test_answers(qname: str, qtype: int, rcode: int, answer: list[str]) -> None:
    response = SPECIAL.answer(wire(qname), qtype)
    assert response is not None
    texts = [rdata.to_text(rrset.rdtype, each) for rrset in response.answer for each in rrset.rdatas]
    assert (response.rcode, texts) == (rcode, answer)
    assert bool(response.authority) is not bool(answer)
    assert all(rrset.rdtype == SOA for rrset in response.authority)


@pytest.mark.parametrize(
    "qname",
    [".", "org.", "www.example.org.", "notlocalhost.", "localhost.example.", "arpa.", "in-addr.arpa.", "ip6.arpa.",
     "1.0.0.128.in-addr.arpa.", "1.15.172.in-addr.arpa.", "1.32.172.in-addr.arpa.", "1.63.100.in-addr.arpa.",
     "1.128.100.in-addr.arpa.", "0.2.ip6.arpa.", "c.f.ip6.arpa.", "\\010localhost.", "xtest."],
)
def test_names_of_others(qname: str) -> None:
    assert SPECIAL.answer(wire(qname), A) is None
    assert SPECIAL.group_of(wire(qname)) is None


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_can_be_switched_off(group: str) -> None:
    others = Special(set(GROUPS) - {group})
    off = Special([group])
    for zone in GROUPS[group]:
        assert SPECIAL.group_of(wire("x." + zone) if zone.count(".") < 30 else wire(zone)) == group
        for qtype in (SOA, NS):
            response = others.answer(wire(zone), qtype)
            assert response is not None
            assert [rrset.rdtype for rrset in response.answer] == [qtype]
        assert off.answer(wire(zone), A) is None
    every = others.answer(wire(GROUPS[group][0]), ANY)
    assert every is not None
    assert every.answer


def test_a_group_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="there is no group"):
        Special(["locl"])


def test_the_parent_says_whether_there_is_a_ds() -> None:
    assert SPECIAL.answer(wire("home.arpa."), DS) is None
    assert SPECIAL.answer(wire("10.in-addr.arpa."), DS) is None
    response = SPECIAL.answer(wire("onion."), DS)
    assert response is not None
    assert response.answer == ()


def test_private_addresses_as_ipaddress_sees_them() -> None:
    """Beside the documentation and benchmarking networks, which nobody rebinds to."""
    rng = random.Random(1)
    wanted = [ipaddress.ip_network(each) for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    )]
    edges = [int(net[index]) + off for net in wanted for index, off in ((0, 0), (0, -1), (-1, 0), (-1, 1))]
    for number in [*edges, *(rng.randrange(1 << 32) for _ in range(3000))]:
        if 0 <= number < 1 << 32:
            address = ipaddress.IPv4Address(number)
            expected = any(address in net for net in wanted)
            assert is_private(address.packed) is expected, address
            mapped = ipaddress.IPv6Address(0xFFFF << 32 | number)
            assert is_private(mapped.packed) is expected, mapped
    for text, expected in (("::", True), ("::1", True), ("fe80::1", True), ("fec0::1", True), ("fc00::1", True),
                           ("fdff::1", True), ("64:ff9b::a00:1", True), ("64:ff9b::808:808", False), ("::7f00:1", True),
                           ("64:ff9b:1::808:808", True),
                           ("2002:a00:1::1", True), ("2002:808:808::1", False), ("2002:7f00:1::", True),
                           ("2001:db8::1", False), ("ff02::1", False), ("2a00:1450::1", False)):
        assert is_private(ipaddress.ip_address(text).packed) is expected, text


def test_private_answers_are_left_out() -> None:
    alias = RRset(wire("a.example."), 5, 60, (wire("b.example."),))
    mixed = RRset(wire("b.example."), A, 60, (b"\x0a\0\0\1", b"\x08\x08\x08\x08"), (b"sig",))
    private = RRset(wire("b.example."), AAAA, 60, (bytes(15) + b"\1",))
    assert without_private((alias, mixed, private)) == (alias, mixed._replace(rdatas=mixed.rdatas[1:], signatures=()))
    assert without_private((alias, mixed._replace(rdatas=mixed.rdatas[1:]))) is None
    assert without_private((private,)) == ()
    assert without_private(()) is None


@pytest.mark.parametrize(("content", "left"), [
    ("1 . alpn=h2 ipv4hint=8.8.8.8 ipv6hint=2a00:1450::1", "1 . alpn=h2 ipv4hint=8.8.8.8 ipv6hint=2a00:1450::1"),
    ("1 . alpn=h2 ipv4hint=10.0.0.1 ipv6hint=2a00:1450::1", "1 . alpn=h2 ipv6hint=2a00:1450::1"),
    ("1 . alpn=h2 ipv4hint=8.8.8.8,192.168.0.1 port=8443", "1 . alpn=h2 port=8443"),
    ("1 svc.example. ipv4hint=8.8.8.8 ipv6hint=fd00::1", "1 svc.example. ipv4hint=8.8.8.8"),
    ("1 svc.example. ipv6hint=2a00:1450::1,::ffff:10.0.0.1", "1 svc.example."),
    ("1 . mandatory=ipv4hint ipv4hint=10.0.0.1", ""),
    ("1 . mandatory=alpn,ipv6hint alpn=h2 ipv4hint=10.0.0.1 ipv6hint=2a00:1450::1",
     "1 . mandatory=alpn,ipv6hint alpn=h2 ipv6hint=2a00:1450::1"),
    ("0 other.example.", "0 other.example."),
])
@pytest.mark.parametrize("rdtype", ["HTTPS", "SVCB"])
def test_private_hints_are_left_out(rdtype: str, content: str, left: str) -> None:
    """What a client connects to need not be an A record: hints of HTTPS and SVCB are addresses, too (RFC 9460 §7.3)."""
    number = rdata.type_from_text(rdtype)
    given = rdata.from_text(number, content)
    found = without_private((RRset(wire("www.example."), number, 60, (given,), (b"sig",)),))
    if content == left:
        assert found is None
    elif not left:
        assert found == ()
    else:
        expected = RRset(wire("www.example."), number, 60, (rdata.from_text(number, left),))
        assert found == (expected,)
