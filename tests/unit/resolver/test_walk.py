"""The rules of a resolution's way, one by one: what it tells, which limits it met, whom it looks for, whom it asks."""

from __future__ import annotations

import pytest

from streamdns.dns.wire import AAAA, NOERROR, NXDOMAIN, REFUSED, SERVFAIL, A
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution.job import Job
from streamdns.resolver.resolution.load import Load
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.resolution import Forward, Resolution
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.resolution.walk import MAX_DEPTH, MAX_FOR_NAMES, MAX_FOR_NAMES_HIGH, MAX_LOOKUPS, MAX_NS_NAMES
from tests.harness.hierarchy import World, Zone, texts, wire
from tests.unit.resolver.test_resolution import world
from tests.unit.resolver.test_resolution_borders import forwarding, own
from tests.unit.resolver.test_resolution_hurry import ONE, TWO, delegated_to, world_of_aliases

LOOKING = "looking for the addresses of "


def resolved(at: World, qname: str, rdtype: str = "A") -> tuple[Resolution, list[str]]:
    """One resolution at its end, and what it told. It ends when there is nothing left to do, not when time is over."""
    trace: list[str] = []
    resolution = at.resolution(qname, rdtype)
    resolution._trace = trace.append
    began_s = at.now_s
    at.drive(resolution, trace)
    assert at.now_s - began_s < 3.0, trace
    return resolution, trace


def looked_for(trace: list[str]) -> list[str]:
    return [line.removeprefix(LOOKING) for line in trace if line.startswith(LOOKING)]


# -- what it tells


def test_every_turn_of_the_way_is_told() -> None:
    at = world()
    at.hosts[ONE].zones[0].add("in.example.org.", "CNAME", "www.far.net.")
    at.hosts["10.0.1.1"].zones[0].add("far.net.", "NS", "ns1.example.org.")
    at.hosts[ONE].zones.append(Zone("far.net.").add("www.far.net.", "A", "192.0.2.9"))
    resolution, trace = resolved(at, "in.example.org.")
    assert texts(resolution.outcome)[1:] == ["www.far.net. A 192.0.2.9"]  # type: ignore[arg-type]
    assert "an alias: on with www.far.net." in trace
    assert looked_for(resolved(at, "www.far.net.")[1]) == []
    at.known.cache.flush()
    assert looked_for(resolved(at, "www.far.net.")[1]) == ["ns1.example.org."]


def test_a_part_of_the_name_that_nobody_answers_for_is_told() -> None:
    at = world()
    for host in (ONE, TWO):
        at.hosts[host].behave = lambda ask, response: (
            response if ask.qname == wire("a.b.c.d.e.example.org.") else response._replace(rcode=SERVFAIL)
        )
    resolution, trace = resolved(at, "a.b.c.d.e.example.org.", "TXT")
    assert resolution.outcome is not None
    assert resolution.outcome.rcode == NOERROR
    assert trace.count("nobody answers for a part of the name: all of it is asked for") == 1
    assert resolution.outcome.packets == 2 + 2 + 1, "both for a part, one for all of it"


def test_a_delegation_whose_servers_died_is_asked_for_anew() -> None:
    at = world()
    at.resolve("www.example.org.")
    at.now_s += 400
    for host in (ONE, TWO):
        at.known.servers.timed_out(Address(host), at.now_s, unreachable=True)
    resolution, trace = resolved(at, "www.example.org.")
    assert resolution.outcome is not None
    assert resolution.outcome.rcode == NOERROR
    assert "all servers of the delegation as it was known are dead" in trace
    assert wire("example.org.") in [ask.qname for ask in at.asked[3:]], "org. was asked for it"


def test_an_answer_has_no_error_and_reasons_of_failures_are_those_of_the_last_four() -> None:
    at = world()
    found = at.resolve("www.example.org.")
    assert (found.ede, found.detail) == (-1, "")
    found = at.resolve("nothing.example.org.")
    assert (found.rcode, found.ede, found.detail) == (NXDOMAIN, -1, "")
    delegated_to(at, *(f"n{number}.example.org." for number in range(6)),
                 glue=tuple(f"10.1.0.{number}" for number in range(6)))
    for number in range(6):
        at.host(f"10.1.0.{number}", behave=lambda ask, response: response._replace(rcode=REFUSED))
    at.known.cache.flush()
    reasons = at.resolve("www.example.org.").detail.split("; ")
    assert len(set(reasons)) == 4
    assert all(reason.startswith("10.1.0.") and reason.endswith("REFUSED") for reason in reasons), reasons


def test_without_any_address_it_is_said_so() -> None:
    at = world()
    delegated_to(at, "ns.nothing.example.org.")
    found = resolved(at, "www.example.org.")[0].outcome
    assert found is not None
    assert (found.rcode, found.detail) == (SERVFAIL, "no name server has an address that may be asked")


def test_a_failure_is_kept_for_the_name_that_was_asked_for_and_for_its_alias() -> None:
    at = world()
    at.hosts[ONE].zones[0].add("in.example.org.", "CNAME", "www.far.net.")
    at.hosts[TWO].zones[0].add("in.example.org.", "CNAME", "www.far.net.")
    at.hosts["10.0.1.1"].zones[0].add("far.net.", "NS", "ns.nothing.net.")
    assert at.resolve("in.example.org.").rcode == SERVFAIL
    kept = [at.known.cache.get(wire(name), A, at.now_s) for name in ("in.example.org.", "www.far.net.")]
    assert [entry and entry.kind for entry in kept] == [store.FAILURE] * 2
    assert at.known.cache.get(b"", A, at.now_s) is None


# -- limits


def test_limits_that_were_met_are_named() -> None:
    at = world_of_aliases()
    circle, _ = resolved(at, "a.example.org.")
    assert circle.limits == {"aliases"}
    assert circle.outcome is not None
    assert circle.outcome.packets <= 5, "it ends where it comes back, not after sixteen"
    at.known.cache.flush()
    assert resolved(at, "c0.example.org.")[0].limits == {"aliases"}
    at.known.cache.flush()
    sixteen, _ = resolved(at, "c4.example.org.")
    assert sixteen.limits == set()
    assert texts(sixteen.outcome)[16:] == ["c20.example.org. A 192.0.2.20"]  # type: ignore[arg-type]
    assert resolved(at, "c4.example.org.")[0].limits == set(), "from the cache as well"
    assert resolved(at, "www.example.org.")[0].limits == set()


def test_names_of_servers_that_are_looked_for_have_an_end() -> None:
    """Each of five needs five others: twelve for one question, each of them once."""
    at = World()
    root = Zone(".").add(".", "NS", "a.root.").add("a.root.", "A", "198.41.0.4")
    for number in range(40):
        root.add(f"z{number}.", "NS", *(f"ns.z{5 * number + each}." for each in range(1, 6)))
    at.host("198.41.0.4", root)
    resolution, trace = resolved(at, "www.z0.")
    assert resolution.limits == {"lookups"}
    names = looked_for(trace)
    assert (len(names), len(set(names))) == (MAX_LOOKUPS, MAX_LOOKUPS)


def wide(at: World, count: int) -> list[str]:
    """Delegate example.org. to names elsewhere that have no addresses, each in a zone of its own."""
    names = [f"ns.w{number}.net." for number in range(count)]
    net = at.hosts["10.0.1.1"].zones[0]
    for name in names:
        net.add(name, "TXT", '"no address"')
    delegated_to(at, *names)
    return names


def test_five_names_of_a_delegation_are_looked_for() -> None:
    at = world()
    names = wide(at, 8)
    _, trace = resolved(at, "www.example.org.")
    found = looked_for(trace)
    assert (len(found), len(set(found) & set(names))) == (MAX_NS_NAMES, MAX_NS_NAMES)


def test_names_whose_addresses_are_known_not_to_be_cost_no_try() -> None:
    for seed in range(6):
        at = world(seed=seed)
        names = wide(at, 8)
        for name in names[:7]:
            at.known.cache.put_negative(wire(name), A, store.NODATA, soa_owner=wire("net."), soa=(), ttl_s=60,
                                        now_s=at.now_s, zone=wire("net."))
        assert looked_for(resolved(at, "www.example.org.")[1]) == names[7:], seed


def test_names_outside_of_the_zone_are_looked_for_first() -> None:
    for seed in range(6):
        at = world(seed=seed)
        at.hosts["10.0.1.1"].zones[0].add("ns.v.net.", "A", ONE)
        delegated_to(at, *(f"n{number}.example.org." for number in range(4)), "ns.v.net.")
        resolution, trace = resolved(at, "www.example.org.")
        assert looked_for(trace) == ["ns.v.net."], seed
        assert resolution.outcome is not None
        assert resolution.outcome.rcode == NOERROR


def test_names_that_came_with_an_address_are_not_looked_for() -> None:
    at = world()
    at.hosts["10.0.1.1"].zones[0].add("ns.v.net.", "A", ONE)
    delegated_to(at, "dead.example.org.", "ns.v.net.", glue=("10.66.0.1",))
    assert looked_for(resolved(at, "www.example.org.")[1]) == ["ns.v.net."]


def test_names_of_servers_in_a_circle_are_looked_for_once() -> None:
    at = world()
    net = at.hosts["10.0.1.1"].zones[0]
    net.add("one.net.", "NS", "ns.two.net.").add("two.net.", "NS", "ns.one.net.")
    resolution, trace = resolved(at, "www.one.net.")
    assert resolution.outcome is not None
    assert resolution.outcome.rcode == SERVFAIL
    assert looked_for(trace) == ["ns.two.net.", "ns.one.net."]


def test_how_deep_it_looks() -> None:
    at = World()
    root = Zone(".").add(".", "NS", "a.root.").add("a.root.", "A", "198.41.0.4")
    for number in range(12):
        root.add(f"z{number}.", "NS", f"ns.z{number + 1}.")
    at.host("198.41.0.4", root)
    assert looked_for(resolved(at, "www.z0.")[1]) == [f"ns.z{number}." for number in range(1, MAX_DEPTH + 1)]


@pytest.mark.parametrize("ipv6", [True, False])
def test_both_kinds_of_addresses_are_looked_for_where_there_is_ipv6(ipv6: bool) -> None:
    at = world(ipv6=ipv6)
    at.hosts["10.0.1.1"].zones[0].add("ns.v.net.", "AAAA", "2001:db8::1").add("ns.v.net.", "A", ONE)
    delegated_to(at, "ns.v.net.")
    resolved(at, "www.example.org.")
    types = {ask.qtype for ask in at.asked if ask.qname == wire("ns.v.net.")}
    assert types == ({A, AAAA} if ipv6 else {A})


@pytest.mark.parametrize(("zone", "most"), [
    (".", MAX_FOR_NAMES_HIGH), ("org.", MAX_FOR_NAMES_HIGH), ("example.org.", MAX_FOR_NAMES),
    ("a.example.org.", MAX_FOR_NAMES),
])
def test_queries_for_names_of_servers_are_counted_by_zone_and_below_the_top_by_server(zone: str, most: int) -> None:
    at = world()
    one, other = Address("192.0.2.1"), Address("192.0.2.2")

    def job(resolution: Resolution, at_zone: str) -> Job:
        made = Job(wire("ns.elsewhere."), A, resolution._top, 1, 0, wire("ns.elsewhere."))
        made.zone = wire(at_zone)
        return made

    for servers, zones, together in (
        ((one, one), (zone, zone), True), ((one, other), (zone, zone), True),
        ((one, one), (zone, "b.example.net."), most == MAX_FOR_NAMES), ((one, other), (zone, "b.example.net."), False),
    ):
        resolution = at.resolution("www.example.org.")
        for _ in range(most - 1):
            assert resolution._may_send_for_names(job(resolution, zones[0]), servers[0])
        last = job(resolution, zones[1])
        assert resolution._may_send_for_names(last, servers[1]), "the last of so many"
        waiting = job(resolution, zones[1])
        waiting.waiting = 1
        assert together is (not resolution._may_send_for_names(waiting, servers[1]))
        assert not waiting.done, "what is on its way for it may be answered yet"
        again = job(resolution, zones[1])
        assert resolution._may_send_for_names(again, servers[1]) is not together, (servers, zones)
        assert again.done is together
        assert resolution.limits == ({"lookups"} if together else set())
        if together:
            assert again.outcome is not None
            assert (again.outcome.ede, again.outcome.detail) == (0, "too many queries for addresses of name servers")
            assert list(at.known.cache.entries_of(wire("ns.elsewhere."))) == [], "it is no failure of the name"


def test_who_may_be_sent_to() -> None:
    """Of a zone's servers those that neither have too much on its way nor have cost too much, and why none is left."""
    at = world()
    one, two = Address(ONE), Address(TWO)
    zone, elsewhere = wire("example.org."), wire("example.net.")

    def free(load: Load, *costly: tuple[Address, bytes], recursive: bool = False) -> tuple[list[Address], set[str]]:
        at.known.load = load
        resolution = at.resolution("www.example.org.")
        job = resolution._top
        job.zone, job.recursive = zone, recursive
        for address, whose in costly:
            for _ in range(3 if whose == zone else 6):
                at.known.costs.charge(address, whose, 22_000, at.now_s)
        found = resolution._free(job, [one, two], at.now_s)
        at.known.costs._debts.clear()
        return found, resolution.limits

    assert free(Load()) == ([one, two], set())
    assert free(Load(0, 1, servers={one: 1})) == ([two], set())
    assert free(Load(0, 1, servers={one: 1, two: 1})) == ([], {"server"})
    assert free(Load(1, 0, zones={zone: 1})) == ([], {"zone"})
    assert free(Load(1, 0, zones={zone: 1}), recursive=True) == ([one, two], set())
    assert free(Load(1, 0, zones={elsewhere: 1})) == ([one, two], set())
    assert free(Load(), (one, elsewhere)) == ([two], set())
    assert free(Load(), (one, elsewhere), (two, elsewhere)) == ([], {"work"})
    assert free(Load(), (Address("192.0.2.99"), zone)) == ([], {"work"})
    assert free(Load(0, 1, servers={one: 1, two: 1}), (one, elsewhere)) == ([], {"server"})


# -- whom it asks


def test_the_port_is_that_of_the_settings() -> None:
    """For servers from glue, from the cache, and those whose names had to be looked for."""
    for seed in range(8):
        at = world(seed)
        at.known.port = 5300
        at.hosts["10.0.1.1"].zones[0].add("far.net.", "NS", "ns1.example.org.")
        far = Zone("far.net.").add("www.far.net.", "A", "192.0.2.9").add("w2.far.net.", "A", "192.0.2.8")
        at.hosts[ONE].zones.append(far)
        for name in ("www.far.net.", "w2.far.net.", "www.example.org."):
            assert at.resolve(name).rcode == NOERROR
        ports = {(ask.address.host == "198.41.0.4", ask.address.port) for ask in at.asked}
        assert ports == {(True, 53), (False, 5300)}, "those of the root servers are given"


def test_glue_is_kept_as_the_word_of_the_zone_above() -> None:
    at = world()
    at.resolve("www.example.org.")
    entry = at.known.cache.get(wire("ns1.example.org."), A, at.now_s)
    assert entry is not None
    assert (entry.zone, entry.trust) == (wire("org."), store.ADDITIONAL)


def test_a_cut_of_our_own_is_not_kept() -> None:
    """It is known anyway, and may change at any moment."""
    at = world()
    own(at, Zone("ours.").add("sub.ours.", "NS", "ns.sub.ours.").add("ns.sub.ours.", "A", "10.7.0.1"))
    at.host("10.7.0.1", Zone("sub.ours.").add("www.sub.ours.", "A", "192.0.2.78"))
    assert texts(at.resolve("www.sub.ours.")) == ["www.sub.ours. A 192.0.2.78"]
    assert at.known.cache.delegation(wire("www.sub.ours."), at.now_s) is None


def test_a_cut_of_our_own_goes_before_a_forward_zone_of_the_same_name() -> None:
    at = world()
    own(at, Zone("ours.").add("sub.ours.", "NS", "ns.sub.ours.").add("ns.sub.ours.", "A", "10.7.0.1"))
    at.host("10.7.0.1", Zone("sub.ours.").add("www.sub.ours.", "A", "192.0.2.78"))
    at.host("10.9.0.1", Zone("sub.ours.").add("www.sub.ours.", "A", "192.0.2.66"))
    forwarding(at, ("sub.ours.", "10.9.0.1"))
    assert texts(at.resolve("www.sub.ours.")) == ["www.sub.ours. A 192.0.2.78"]


def test_what_the_world_said_of_a_cut_behind_ours_is_forgotten() -> None:
    at = world()
    at.host("10.7.0.1", Zone("sub.example.org.").add("www.in.sub.example.org.", "A", "192.0.2.78"))
    at.host("10.6.6.6", Zone("in.sub.example.org.").add("www.in.sub.example.org.", "A", "192.0.2.66"))
    theirs = RRset(wire("in.sub.example.org."), 2, 600, (wire("ns.evil."),))
    at.known.cache.put_delegation(theirs, zone=wire("example.org."), now_s=at.now_s)
    at.known.cache.put(wire("ns.evil."), A, (bytes((10, 6, 6, 6)),), trust=store.ANSWER, ttl_s=600, now_s=at.now_s)
    cut = Zone("example.org.").add("sub.example.org.", "NS", "ns.sub.example.org.")
    own(at, cut.add("ns.sub.example.org.", "A", "10.7.0.1"))
    assert texts(at.resolve("www.in.sub.example.org.")) == ["www.in.sub.example.org. A 192.0.2.78"]
    assert at.known.cache.delegation(wire("in.sub.example.org."), at.now_s) is None


def test_forwarders_that_do_not_answer_end_it() -> None:
    at = world()
    at.host("10.9.0.1", behave=lambda ask, response: response._replace(rcode=REFUSED))
    forwarding(at, ("example.org.", "10.9.0.1"))
    found = at.resolve("www.example.org.")
    assert (found.rcode, {ask.address.host for ask in at.asked}) == (SERVFAIL, {"10.9.0.1"})
    at.known.cache.flush()
    at.known.forwards = (Forward(wire("example.org."), (Address("10.66.0.1"),)),)
    assert at.resolve("www.example.org.").rcode == SERVFAIL


def test_addresses_of_a_zone_s_servers_that_ended_are_had_from_above() -> None:
    """The delegation is known on, the addresses in it are not: the zone itself cannot be asked for them."""
    at = world()
    org = at.hosts["10.0.0.1"].zones[0]
    for name, host in (("ns1.example.org.", ONE), ("ns2.example.org.", TWO)):
        org.add(name, "A", host, ttl_s=10)
    at.resolve("www.example.org.")
    at.known.cache.forget(wire("www.example.org."), A)
    at.now_s += 30
    before = len(at.asked)
    assert at.resolve("www.example.org.").rcode == NOERROR
    assert {ask.address.host for ask in at.asked[before:]} - {ONE, TWO} == {"10.0.0.1"}


def test_after_an_alias_the_next_name_is_shown_label_by_label_again() -> None:
    steps, deep = [], "a.b.c.d.e.f.g.h.i.j.k.far.net."
    for name in ("to.example.org.", deep):
        at = world()
        for host in (ONE, TWO):
            at.hosts[host].zones[0].add("to.example.org.", "CNAME", deep)
        at.hosts["10.0.1.1"].zones[0].add("far.net.", "NS", "ns.far.net.").add("ns.far.net.", "A", "10.5.0.1")
        at.host("10.5.0.1", Zone("far.net.").add(deep, "A", "192.0.2.5"))
        assert at.resolve(name).rcode == NOERROR
        steps.append([ask.qname for ask in at.asked if ask.qname.endswith(wire("net."))])
    assert steps[0] == steps[1]
    assert steps[0][:4] == [wire(each) for each in ("net.", "far.net.", "k.far.net.", "j.k.far.net.")]
    assert 6 < len(steps[0]) < 13, "and then in larger steps"


def test_where_ipv6_does_not_work_it_is_asked_only_for_want_of_others() -> None:
    at = world(ipv6=True)
    four, six = Address("192.0.2.1"), Address("2001:db8::1")
    resolution = at.resolution("www.example.org.")
    job = resolution._top
    job.zone = wire("example.org.")

    def usable(*addresses: Address) -> list[Address]:
        job.fixed = addresses
        return resolution._usable(job, at.now_s)

    assert usable(six, four) == [six, four]
    for number in range(3):
        at.known.servers.timed_out(Address(f"2001:db8::{number + 2}"), at.now_s)
    assert not at.known.servers.ipv6_works(at.now_s)
    assert (usable(six, four), usable(six)) == ([four], [six])
    job.useless = frozenset((four,))
    assert usable(six, four) == [six]


@pytest.mark.parametrize("ipv6", [True, False])
def test_addresses_of_ipv6_that_are_known_are_used_where_there_is_ipv6(ipv6: bool) -> None:
    at = world(ipv6=ipv6)
    delegated_to(at, "ns.v.net.")
    at.host("2001:db8::1", *at.hosts[ONE].zones)
    at.known.cache.put(wire("ns.v.net."), AAAA, (bytes.fromhex("20010db8" + "00" * 11 + "01"),), trust=store.ANSWER,
                       ttl_s=600, now_s=at.now_s)
    found = resolved(at, "www.example.org.")[0].outcome
    assert found is not None
    assert found.rcode == (NOERROR if ipv6 else SERVFAIL)
    assert ("2001:db8::1" in {ask.address.host for ask in at.asked}) is ipv6


def test_one_name_after_the_other_is_looked_for() -> None:
    """While nobody takes long: what the first brings is often enough."""
    at = world()
    at.hosts["10.0.1.1"].zones[0].add("ns.a.net.", "A", ONE).add("ns.b.net.", "A", TWO)
    delegated_to(at, "ns.a.net.", "ns.b.net.")
    resolution, trace = resolved(at, "www.example.org.")
    assert resolution.outcome is not None
    assert resolution.outcome.rcode == NOERROR
    assert len(looked_for(trace)) == 1
