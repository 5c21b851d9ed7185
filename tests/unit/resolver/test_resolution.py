"""Resolutions through hierarchies in memory: right answers, broken servers, attacks, and bounds of what is sent."""

from __future__ import annotations

import pytest

from streamdns.dns.wire import NOERROR, NXDOMAIN, SERVFAIL
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.resolution import MAX_NS_NAMES, MAX_PACKETS, Ask, Forward
from streamdns.resolver.resolution.servers import Address
from tests.harness.hierarchy import World, Zone, texts, wire


def world(seed: int = 1, *, ipv6: bool = False) -> World:
    """Root, org., example.org. with two servers, net. and example.net."""
    made = World(seed, ipv6=ipv6)
    root = Zone(".").add(".", "NS", "a.root.").add("a.root.", "A", "198.41.0.4")
    root.add("org.", "NS", "a.org.").add("a.org.", "A", "10.0.0.1")
    root.add("net.", "NS", "a.net.").add("a.net.", "A", "10.0.1.1")
    org = Zone("org.").add("org.", "NS", "a.org.").add("a.org.", "A", "10.0.0.1")
    org.add("example.org.", "NS", "ns1.example.org.", "ns2.example.org.")
    org.add("ns1.example.org.", "A", "10.0.0.2").add("ns2.example.org.", "A", "10.0.0.3")
    example = Zone("example.org.").add("example.org.", "NS", "ns1.example.org.", "ns2.example.org.")
    example.add("ns1.example.org.", "A", "10.0.0.2").add("ns2.example.org.", "A", "10.0.0.3")
    example.add("www.example.org.", "A", "192.0.2.1", ttl_s=300)
    example.add("alias.example.org.", "CNAME", "www.example.org.")
    example.add("out.example.org.", "CNAME", "www.example.net.")
    example.add("a.b.c.d.e.example.org.", "TXT", '"deep"')
    example.add("d.example.org.", "DNAME", "example.net.")
    net = Zone("net.").add("net.", "NS", "a.net.").add("a.net.", "A", "10.0.1.1")
    net.add("example.net.", "NS", "ns1.example.org.")
    other = Zone("example.net.").add("example.net.", "NS", "ns1.example.org.")
    other.add("www.example.net.", "A", "192.0.2.2")
    made.host("198.41.0.4", root)
    made.host("10.0.0.1", org)
    made.host("10.0.1.1", net)
    made.host("10.0.0.2", example, other)
    made.host("10.0.0.3", example)
    return made


def test_down_the_hierarchy_and_then_from_the_cache() -> None:
    at = world()
    found = at.resolve("www.example.org.")
    assert (found.rcode, texts(found)) == (NOERROR, ["www.example.org. A 192.0.2.1"])
    assert found.packets == 3
    assert [ask.qname for ask in at.asked] == [wire("org."), wire("example.org."), wire("www.example.org.")]
    at.now_s += 100
    again = at.resolve("www.example.org.")
    assert (again.packets, again.answer[0].ttl_s) == (0, 200)
    at.now_s += 201
    assert at.resolve("www.example.org.").packets == 1


@pytest.mark.parametrize(
    ("name", "rdtype", "answer"),
    [
        ("alias.example.org.", "A", ["alias.example.org. CNAME www.example.org.", "www.example.org. A 192.0.2.1"]),
        ("out.example.org.", "A", ["out.example.org. CNAME www.example.net.", "www.example.net. A 192.0.2.2"]),
        ("www.d.example.org.", "A", ["d.example.org. DNAME example.net.", "www.d.example.org. CNAME www.example.net.",
                                     "www.example.net. A 192.0.2.2"]),
        ("a.b.c.d.e.example.org.", "TXT", ['a.b.c.d.e.example.org. TXT "deep"']),
    ],
)
def test_aliases_and_deep_names(name: str, rdtype: str, answer: list[str]) -> None:
    at = world()
    assert texts(at.resolve(name, rdtype)) == answer, at.trace
    assert texts(at.resolve(name, rdtype)) == answer


def test_what_is_not_there() -> None:
    at = world()
    gone = at.resolve("nothing.example.org.")
    assert (gone.rcode, gone.answer) == (NXDOMAIN, ())
    assert [rrset.owner for rrset in gone.authority] == [wire("example.org.")]
    assert gone.authority[0].ttl_s == 300
    assert at.resolve("nothing.example.org.", "TXT").packets == 0
    empty = at.resolve("www.example.org.", "MX")
    assert (empty.rcode, empty.answer, len(empty.authority)) == (NOERROR, (), 1)
    assert at.resolve("www.example.org.", "MX").packets == 0
    assert at.resolve("b.c.d.e.example.org.").rcode == NOERROR


def test_a_dead_server_costs_its_patience_once() -> None:
    at = world()
    at.hosts["10.0.0.2"].dead = True
    for number in range(20):
        began_s = at.now_s
        assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
        assert at.now_s - began_s < 0.5, number
        at.known.cache.flush(wire("www.example.org."))


def test_everybody_is_dead() -> None:
    at = world()
    at.hosts["10.0.0.2"].dead = at.hosts["10.0.0.3"].dead = True
    began_s = at.now_s
    found = at.resolve("www.example.org.")
    assert (found.rcode, found.ede in (22, 23)) == (SERVFAIL, True)
    assert at.now_s - began_s <= 5.0
    again = at.resolve("www.example.org.")
    assert (again.rcode, again.packets) == (SERVFAIL, 0)
    at.hosts["10.0.0.2"].dead = False
    at.now_s += 3600
    assert at.resolve("www.example.org.").rcode == NOERROR, at.trace


@pytest.mark.parametrize("rcode", [1, 2, 4, 5, 9])
def test_a_server_that_says_no(rcode: int) -> None:
    at = world()
    at.hosts["10.0.0.2"].behave = lambda ask, response: response._replace(
        rcode=rcode, answer=(), authority=(), additional=()
    )
    for _ in range(5):
        assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
        at.known.cache.flush(wire("www.example.org."))


def test_a_server_that_chokes_on_edns() -> None:
    at = world()

    def behave(ask: Ask, response: Response) -> Response:
        if ask.options.edns_size:
            return Response(0, ask.qname, ask.qtype, 1, False, False, False, False, (), (), ())
        return response

    at.hosts["10.0.0.2"].behave = at.hosts["10.0.0.3"].behave = behave
    assert at.resolve("www.example.org.").rcode == NOERROR, at.trace


def test_truncation_goes_to_tcp() -> None:
    at = world()
    for address in ("10.0.0.2", "10.0.0.3"):
        at.hosts[address].behave = lambda ask, response: (
            response if ask.tcp else response._replace(truncated=True, answer=(), authority=(), additional=())
        )
    found = at.resolve("www.example.org.")
    assert (found.rcode, at.asked[-1].tcp) == (NOERROR, True)


def test_broken_empty_non_terminals() -> None:
    at = world()
    deep = wire("a.b.c.d.e.example.org.")

    def behave(ask: Ask, response: Response) -> Response:
        if ask.qname != deep and ask.qname != wire("example.org."):
            return response._replace(rcode=NXDOMAIN, answer=())
        return response

    at.hosts["10.0.0.2"].behave = at.hosts["10.0.0.3"].behave = behave
    assert texts(at.resolve("a.b.c.d.e.example.org.", "TXT")) == ['a.b.c.d.e.example.org. TXT "deep"'], at.trace


def test_nothing_outside_of_the_zone_is_believed() -> None:
    at = world()
    poison = (
        RRset(wire("www.example.net."), 1, 86400, (b"\6\6\6\6",)),
        RRset(wire("net."), 2, 86400, (wire("ns1.example.org."),)),
        RRset(wire("."), 2, 86400, (wire("ns1.example.org."),)),
    )

    def behave(ask: Ask, response: Response) -> Response:
        return response._replace(
            answer=(*response.answer, poison[0]), authority=(*response.authority, *poison[1:]), additional=poison[:1]
        )

    at.hosts["10.0.0.3"].behave = at.hosts["10.0.0.2"].behave = behave
    assert at.resolve("www.example.org.").rcode == NOERROR
    at.hosts["10.0.0.2"].behave = lambda ask, response: response
    assert texts(at.resolve("www.example.net.")) == ["www.example.net. A 192.0.2.2"], at.trace


def test_referrals_up_and_sideways_are_left_alone() -> None:
    for owner in (".", "org.", "net.", "example.org.", "other.example.org."):
        at = world()
        referral = RRset(wire(owner), 2, 3600, (wire("ns1.evil."),))

        def behave(ask: Ask, response: Response, referral: RRset = referral) -> Response:
            return response._replace(authoritative=False, answer=(), authority=(referral,), rcode=0)

        at.hosts["10.0.0.2"].behave = behave
        assert at.resolve("www.example.org.").rcode == NOERROR, (owner, at.trace)


def test_fan_out_is_bounded() -> None:
    """NXNSAttack: a delegation to many names of a victim's zone."""
    at = world()
    names = tuple(wire(f"n{number}.victim.example.net.") for number in range(100))
    at.hosts["10.0.0.3"].behave = at.hosts["10.0.0.2"].behave = lambda ask, response: (
        response if wire("example.net.") in (ask.qname[-len(wire("example.net.")):],) else response._replace(
            authoritative=False, answer=(), rcode=0, authority=(RRset(wire("evil.example.org."), 2, 1, names),)
        )
    )
    found = at.resolve("x.evil.example.org.")
    assert found.rcode == SERVFAIL
    victim = {ask.qname for ask in at.asked if b"\6victim" in ask.qname}
    assert len({qname for qname in victim if qname[1:2] == b"n"}) <= MAX_NS_NAMES
    assert found.packets <= MAX_PACKETS


def test_glueless_and_circular_servers() -> None:
    at = world()
    org = at.hosts["10.0.0.1"].zones[0]
    org.add("one.org.", "NS", "ns.two.org.").add("two.org.", "NS", "ns.one.org.")
    found = at.resolve("www.one.org.")
    assert (found.rcode, found.packets < 30) == (SERVFAIL, True), at.trace
    org.add("three.org.", "NS", "ns1.example.org.")
    at.hosts["10.0.0.2"].zones.append(Zone("three.org.").add("www.three.org.", "A", "192.0.2.3"))
    assert texts(at.resolve("www.three.org.")) == ["www.three.org. A 192.0.2.3"]


def test_alias_loops_and_long_chains_end() -> None:
    at = world()
    zone = at.hosts["10.0.0.2"].zones[0]
    zone.add("l1.example.org.", "CNAME", "l2.example.org.").add("l2.example.org.", "CNAME", "l1.example.org.")
    assert at.resolve("l1.example.org.").rcode == SERVFAIL
    for number in range(40):
        zone.add(f"c{number}.example.org.", "CNAME", f"c{number + 1}.example.org.")
    assert at.resolve("c0.example.org.").packets <= MAX_PACKETS


def test_a_forwarder_is_asked_for_what_is_below_its_zone() -> None:
    at = world()
    corp = Zone("corp.").add("www.corp.", "A", "192.0.2.9")
    at.host("10.9.9.9", corp)
    at.known.forwards = (Forward(wire("corp."), (Address("10.9.9.9"),)),)
    found = at.resolve("www.corp.")
    assert (texts(found), at.asked[-1].options.rd, found.packets) == (["www.corp. A 192.0.2.9"], True, 1)


def test_ipv6_that_does_not_work_costs_nothing_after_a_few_tries() -> None:
    at = world(ipv6=True)
    org, example = at.hosts["10.0.0.1"].zones[0], at.hosts["10.0.0.2"].zones[0]
    for number in range(120):
        org.add(f"z{number}.org.", "NS", f"ns.z{number}.org.").add(f"ns.z{number}.org.", "A", "10.0.0.2")
        org.add(f"ns.z{number}.org.", "AAAA", "2001:db8::1")
        at.hosts["10.0.0.2"].zones.append(Zone(f"z{number}.org.").add(f"z{number}.org.", "A", "192.0.2.4"))
    assert example is not None
    for number in range(120):
        assert at.resolve(f"z{number}.org.").rcode == NOERROR, at.trace
        at.now_s += 0.5
    late = [ask for ask in at.asked[-60:] if ask.address.is_ipv6]
    assert not late
