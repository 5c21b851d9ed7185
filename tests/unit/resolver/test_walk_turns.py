"""What a resolution does next at each turn: whom it asks, whom it spares, and where it looks for more addresses."""

from __future__ import annotations

from collections import Counter

import pytest

from streamdns.dns.wire import AAAA, NOERROR, REFUSED, SERVFAIL, A
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution.load import Load
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.question import Question
from streamdns.resolver.resolution.resolution import MAX_DELEGATIONS, MAX_PACKETS, Ask, Forward, Resolution
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.resolution.verdict import is_within
from streamdns.resolver.resolution.walk import MAX_FOR_NAMES_HIGH, MAX_LOOKUPS, UDP_EACH
from tests.harness.hierarchy import World, Zone, texts, wire
from tests.unit.resolver.test_resolution import world
from tests.unit.resolver.test_resolution_hurry import ONE, TWO, Hand, delegated_to, world_of_aliases

ORG, NET = "10.0.0.1", "10.0.1.1"
EXAMPLE = wire("example.org.")


def other_than(hand: Hand) -> Address:
    """The one of the two servers of example.org. that was not asked."""
    (asked,) = set(hand.hosts())
    return Address(TWO if asked == ONE else ONE)


def silent_about(at: World, address: Address, times: int) -> None:
    for _ in range(times):
        at.known.servers.timed_out(address, at.now_s, zone=EXAMPLE)


def test_a_limit_that_was_met_stays_named_when_another_is_met() -> None:
    at = world_of_aliases()
    zone, one = EXAMPLE, Address(ONE)

    def met(load: Load | None = None, *, costly: bool = False, lookups: int = 0, for_names: int = 0) -> set[str]:
        resolution = at.resolution("www.example.org.")
        resolution.limits = frozenset({"packets"})
        job = resolution._top
        job.zone, job.names, at.known.load = zone, [wire("ns.far.net.")], load or Load()
        for _ in range(6 if costly else 0):
            at.known.costs.charge(one, zone, 22_000, at.now_s)
        resolution._lookups = lookups
        resolution._for_names = {wire("."): for_names}
        resolution._free(job, [one], at.now_s)
        resolution._look_for_addresses(job, at.now_s)
        if for_names:
            job.zone = wire(".")
            resolution._may_send_for_names(job, one)
        at.known.costs._debts.clear()
        return set(resolution.limits)

    assert met() == {"packets"}
    assert met(Load(1, 0, zones={zone: 1})) == {"packets", "zone"}
    assert met(Load(0, 1, servers={one: 1})) == {"packets", "server"}
    assert met(costly=True) == {"packets", "work"}
    assert met(lookups=MAX_LOOKUPS) == {"packets", "lookups"}
    assert met(for_names=MAX_FOR_NAMES_HIGH) == {"packets", "lookups"}
    resolution = at.resolution("a.example.org.")
    resolution.limits = frozenset({"packets"})
    at.known.load = Load()
    at.drive(resolution, [])
    assert resolution.limits == {"packets", "aliases"}


# -- aliases


def test_a_circle_of_aliases_that_may_not_be_kept_ends_where_it_comes_back() -> None:
    at = world_of_aliases()
    for name, target in (("a", "b"), ("b", "a")):
        at.hosts[ONE].zones[0].add(f"{name}.example.org.", "CNAME", f"{target}.example.org.", ttl_s=0)
    at.hosts[TWO].zones = at.hosts[ONE].zones
    found = at.resolve("a.example.org.")
    assert (found.rcode, found.detail) == (SERVFAIL, "the aliases go in a circle")
    assert found.packets == 4, "two for the delegations, one for each alias"


def test_a_name_server_whose_aliases_go_in_a_circle_is_asked_for_once() -> None:
    for seed in range(4):
        at = world(seed)
        net = at.hosts[NET].zones[0].add("good.net.", "A", ONE)
        net.add("ns.net.", "CNAME", "to.net.", ttl_s=0).add("to.net.", "CNAME", "ns.net.", ttl_s=0)
        delegated_to(at, "ns.net.", "good.net.")
        assert at.resolve("www.example.org.").rcode == NOERROR
        assert [ask.qname for ask in at.asked].count(wire("ns.net.")) <= 1, seed


@pytest.mark.parametrize(("depth", "rcode"), [(MAX_DELEGATIONS, NOERROR), (MAX_DELEGATIONS + 1, SERVFAIL)])
@pytest.mark.parametrize("through_alias", [False, True])
def test_so_many_delegations_are_followed_for_each_name_of_a_chain(
    depth: int, rcode: int, through_alias: bool
) -> None:
    at = World()
    zones, name = [Zone(".").add(".", "NS", "a.root.").add("a.root.", "A", "198.41.0.4")], ""
    for number in range(depth):
        name = f"z{number}.{name}"
        zones[-1].add(name, "NS", f"ns.{name}").add(f"ns.{name}", "A", f"10.3.0.{number}")
        zones.append(Zone(name))
    zones[-1].add(f"www.{name}", "A", "192.0.2.1")
    zones[0].add("start.", "CNAME", f"www.{name}")
    for number, zone in enumerate(zones):
        at.host(f"10.3.0.{number - 1}" if number else "198.41.0.4", zone)
    found = at.resolve("start." if through_alias else f"www.{name}")
    assert found.rcode == rcode, found.detail
    assert found.detail == ("" if rcode == NOERROR else f"more than {MAX_DELEGATIONS} delegations")


# -- in a hurry


def test_addresses_are_looked_for_before_who_is_lame_is_asked() -> None:
    at = world()
    delegated_to(at, "ns1.example.org.", "ns2.example.org.", "ns.far.net.", glue=(ONE, TWO))
    hand = Hand(at, "www.example.org.", until="example.org.")
    lame = other_than(hand)
    at.known.servers.lame(lame, EXAMPLE, at.now_s)
    hand.hurry()
    assert hand.hosts() == [hand.hosts()[0]] * 2, "the same once more: the packet may have been lost"
    before = len(hand.sent)
    hand.hurry()
    assert [ask.qname for ask in hand.sent[before:]] in ([wire("net.")], [wire("far.net.")]), "for ns.far.net."
    assert lame.host not in hand.hosts()


def test_the_dead_are_asked_in_a_hurry_at_last_and_the_lame_only_for_want_of_them() -> None:
    for seed in range(30):
        at = world(seed)
        hosts = [f"10.1.0.{number}" for number in range(3)]
        delegated_to(at, *(f"n{number}.example.org." for number in range(3)), glue=tuple(hosts))
        hand = Hand(at, "www.example.org.", until="example.org.")
        first = hand.hosts()[0]
        lame, dead = (Address(host) for host in hosts if host != first)
        at.known.servers.lame(lame, EXAMPLE, at.now_s)
        silent_about(at, dead, 3)
        for _ in range(3):
            hand.hurry()
        assert hand.hosts() == [first, first, dead.host, lame.host], seed


def test_while_addresses_are_looked_for_no_other_name_is() -> None:
    """Though one of the two kinds is known not to be: the other may come."""
    at = world(ipv6=True)
    for name in ("ns.one.net.", "ns.two.net."):
        at.hosts[NET].zones[0].add(name, "TXT", '"no address"')
    delegated_to(at, "ns.one.net.", "ns.two.net.")
    hand = Hand(at, "www.example.org.", until="net.")
    zone = next(ask.qname[-len(wire("one.net.")):] for ask in hand.open)
    while True:
        asks = [ask for ask in hand.open if ask.qtype == A]
        hand.open = [ask for ask in hand.open if ask.qtype != A]
        if not asks:
            break
        for ask in asks:
            hand.take(hand.resolution.responded(ask.token, at.answer(ask), at.now_s))
    assert {ask.qname[-len(zone):] for ask in hand.sent if len(ask.qname) >= len(zone) and is_net(ask)} == {zone}
    assert [ask.qtype for ask in hand.open] == [AAAA]


def is_net(ask: Ask) -> bool:
    return ask.zone == wire("net.")


@pytest.mark.parametrize("how", ["refuses", "silent"])
def test_a_name_is_looked_for_when_one_of_two_has_failed_though_the_other_may_answer_yet(how: str) -> None:
    at = world()
    delegated_to(at, "ns1.example.org.", "ns2.example.org.", "ns.far.net.", glue=(ONE, TWO))
    hand = Hand(at, "www.example.org.", until="example.org.")
    hand.hurry()
    assert sorted(hand.hosts()) == [ONE, TWO]
    ask = hand.open.pop(0) if is_example(hand.open[0]) else hand.open.pop()
    before = len(hand.sent)
    if how == "refuses":
        response = at.answer(ask)._replace(rcode=REFUSED, answer=(), authority=())
        hand.take(hand.resolution.responded(ask.token, response, at.now_s))
    else:
        hand.take(hand.resolution.failed(ask.token, "no response", at.now_s))
    assert [ask.qname for ask in hand.sent[before:]] == [wire("net.")], "for ns.far.net."


def is_example(ask: Ask) -> bool:
    return ask.zone == EXAMPLE


# -- where somebody without authority has said something


@pytest.mark.parametrize("how", ["dead", "silent once"])
def test_who_says_nothing_is_not_waited_for_where_there_is_something_to_tell(how: str) -> None:
    at = world()
    hand = Hand(at, "www.example.org.", until="example.org.")
    other = other_than(hand)
    if how == "dead":
        silent_about(at, other, 3)
    else:
        hand.hurry()
        late = next(ask for ask in hand.open if ask.address == other)
        hand.open.remove(late)
        hand.take(hand.resolution.failed(late.token, "no response", at.now_s))
        hand.open = [ask for ask in hand.open if ask.address != other]
    before = len(hand.sent)
    (ask,) = [ask for ask in hand.open if is_example(ask)][:1]
    response = at.answer(ask)._replace(authoritative=False, recursive=True)
    hand.take(hand.resolution.responded(ask.token, response, at.now_s))
    assert hand.sent[before:] == []
    assert hand.resolution.outcome is not None
    assert texts(hand.resolution.outcome) == ["www.example.org. A 192.0.2.1"]


def test_one_server_is_asked_three_times_for_one_thing() -> None:
    """Over UDP, over TCP as it changed the case, and over UDP once more as nobody answered there."""
    at = world()
    delegated_to(at, "ns1.example.org.", glue=(ONE,))
    host = at.hosts[ONE]
    host.mixes_case, host.tcp = True, False
    host.behave = lambda ask, response: None if ask.keep_case else response
    assert at.resolve("www.example.org.").rcode == SERVFAIL
    assert Counter(ask.address.host for ask in at.asked)[ONE] == UDP_EACH


def test_one_that_another_question_finds_out_about_is_named() -> None:
    """It has not answered for long: one question at a time asks whether it still does not."""
    for hosts in ((ONE,), (ONE, TWO)):
        at = world()
        delegated_to(at, *(f"ns{number}.example.org." for number in range(1, 1 + len(hosts))), glue=hosts)
        for host in hosts:
            silent_about(at, Address(host), 6)
            at.known.servers.tried(Address(host), EXAMPLE, at.now_s + 100)
        found = at.resolve("www.example.org.")
        assert found.rcode == SERVFAIL
        assert found.detail in [f"{host}: has not answered for long" for host in hosts]
        assert {ask.address.host for ask in at.asked} == {"198.41.0.4", ORG}


# -- the way down


def test_a_name_that_was_shown_whole_is_shown_whole_to_those_below() -> None:
    """Nobody answered for a part of it: so it may be below, too."""
    deep = "a.b.c.d.e.sub.example.org."
    at = world()
    cut = RRset(wire("sub.example.org."), 2, 60, (wire("ns.sub.example.org."),))
    at.host("10.8.0.1", Zone("sub.example.org.").add(deep, "A", "192.0.2.9"))
    for host in (ONE, TWO):
        at.hosts[host].zones[0].add("sub.example.org.", "NS", "ns.sub.example.org.")
        at.hosts[host].zones[0].add("ns.sub.example.org.", "A", "10.8.0.1")
        at.hosts[host].behave = lambda ask, response: (
            response if ask.qname == wire(deep) else response._replace(rcode=SERVFAIL, authority=())
        )
    assert texts(at.resolve(deep)) == [f"{deep} A 192.0.2.9"]
    assert [ask.qname for ask in at.asked if ask.address.host == "10.8.0.1"] == [wire(deep)]
    assert cut.owner in [ask.qname for ask in at.asked if ask.address.host in (ONE, TWO)], "it was tried"


@pytest.mark.parametrize(("age_s", "asks_above"), [(60.0, False), (60.5, True)])
def test_a_delegation_of_more_than_a_minute_may_have_changed(age_s: float, asks_above: bool) -> None:
    at = world()
    cut = RRset(EXAMPLE, 2, 3600, (wire("ns1.example.org."),))
    at.known.cache.put_delegation(cut, zone=wire("org."), now_s=at.now_s)
    at.known.cache.put(wire("ns1.example.org."), A, (bytes((10, 0, 0, 2)),), trust=store.ADDITIONAL, ttl_s=3600,
                       now_s=at.now_s, zone=wire("org."))
    at.hosts[ONE].zones = []
    at.now_s += age_s
    hand = Hand(at, "www.example.org.", until="example.org.")
    ask = hand.open.pop()
    hand.take(hand.resolution.responded(ask.token, at.answer(ask), at.now_s))
    assert any(ask.zone != EXAMPLE for ask in hand.sent) is asks_above


def test_names_that_do_not_exist_are_each_looked_for_once() -> None:
    """Also where that may not be kept, as there is no SOA beside it."""
    at = world()
    at.hosts[NET].behave = lambda ask, response: response._replace(authority=())
    delegated_to(at, "ns.net.", "other.net.")
    assert at.resolve("www.example.org.").rcode == SERVFAIL
    assert sorted(ask.qname for ask in at.asked if is_net(ask)) == [wire("ns.net."), wire("other.net.")]


def test_names_that_have_an_address_are_not_looked_for_though_nobody_answers_there() -> None:
    for seed in range(6):
        at = world(seed)
        at.hosts[NET].zones[0].add("ns.v.net.", "A", ONE)
        delegated_to(at, "dead.v.org.", "ns.v.net.")
        at.hosts[ORG].zones[0].add("dead.v.org.", "A", "10.66.0.1", ttl_s=0)
        assert at.resolve("www.example.org.").rcode == NOERROR
        assert not any(is_within(ask.qname, wire("v.org.")) for ask in at.asked), seed


def test_forwarders_that_refuse_are_asked_once_each() -> None:
    """There is nobody above who could name others."""
    at = world()
    for host in ("10.9.0.1", "10.9.0.2"):
        at.host(host, behave=lambda ask, response: response._replace(rcode=REFUSED))
    at.known.forwards = (Forward(EXAMPLE, (Address("10.9.0.1"), Address("10.9.0.2"))),)
    assert at.resolve("www.example.org.").rcode == SERVFAIL
    assert sorted(ask.address.host for ask in at.asked) == ["10.9.0.1", "10.9.0.2"]


def test_addresses_of_both_kinds_of_a_name_server_are_used_though_they_may_not_be_kept() -> None:
    at = world(ipv6=True)
    at.hosts[NET].zones[0].add("ns.net.", "A", "10.8.0.1", ttl_s=0).add("ns.net.", "AAAA", "2001:db8::8", ttl_s=0)
    delegated_to(at, "ns.net.")
    for host in ("10.8.0.1", "2001:db8::8"):
        at.host(host, behave=lambda ask, response: response._replace(rcode=REFUSED))
    resolution = Resolution(Question(wire("www.example.org."), A), at.known)
    assert at.drive(resolution, []).rcode == SERVFAIL
    assert {each.host for each in resolution._top.glue[wire("ns.net.")]} == {"10.8.0.1", "2001:db8::8"}


def test_after_the_most_queries_nothing_more_is_sent() -> None:
    at = world(ipv6=True)
    delegated_to(at, "ns.far.net.")
    resolution = Resolution(Question(wire("www.example.org."), A), at.known)
    resolution.packets = MAX_PACKETS - 2
    found = at.drive(resolution, [])
    assert (found.rcode, found.detail) == (SERVFAIL, f"more than {MAX_PACKETS} queries")
    assert (len(at.asked), set(resolution.limits)) == (2, {"packets"})
