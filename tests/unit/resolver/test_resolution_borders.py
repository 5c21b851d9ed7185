"""What is known of a name counts as far as the word of who said it: not in forward zones, nor below cuts of ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streamdns.dns.wire import NOERROR, NXDOMAIN, SERVFAIL
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.question import Question
from streamdns.resolver.resolution.resolution import Ask, Forward, Resolution
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.resolution.stale import stale_outcome
from streamdns.resolver.resolution.verdict import is_within
from tests.harness.hierarchy import World, Zone, texts, wire
from tests.unit.resolver.test_resolution import world

ROOT, FORWARDER, INNER, OURS = "198.41.0.4", "10.9.0.1", "10.9.0.2", "10.9.0.3"
#: What lies behind the border in all of these.
WWW = "www.corp.internal. A 192.0.2.10"


def corp(apex: str = "corp.internal.") -> Zone:
    return Zone(apex).add("www.corp.internal.", "A", "192.0.2.10").add("alias.corp.internal.", "CNAME",
                                                                      "www.corp.internal.")


def forwarding(at: World, *zones: tuple[str, str]) -> None:
    at.known.forwards = tuple(Forward(wire(zone), (Address(host),)) for zone, host in zones)


def own(at: World, *zones: Zone) -> None:
    """Make zones our own."""

    def local(qname: bytes, qtype: int) -> Response | None:
        fitting = [zone for zone in zones if is_within(qname, zone.top)]
        return max(fitting, key=lambda zone: len(zone.top)).answer(qname, qtype) if fitting else None

    at.known.local = local


def forward_zone() -> World:
    at = world()
    at.host(FORWARDER, corp())
    forwarding(at, ("corp.internal.", FORWARDER))
    return at


def forward_zone_and_forwarder_for_all() -> World:
    at = world()
    at.host(FORWARDER, corp())
    at.host(OURS, Zone("."))  # knows of no internal.
    forwarding(at, (".", OURS), ("corp.internal.", FORWARDER))
    return at


def forward_zone_in_a_forward_zone() -> World:
    at = world()
    at.host(FORWARDER, corp())
    at.host(INNER, Zone("internal."))
    forwarding(at, ("internal.", INNER), ("corp.internal.", FORWARDER))
    return at


def cut_of_ours() -> World:
    at = world()
    own(at, Zone("corp.internal.").add("corp.internal.", "NS", "ns.corp.internal."))
    return below_our_cut(at)


def below_our_cut(at: World) -> World:
    """Ours is internal-ours; it delegates corp.internal. as nobody else does."""
    at.host(OURS, corp())
    ours = Zone("internal.").add("corp.internal.", "NS", "ns.corp.internal.").add("ns.corp.internal.", "A", OURS)

    def local(qname: bytes, qtype: int) -> Response | None:
        # Only the delegation is ours here, so that internal. itself is for the world to deny.
        return ours.answer(qname, qtype) if is_within(qname, wire("corp.internal.")) else None

    at.known.local = local
    return at


WAYS: list[Callable[[], World]] = [
    forward_zone, forward_zone_and_forwarder_for_all, forward_zone_in_a_forward_zone, cut_of_ours
]


def sign(at: World) -> None:
    """All denials come with a signed proof."""
    proof = RRset(wire("a."), 47, 300, (wire("z.") + b"\0\1\x40",), (b"sig" * 20,))

    def behave(ask: Ask, response: Response) -> Response:
        authority = (*response.authority, proof) if response.authoritative and not response.answer else ()
        return response._replace(authority=authority or response.authority)

    for host in (ROOT, INNER, OURS):
        if host in at.hosts and not at.hosts[host].zones[0].apex.startswith("corp"):
            at.hosts[host].behave = behave


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("above", ["internal.", "corp.internal. DS", "internal. DS"])
def test_a_denial_above_a_border_ends_there(way: Callable[[], World], is_signed: bool, above: str) -> None:
    at = way()
    if is_signed:
        sign(at)
    name, _, rdtype = above.partition(" ")
    at.resolve(name, rdtype or "A")
    for _ in range(2):
        assert texts(at.resolve("www.corp.internal.")) == [WWW], at.trace
        found = at.resolve("www.corp.internal.", "AAAA")
        assert (found.rcode, found.answer) == (NOERROR, ()), at.trace
        assert texts(at.resolve("alias.corp.internal."))[-1] == WWW
        assert at.resolve("no.corp.internal.").rcode == NXDOMAIN
    at.now_s += 100_000
    at.resolve(name, rdtype or "A")
    assert texts(at.resolve("www.corp.internal.")) == [WWW], at.trace


def test_a_signed_denial_denies_what_is_below_it() -> None:
    at = world()
    sign(at)
    assert at.resolve("nowhere.").rcode == NXDOMAIN
    below = at.resolve("a.b.nowhere.")
    assert (below.rcode, below.packets) == (NXDOMAIN, 0)


def test_what_nobody_has_signed_does_not_hide_names_below() -> None:
    """A server denies the middle of a name, wrongly; what is below answers all the same, whoever asked before."""
    at = world()
    zone = at.hosts["10.0.0.2"].zones[0]
    zone.add("e.ns.example.org.", "A", "10.9.0.9")
    at.host("10.9.0.9", Zone("served.net.").add("www.served.net.", "A", "192.0.2.30"))
    at.hosts["10.0.1.1"].zones[0].add("served.net.", "NS", "e.ns.example.org.")

    def behave(ask: Ask, response: Response) -> Response:
        return response._replace(rcode=NXDOMAIN) if ask.qname == wire("ns.example.org.") else response

    at.hosts["10.0.0.2"].behave = at.hosts["10.0.0.3"].behave = behave
    assert at.resolve("ns.example.org.").rcode == NXDOMAIN
    assert texts(at.resolve("www.served.net.")) == ["www.served.net. A 192.0.2.30"], at.trace
    assert texts(at.resolve("e.ns.example.org.")) == ["e.ns.example.org. A 10.9.0.9"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_dname_above_a_border_ends_there(way: Callable[[], World]) -> None:
    """It is in the cache since somebody asked for a name beside; also where it came in the middle of an answer."""
    at = way()
    for host in (ROOT, INNER, OURS):
        if host in at.hosts and not at.hosts[host].zones[0].apex.startswith("corp"):
            at.hosts[host].zones[0].add("internal.", "DNAME", "example.net.")
    at.resolve("www.internal.")
    assert at.known.cache.get(wire("internal."), 39, at.now_s) is not None
    assert texts(at.resolve("www.corp.internal.")) == [WWW], at.trace


@pytest.mark.parametrize("rdtype", ["A", "AAAA", "MX", "ANY", "NS"])
@pytest.mark.parametrize("old", ["answer", "denial", "nothing of the type", "delegation", "alias"])
@pytest.mark.parametrize("stale", [False, True])
def test_what_the_world_said_before_we_had_a_cut(rdtype: str, old: str, stale: bool) -> None:
    """A delegation in a zone of ours is new; what others said of the names below it does not count from then on."""
    at = world()
    root = at.hosts[ROOT].zones[0]
    root.add("internal.", "NS", "ns.internal.").add("ns.internal.", "A", INNER)
    public = Zone("internal.").add("internal.", "NS", "ns.internal.")
    name = "www.corp.internal."
    if old == "answer":
        public.add(name, "A", "203.0.113.66").add(name, "AAAA", "2001:db8::66").add(name, "MX", "1 evil.")
    elif old == "nothing of the type":
        public.add(name, "TXT", "x")
    elif old == "delegation":
        public.add("corp.internal.", "NS", "ns.internal.")
        at.host(INNER, public, Zone("corp.internal.").add(name, "A", "203.0.113.66"))
    elif old == "alias":
        public.add(name, "CNAME", "www.example.org.")
    if old != "delegation":
        at.host(INNER, public)
    at.resolve(name, rdtype)
    at.resolve(name)
    below_our_cut(at)
    if stale:
        at.now_s += 7200
        question = Question(wire(name), 28 if rdtype == "AAAA" else 1)
        assert stale_outcome(at.known, question, at.now_s) is None
    if rdtype == "ANY":  # what is known of the name
        assert texts(at.resolve(name)) == [WWW]
    found = at.resolve(name, rdtype)
    assert texts(found) == ([WWW] if rdtype in ("A", "ANY") else []), at.trace
    assert found.rcode == NOERROR, at.trace
    again = at.resolve(name, rdtype)
    assert (texts(again), again.packets) == (texts(found), 0), at.trace


@pytest.mark.parametrize("kind", ["forward zone", "cut of ours", "zone of ours"])
@pytest.mark.parametrize("speaker", ["forwarder", "server"])
def test_an_answer_that_goes_on_behind_a_border_is_believed_up_to_there(kind: str, speaker: str) -> None:
    """Whoever follows his own alias into a name that others answer for tells what he thinks of it."""
    at = world()
    told = Zone(".").add("to.internal.", "CNAME", "www.corp.internal.").add("www.corp.internal.", "A", "203.0.113.66")
    if speaker == "forwarder":
        at.host(INNER, told)
        forwards = [(".", INNER)]
    else:
        at.hosts[ROOT].zones = [told]
        forwards = []
    if kind == "forward zone":
        at.host(FORWARDER, corp())
        forwards.append(("corp.internal.", FORWARDER))
    elif kind == "cut of ours":
        below_our_cut(at)
    else:
        own(at, corp())
    forwarding(at, *forwards)
    for _ in range(2):
        found = at.resolve("to.internal.")
        assert texts(found) == ["to.internal. CNAME www.corp.internal.", WWW], at.trace
    assert texts(at.resolve("www.corp.internal.")) == [WWW]


def test_stale_answers_end_where_our_own_zones_begin() -> None:
    """An alias that was known last leads to a name that is ours now: our own data, not what was known of it."""
    at = world()
    zone = at.hosts["10.0.0.2"].zones[0]
    zone.add("to.example.org.", "CNAME", "www.corp.internal.", ttl_s=60)
    root = at.hosts[ROOT].zones[0]
    root.add("www.corp.internal.", "A", "203.0.113.66", ttl_s=60)
    assert texts(at.resolve("to.example.org."))[-1] == "www.corp.internal. A 203.0.113.66"
    own(at, corp())
    at.now_s += 100
    found = stale_outcome(at.known, Question(wire("to.example.org."), 1), at.now_s)
    assert found is not None
    assert texts(found) == ["to.example.org. CNAME www.corp.internal.", WWW]
    assert stale_outcome(at.known, Question(wire("www.corp.internal."), 1), at.now_s) is None


def test_servers_whose_name_was_denied_above_a_border_are_found() -> None:
    """The zone is served by a host behind the border, which the root has denied."""
    at = forward_zone()
    at.hosts["10.0.1.1"].zones[0].add("served.net.", "NS", "ns.corp.internal.")
    at.hosts[FORWARDER].zones[0].add("ns.corp.internal.", "A", "10.9.0.9")
    at.host("10.9.0.9", Zone("served.net.").add("www.served.net.", "A", "192.0.2.30"))
    at.resolve("internal.")
    at.resolve("corp.internal.", "DS")
    assert texts(at.resolve("www.served.net.")) == ["www.served.net. A 192.0.2.30"], at.trace


def test_names_behind_a_border_are_not_asked_of_the_world_when_nobody_there_answers() -> None:
    at = forward_zone()
    at.hosts[FORWARDER].dead = True
    at.resolve("internal.")
    at.asked.clear()
    trace: list[str] = []
    resolution = Resolution(Question(wire("www.corp.internal."), 1), at.known, trace=trace.append)
    assert at.drive(resolution, trace).rcode == SERVFAIL
    assert {ask.address.host for ask in at.asked} == {FORWARDER}
