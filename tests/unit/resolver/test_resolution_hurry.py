"""What is asked while servers are slow, step by step: who, how often, how many at a time, and where else is looked."""

from __future__ import annotations

from collections import Counter

import pytest

from streamdns.dns.wire import NOERROR, A
from streamdns.resolver.resolution.question import Question
from streamdns.resolver.resolution.resolution import Ask, Resolution
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.resolution.walk import MOST_AT_ONCE, UDP_EACH
from tests.harness.hierarchy import World, Zone, texts, wire
from tests.unit.resolver.test_resolution import world

ONE, TWO = "10.0.0.2", "10.0.0.3"


def world_of_aliases() -> World:
    """That with a circle of two aliases, and with twenty in a row (c0 to c20) that come one a response."""
    made = world()
    zone = made.hosts[ONE].zones[0]
    zone.add("a.example.org.", "CNAME", "b.example.org.").add("b.example.org.", "CNAME", "a.example.org.")
    for number in range(20):
        zone.add(f"c{number}.example.org.", "CNAME", f"c{number + 1}.example.org.")
    zone.add("c20.example.org.", "A", "192.0.2.20")
    for host in (ONE, TWO):
        made.hosts[host].behave = lambda ask, response: response._replace(answer=response.answer[:1])
    return made


class Hand:
    """A resolution that nobody drives but the test; `open` are queries without an end."""

    def __init__(self, at: World, qname: str, *, until: str) -> None:
        self.at = at
        self.resolution = Resolution(Question(wire(qname), A), at.known)
        self.open: list[Ask] = []
        self.sent: list[Ask] = []
        self.take(self.resolution.start(at.now_s))
        while not is_of(self.open[-1], until):
            ask = self.open.pop()
            self.take(self.resolution.responded(ask.token, at.answer(ask), at.now_s))

    def take(self, asks: list[Ask]) -> list[Ask]:
        self.open += asks
        self.sent += asks
        return asks

    def hurry(self) -> list[Ask]:
        """The query that was sent last takes longer than usual."""
        self.at.now_s += 0.1
        return self.take(self.resolution.hurry(self.open[-1].token, self.at.now_s))

    def hosts(self, zone: str = "example.org.") -> list[str]:
        return [ask.address.host for ask in self.sent if is_of(ask, zone)]


def is_of(ask: Ask, zone: str) -> bool:
    return ask.zone == wire(zone)


def delegated_to(at: World, *names: str, glue: tuple[str, ...] = ()) -> None:
    """example.org. is delegated to these names, the first of which come with an address."""
    org = at.hosts["10.0.0.1"].zones[0]
    org.add("example.org.", "NS", *names)
    for name, address in zip(names, glue, strict=False):
        org.add(name, "A", address)


def test_so_many_servers_are_waited_for_and_no_more() -> None:
    at = world()
    names = [f"n{number}.example.org." for number in range(15)]
    delegated_to(at, *names, glue=tuple(f"10.1.0.{number}" for number in range(15)))
    hand = Hand(at, "www.example.org.", until="example.org.")
    for _ in range(30):
        hand.hurry()
    assert len(hand.hosts()) == MOST_AT_ONCE
    assert len(set(hand.hosts())) == MOST_AT_ONCE


def test_one_server_alone_is_asked_again_but_not_for_ever() -> None:
    at = world()
    delegated_to(at, "ns1.example.org.", glue=(ONE,))
    hand = Hand(at, "www.example.org.", until="example.org.")
    for _ in range(10):
        hand.hurry()
    assert hand.hosts() == [ONE] * UDP_EACH


def test_others_are_asked_before_the_same_one_once_more() -> None:
    at = world()
    hand = Hand(at, "www.example.org.", until="example.org.")
    hand.hurry()
    assert sorted(hand.hosts()) == [ONE, TWO]
    for _ in range(10):
        hand.hurry()
    assert Counter(hand.hosts()) == {ONE: UDP_EACH, TWO: UDP_EACH}


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("rtt_s", [0.05, 0.25, 0.3, 0.4])
def test_one_far_server_beside_a_dead_one_tells_the_address_of_a_name_server(rtt_s: float, deep: bool) -> None:
    """With IPv6 there are two questions, and few queries may be sent for both."""
    name = "ns.deep.example.org." if deep else "ns.example.org."
    for seed in range(12):
        at = world(seed, ipv6=True)
        at.hosts[ONE].zones[0].add(name, "A", "10.5.0.1")
        at.hosts[ONE].rtt_s, at.hosts[TWO].dead = rtt_s, True
        at.hosts["10.0.1.1"].zones[0].add("far.net.", "NS", name)
        at.host("10.5.0.1", Zone("far.net.").add("www.far.net.", "A", "192.0.2.5"))
        found = at.resolve("www.far.net.")
        assert texts(found) == ["www.far.net. A 192.0.2.5"], (seed, found.detail, at.trace)


def test_who_is_lame_or_dead_is_not_asked_in_a_hurry() -> None:
    for how in ("lame", "dead"):
        at = world()
        hand = Hand(at, "www.example.org.", until="example.org.")
        other = Address(TWO if hand.hosts() == [ONE] else ONE)
        if how == "lame":
            at.known.servers.lame(other, wire("example.org."), at.now_s)
        else:
            for _ in range(3):
                at.known.servers.timed_out(other, at.now_s)
        hand.hurry()
        assert len(set(hand.hosts())) == 1, how
        at = world()
        hand = Hand(at, "www.example.org.", until="example.org.")
        at.known.servers.lame(Address(TWO if hand.hosts() == [ONE] else ONE), wire("example.net."), at.now_s)
        hand.hurry()
        assert len(set(hand.hosts())) == 2, "lame for another zone"


def test_addresses_of_others_are_looked_for_when_who_is_there_was_asked_twice() -> None:
    at = world()
    delegated_to(at, "ns1.example.org.", "n.v-one.net.", "n.v-two.net.", glue=(ONE,))
    hand = Hand(at, "www.example.org.", until="example.org.")
    hand.hurry()
    assert hand.hosts() == [ONE, ONE]
    before = len(hand.sent)
    hand.hurry()
    assert [is_of(ask, ".") or is_of(ask, "net.") for ask in hand.sent[before:]] == [True]
    # Nobody answers for that name either: the next one is looked for beside it.
    hand.open = [ask for ask in hand.open if is_of(ask, "example.org.")]
    before = len(hand.sent)
    hand.hurry()
    names = {ask.qname for ask in hand.sent[before:] if not is_of(ask, "example.org.")}
    assert len(names) == 1


def test_a_delegation_that_leads_nowhere_is_asked_for_again() -> None:
    """The zone has moved: those whom the delegation named when it was learnt have never heard of it now."""
    at = world()
    assert texts(at.resolve("www.example.org.")) == ["www.example.org. A 192.0.2.1"]
    zone = at.hosts[ONE].zones[0]
    at.hosts[ONE].zones = at.hosts[TWO].zones = []
    at.host("10.9.0.1", zone)
    delegated_to(at, "new.example.org.", glue=("10.9.0.1",))
    at.now_s += 400
    found = at.resolve("www.example.org.")
    assert (found.rcode, texts(found)) == (NOERROR, ["www.example.org. A 192.0.2.1"])
    assert "the delegation as it was known leads nowhere" in at.trace
    assert found.packets <= 5
    delegation = at.known.cache.delegation(wire("www.example.org."), at.now_s)
    assert delegation is not None
    assert delegation[1].records == (wire("new.example.org."),)


def test_a_delegation_of_this_minute_is_not_asked_for_again() -> None:
    at = world()
    at.resolve("www.example.org.")
    at.hosts[ONE].zones = at.hosts[TWO].zones = []
    at.known.cache.flush(wire("www.example.org."))
    at.asked.clear()
    at.now_s += 59
    at.resolve("www.example.org.")
    assert {ask.address.host for ask in at.asked} == {ONE, TWO}


def test_a_name_server_is_looked_for_unless_it_has_a_way() -> None:
    """IPv6 alone is none where it is unreachable, silent, or does not work at all."""
    six, four = Address("2001:db8::1"), Address("192.0.2.1")
    name = wire("ns.example.org.")
    for glue, trouble, way in (
        ((), "", False), ((four,), "", True), ((six,), "", True), ((six, four), "unreachable", True),
        ((six,), "unreachable", False), ((six,), "silent", False), ((six,), "no ipv6", False),
        ((four,), "no ipv6", True),
    ):
        at = world(ipv6=True)
        at.known.may_ask = lambda address: False
        resolution = at.resolution("www.example.org.")
        job = resolution._top
        job.glue = {name: glue}
        if trouble == "unreachable":
            job.unreachable |= {six}
        elif trouble == "silent":
            job.silent[six] = 1
        elif trouble:
            for number in range(3):
                at.known.servers.timed_out(Address(f"2001:db8::{number + 2}"), at.now_s)
        assert resolution._has_way(job, name, at.now_s) is way, (glue, trouble)


def test_a_circle_of_aliases_is_told_as_such() -> None:
    at = world_of_aliases()
    assert at.resolve("a.example.org.").detail == "the aliases go in a circle"
    assert at.resolve("c0.example.org.").detail == "more than 16 aliases"


def test_how_deep_names_of_servers_are_looked_for() -> None:
    """Name servers whose names need name servers: to a depth, and then no more is sent."""
    at = World()
    root = Zone(".").add(".", "NS", "a.root.").add("a.root.", "A", "198.41.0.4")
    for number in range(12):
        root.add(f"z{number}.", "NS", f"ns.z{number + 1}.")
    at.host("198.41.0.4", root)
    found = at.resolve("www.z0.")
    assert found.rcode == 2
    assert 7 <= len({ask.qname for ask in at.asked}) <= 8
