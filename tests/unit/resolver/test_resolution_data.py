"""Resolutions and what records say: aliases, TTLs, negative answers, DNSSEC records, our own zones."""

from __future__ import annotations

import pytest

from streamdns.dns.wire import NOERROR, NXDOMAIN, SERVFAIL, YXDOMAIN
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.question import Question
from streamdns.resolver.resolution.resolution import MAX_CHAIN, MAX_PACKETS, Ask, Forward, Resolution
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.resolution.verdict import is_within
from tests.harness.hierarchy import World, Zone, texts, wire
from tests.unit.resolver.test_resolution import world

ONE, TWO = "10.0.0.2", "10.0.0.3"


def zone_of(at: World) -> Zone:
    return at.hosts[ONE].zones[0]


def own(at: World, *zones: Zone) -> None:
    """Make zones our own."""

    def local(qname: bytes, qtype: int) -> Response | None:
        fitting = [zone for zone in zones if is_within(qname, zone.top)]
        return max(fitting, key=lambda zone: len(zone.top)).answer(qname, qtype) if fitting else None

    at.known.local = local


# -- aliases


def test_the_alias_that_a_dname_makes_is_made_here() -> None:
    """A server that sends another CNAME with its DNAME is not believed."""
    at = world()

    def behave(ask: Ask, response: Response) -> Response:
        if ask.qname == wire("www.d.example.org."):
            forged = RRset(ask.qname, 5, 9999, (wire("www.evil.net."),))
            return response._replace(answer=(*response.answer, forged))
        return response

    at.hosts[ONE].behave = at.hosts[TWO].behave = behave
    expected = ["d.example.org. DNAME example.net.", "www.d.example.org. CNAME www.example.net.",
                "www.example.net. A 192.0.2.2"]
    assert texts(at.resolve("www.d.example.org.")) == expected
    assert at.known.cache.get(wire("www.d.example.org."), 5, at.now_s) is None
    again = at.resolve("other.d.example.org.")
    assert (again.rcode, again.answer[0].rdtype) == (NXDOMAIN, 39)


def test_a_dname_that_makes_too_long_a_name() -> None:
    at = world()
    zone_of(at).add("long.example.org.", "DNAME", ".".join(["x" * 60] * 3) + ".example.org.")
    for _ in range(2):  # from the server, and from the cache
        found = at.resolve("y" * 60 + ".long.example.org.")
        assert (found.rcode, [rrset.rdtype for rrset in found.answer]) == (YXDOMAIN, [39]), at.trace


@pytest.mark.parametrize("length", [MAX_CHAIN, MAX_CHAIN + 1, 200])
@pytest.mark.parametrize("at_once", [True, False])
def test_chains_have_an_end(length: int, at_once: bool) -> None:
    at = world()
    zone = zone_of(at)
    chain = [RRset(wire(f"c{n}.example.org."), 5, 60, (wire(f"c{n + 1}.example.org."),)) for n in range(length)]
    last = RRset(wire(f"c{length}.example.org."), 1, 60, (b"\1\2\3\4",))

    def behave(ask: Ask, response: Response) -> Response:
        label = ask.qname[2 : 1 + ask.qname[0]]
        if not label.isdigit():
            return response
        here = [*chain, last][int(label) :]
        return response._replace(rcode=0, answer=tuple(here if at_once else here[:1]), authority=())

    assert zone.apex == "example.org."
    at.hosts[ONE].behave = at.hosts[TWO].behave = behave
    found = at.resolve("c0.example.org.")
    assert found.rcode == (NOERROR if length <= MAX_CHAIN else SERVFAIL), at.trace
    assert found.packets <= MAX_CHAIN + 4


def test_aliases_in_a_circle_in_one_answer_and_through_dname() -> None:
    at = world()
    zone_of(at).add("l1.example.org.", "CNAME", "l1.example.org.")
    assert at.resolve("l1.example.org.").packets <= 4
    zone_of(at).add("q.example.org.", "DNAME", "p.q.example.org.")
    found = at.resolve("x.q.example.org.")
    assert (found.rcode in (SERVFAIL, YXDOMAIN), found.packets < MAX_PACKETS) == (True, True)


def test_cname_itself_may_be_asked_for() -> None:
    at = world()
    assert texts(at.resolve("alias.example.org.", "CNAME")) == ["alias.example.org. CNAME www.example.org."]
    assert at.resolve("alias.example.org.", "CNAME").packets == 0


# -- TTLs


def test_ttl_0_is_used_and_not_kept() -> None:
    at = world()
    zone_of(at).add("www.example.org.", "A", "192.0.2.1", ttl_s=0)
    zone_of(at).add("alias.example.org.", "CNAME", "www.example.org.", ttl_s=0)
    org = at.hosts["10.0.0.1"].zones[0]
    org.add("example.org.", "NS", "ns1.example.org.", ttl_s=0).add("ns1.example.org.", "A", "10.0.0.2", ttl_s=0)
    for _ in range(3):
        found = at.resolve("alias.example.org.")
        assert texts(found)[-1] == "www.example.org. A 192.0.2.1"
        assert (found.answer[-1].ttl_s, found.packets > 1) == (0, True)
    assert at.known.cache.get(wire("www.example.org."), 1, at.now_s, stale_s=9e9) is None


def test_ttls_above_the_maximum_are_cut() -> None:
    at = world()
    zone_of(at).add("www.example.org.", "A", "192.0.2.1", ttl_s=0x7FFFFFFF)
    assert at.resolve("www.example.org.").answer[0].ttl_s == 86_400
    assert at.resolve("www.example.org.").answer[0].ttl_s == 86_400
    at.now_s += 86_401
    assert at.resolve("www.example.org.").packets > 0


@pytest.mark.parametrize(
    ("ttl_s", "minimum_s", "expected_s"),
    [(3600, 300, 300), (60, 300, 60), (100_000, 100_000, 3600), (3600, 0, 0), (3600, 0xFFFFFFFF, 0)],
)
def test_negative_ttls(ttl_s: int, minimum_s: int, expected_s: int) -> None:
    """The lesser of the SOA's TTL and its last field, an hour at most (RFC 2308 §5)."""
    at = world()
    for number, rcode in ((0, NXDOMAIN), (1, NOERROR)):
        zone_of(at).add("example.org.", "SOA", f"ns. h. 1 2 3 4 {minimum_s}", ttl_s=ttl_s)
        name, rdtype = ("nothing.example.org.", "A") if not number else ("www.example.org.", "MX")
        found = at.resolve(name, rdtype)
        assert (found.rcode, found.authority[0].ttl_s) == (rcode, expected_s)
        assert (at.resolve(name, rdtype).packets == 0) is (expected_s > 0)
        at.now_s += expected_s + 0.1
        assert at.resolve(name, rdtype).packets > 0


def test_a_negative_answer_without_soa_is_not_kept() -> None:
    at = world()
    at.hosts[ONE].behave = at.hosts[TWO].behave = lambda ask, response: response._replace(authority=())
    assert at.resolve("nothing.example.org.").rcode == NXDOMAIN
    assert at.resolve("nothing.example.org.").packets == 1


def test_a_name_that_is_there_after_all() -> None:
    """An NXDOMAIN above a name goes when the name answers."""
    at = world()
    assert at.resolve("nothing.example.org.").rcode == NXDOMAIN
    assert at.resolve("nothing.example.org.", "TXT").packets == 0
    zone_of(at).add("x.nothing.example.org.", "A", "192.0.2.5")
    assert at.resolve("x.nothing.example.org.").rcode == NOERROR
    found = at.resolve("nothing.example.org.", "TXT")
    assert (found.rcode, found.packets) == (NOERROR, 1)


def test_an_soa_from_elsewhere_does_not_deny() -> None:
    at = world()
    foreign = RRset(wire("net."), 6, 3600, (wire("ns.net.") + wire("h.net.") + bytes(20),))
    at.hosts[ONE].behave = lambda ask, response: response._replace(
        answer=(), authority=(foreign,), authoritative=False, rcode=3
    )
    for _ in range(5):
        assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
        at.known.cache.flush(wire("www.example.org."))


# -- types


def test_any() -> None:
    at = world()
    zone_of(at).add("www.example.org.", "AAAA", "2001:db8::1")
    records = zone_of(at).records

    def behave(ask: Ask, response: Response) -> Response:
        if ask.qtype == 255:
            return response._replace(answer=tuple(each for (owner, _), each in records.items() if owner == ask.qname))
        return response

    at.hosts[ONE].behave = at.hosts[TWO].behave = behave
    assert len(at.resolve("www.example.org.", "ANY").answer) == 2
    found = at.resolve("www.example.org.", "ANY")
    assert (len(found.answer), found.packets) == (2, 0)
    assert at.resolve("www.example.org.", "AAAA").packets == 0
    assert at.resolve("nothing.example.org.", "ANY").rcode == NXDOMAIN


def test_ds_is_asked_above_the_cut() -> None:
    at = world()
    org = at.hosts["10.0.0.1"].zones[0]
    org.add("example.org.", "DS", "1 8 2 " + "ab" * 32)
    assert at.resolve("www.example.org.").rcode == NOERROR
    found = at.resolve("example.org.", "DS")
    assert (len(found.answer), at.asked[-1].address.host) == (1, "10.0.0.1")
    assert at.resolve("net.", "DS").rcode == NOERROR
    assert at.asked[-1].address.host == "198.41.0.4"
    assert at.resolve(".", "DS").rcode == NOERROR


def test_the_root_itself() -> None:
    at = world()
    assert texts(at.resolve(".", "NS")) == [". NS a.root."]
    assert at.resolve(".", "SOA").rcode == NOERROR
    assert at.resolve("nothing.").rcode == NXDOMAIN


def signed(at: World) -> None:
    """Servers that send a signature with DO, and a proof with what is not there."""

    def behave(ask: Ask, response: Response) -> Response:
        if not ask.options.do:
            return response
        answer = tuple(rrset._replace(signatures=(b"sig" * 20,)) for rrset in response.answer)
        proof = () if answer or not response.authoritative else (
            RRset(wire("example.org."), 47, 300, (wire("www.example.org.") + b"\0\1\x40",), (b"sig" * 20,)),
        )
        return response._replace(answer=answer, authority=(*response.authority, *proof))

    at.hosts[ONE].behave = at.hosts[TWO].behave = behave


def resolve(at: World, qname: str, qtype: int, *, do: bool) -> tuple[Resolution, list[str]]:
    trace: list[str] = []
    resolution = Resolution(Question(wire(qname), qtype, do), at.known, trace=trace.append)
    at.drive(resolution, trace)
    return resolution, trace


def test_signatures_and_proofs_are_kept_for_who_wants_them() -> None:
    at = world()
    signed(at)
    for do, packets, signatures in ((False, 3, 0), (True, 1, 1), (True, 0, 1), (False, 0, 1)):
        resolution, _ = resolve(at, "www.example.org.", 1, do=do)
        assert resolution.outcome is not None
        assert (resolution.packets, len(resolution.outcome.answer[0].signatures)) == (packets, signatures)
    for do, packets, authority in ((False, 1, 1), (True, 1, 2), (True, 0, 2), (False, 0, 1)):
        resolution, _ = resolve(at, "nothing.example.org.", 1, do=do)
        assert resolution.outcome is not None
        assert (resolution.packets, len(resolution.outcome.authority)) == (packets, authority)


# -- failures and what is stale


def test_a_failure_does_not_take_the_place_of_what_was_known() -> None:
    at = world()
    assert at.resolve("www.example.org.").rcode == NOERROR
    at.now_s += 400
    at.hosts[ONE].dead = at.hosts[TWO].dead = True
    found = at.resolve("www.example.org.")
    assert (found.rcode, found.ede) == (SERVFAIL, 22)
    again = at.resolve("www.example.org.")
    assert (again.rcode, again.ede, again.packets) == (SERVFAIL, 13, 0)
    stale = at.known.cache.stale(wire("www.example.org."), 1, at.now_s)
    assert stale is not None
    assert stale.records == (b"\xc0\0\2\1",)
    at.hosts[ONE].dead = False
    at.now_s += 3600
    assert at.resolve("www.example.org.").rcode == NOERROR


def test_a_refresh_asks_although_it_is_known() -> None:
    at = world()
    at.resolve("www.example.org.")
    at.now_s += 280
    found = at.resolve("www.example.org.", refresh=True)
    assert (found.packets, found.answer[0].ttl_s) == (1, 300)
    at.now_s += 200
    assert at.resolve("www.example.org.").packets == 0


# -- our own zones


def test_an_alias_into_our_own_zone() -> None:
    at = world()
    own(at, Zone("ours.").add("www.ours.", "A", "192.0.2.77"))
    zone_of(at).add("to.example.org.", "CNAME", "www.ours.").add("gone.example.org.", "CNAME", "no.ours.")
    found = at.resolve("to.example.org.")
    assert (texts(found)[-1], found.own) == ("www.ours. A 192.0.2.77", True)
    assert at.resolve("gone.example.org.").rcode == NXDOMAIN
    assert not [ask for ask in at.asked if ask.qname.endswith(wire("ours."))]
    assert at.known.cache.get(wire("www.ours."), 1, at.now_s) is None


def test_a_delegation_out_of_our_own_zone() -> None:
    """With our NS and glue, not with what the world says; and what is below is kept."""
    at = world()
    ours = Zone("ours.").add("sub.ours.", "NS", "ns.sub.ours.", "ns1.example.org.").add("ns.sub.ours.", "A", "10.7.0.1")
    own(at, ours)
    sub = Zone("sub.ours.").add("www.sub.ours.", "A", "192.0.2.78").add("deep.sub.ours.", "NS", "ns.deep.sub.ours.")
    sub.add("ns.deep.sub.ours.", "A", "10.7.0.2")
    at.host("10.7.0.1", sub)
    at.host("10.7.0.2", Zone("deep.sub.ours.").add("www.deep.sub.ours.", "A", "192.0.2.79"))
    assert (texts(at.resolve("www.sub.ours.")), len(at.asked)) == (["www.sub.ours. A 192.0.2.78"], 1)
    assert at.resolve("www.sub.ours.").packets == 0
    assert texts(at.resolve("www.deep.sub.ours.")) == ["www.deep.sub.ours. A 192.0.2.79"]
    at.known.cache.flush(wire("www.deep.sub.ours."))
    assert at.resolve("www.deep.sub.ours.").packets == 1
    assert at.known.cache.get(wire("sub.ours."), 2, at.now_s) is None


def test_name_servers_in_our_own_zone() -> None:
    at = world()
    own(at, Zone("ours.").add("ns.ours.", "A", "10.0.0.8"))
    at.hosts["10.0.0.1"].zones[0].add("cust.org.", "NS", "ns.ours.")
    at.host("10.0.0.8", Zone("cust.org.").add("www.cust.org.", "A", "192.0.2.8"))
    found = at.resolve("www.cust.org.")
    assert (texts(found), found.packets, found.own) == (["www.cust.org. A 192.0.2.8"], 3, False), at.trace


def test_a_forward_goes_before_and_below_our_own_cut() -> None:
    at = world()
    own(at, Zone("ours.").add("sub.ours.", "NS", "ns.sub.ours.").add("ns.sub.ours.", "A", "10.7.0.1"))
    at.host("10.7.0.1", Zone("sub.ours.").add("www.sub.ours.", "A", "192.0.2.78"))
    at.host("10.9.9.9", Zone("x.sub.ours.").add("www.x.sub.ours.", "A", "192.0.2.80"))
    at.known.forwards = (Forward(b"\0", (Address("10.1.1.1"),)), Forward(wire("x.sub.ours."), (Address("10.9.9.9"),)))
    assert texts(at.resolve("www.sub.ours.")) == ["www.sub.ours. A 192.0.2.78"]
    assert texts(at.resolve("www.x.sub.ours.")) == ["www.x.sub.ours. A 192.0.2.80"], at.trace


def test_forward_mode_fails_over() -> None:
    at = world()
    everything = Zone(".").add("www.example.org.", "A", "192.0.2.1")
    at.hosts.clear()
    at.host("10.9.9.1", everything).dead = True
    at.host("10.9.9.2", everything, behave=lambda ask, response: response._replace(authoritative=False, recursive=True))
    at.known.forwards = (Forward(b"\0", (Address("10.9.9.1"), Address("10.9.9.2"))),)
    for _ in range(5):
        began_s = at.now_s
        assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
        assert at.now_s - began_s < 0.5
        at.known.cache.flush()
    assert {ask.options.rd for ask in at.asked} == {True}
    assert at.resolve("nothing.example.org.").rcode == NXDOMAIN


def test_a_forwarder_that_refuses_is_left_alone_for_a_while() -> None:
    at = world()
    everything = Zone(".").add("www.example.org.", "A", "192.0.2.1")
    at.hosts.clear()
    at.host("10.9.9.1", everything, rtt_s=0.001, behave=lambda ask, response: response._replace(rcode=5, answer=()))
    at.host("10.9.9.2", everything, rtt_s=0.1)
    at.known.forwards = (Forward(b"\0", (Address("10.9.9.1"), Address("10.9.9.2"))),)
    for _ in range(20):
        assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
        at.known.cache.flush()
    asked = [ask.address.host for ask in at.asked]
    assert (asked.count("10.9.9.1") <= 1, asked.count("10.9.9.2")) == (True, 20)
    del at.hosts["10.9.9.2"]
    at.hosts["10.9.9.1"].behave = lambda ask, response: response
    assert at.resolve("www.example.org.").rcode == NOERROR, "it is asked when there is nobody else"
