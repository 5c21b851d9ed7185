"""Attacks through delegations, in memory: what they make us send to others, how long they live, what they cost."""

from __future__ import annotations

import random

import pytest

from streamdns.dns.wire import NOERROR, SERVFAIL
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution.costs import MOST_US, Costs
from streamdns.resolver.resolution.job import Job
from streamdns.resolver.resolution.load import Load
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.resolution import Ask, Question, Resolution
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.resolution.walk import MAX_FOR_NAMES
from tests.harness.hierarchy import Behaviour, World, Zone, texts, wire

VICTIM, EVIL = "10.6.6.6", "10.7.7.7"


def world(*, ipv6: bool = False) -> World:
    """Root, example., victim.example. and evil.example."""
    at = World(ipv6=ipv6)
    root = Zone(".").add(".", "NS", "a.root.").add("a.root.", "A", "198.41.0.4")
    root.add("example.", "NS", "a.nic.example.").add("a.nic.example.", "A", "10.0.0.1")
    at.example = example = Zone("example.").add("example.", "NS", "a.nic.example.")  # type: ignore[attr-defined]
    for name, address in (("victim", VICTIM), ("evil", EVIL)):
        example.add(f"{name}.example.", "NS", f"ns.{name}.example.").add(f"ns.{name}.example.", "A", address)
    at.host("198.41.0.4", root)
    at.host("10.0.0.1", example)
    at.host(VICTIM, Zone("victim.example."))
    at.host(EVIL, Zone("evil.example."))
    return at


def delegating(levels: int, *, deep: bool) -> Behaviour:
    """A server that delegates what is below its zone to 20 names of zones of its own, these to 20 others, and so on,
    and those of the last level to 20 names of the victim's.
    """
    rng = random.Random(levels)

    def behave(ask: Ask, response: Response) -> Response:
        name = ask.qname
        if name == wire("evil.example.") or not name.endswith(wire("evil.example.")):
            return response
        label = name[: -len(wire("evil.example."))].rsplit(b"_")[-1]
        level = int(label or b"0")
        if level + 1 < levels:
            targets = [wire(f"t.n{rng.randrange(1 << 30)}_{level + 1}.evil.example.") for _ in range(20)]
        else:
            tail = "a.b.c.d.e." if deep else ""
            targets = [wire(f"{rng.randrange(1 << 30):x}.{tail}victim.example.") for _ in range(20)]
        cut = name[2:] if name.startswith(b"\1t") else name
        return response._replace(authoritative=False, answer=(), rcode=0,
                                 authority=(RRset(cut, 2, 60, tuple(targets)),))

    return behave


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("wildcard", [False, True])
@pytest.mark.parametrize("levels", [1, 2, 3, 5])
def test_a_question_sends_few_packets_to_a_victim(levels: int, wildcard: bool, deep: bool, ipv6: bool) -> None:
    """NXNSAttack over several levels of delegations, to names that are there or not, however deep."""
    at = world(ipv6=ipv6)
    at.hosts[EVIL].behave = delegating(levels, deep=deep)
    if wildcard:
        def there(ask: Ask, response: Response) -> Response:
            address = RRset(ask.qname, 1, 60, (b"\x0a\6\6\6",))
            return response._replace(rcode=0, authority=(), answer=(address,) if ask.qtype == 1 else ())

        at.hosts[VICTIM].behave = there
    at.resolve("x_0.evil.example.")
    assert sum(ask.address.host == VICTIM for ask in at.asked) <= 12, at.trace


class Counted(Resolution):
    """A resolution that counts the names which it looks up among what is known in each of its steps."""

    most = _here = 0

    def count(self) -> None:
        """A step is over."""
        self.most, self._here = max(self.most, self._here), 0

    def _known_already(self, job: Job, now_s: float) -> bool:
        self._here += 1
        return super()._known_already(job, now_s)

    def _take(self) -> list[Ask]:
        asks = super()._take()
        self.count()
        return asks


@pytest.mark.plain
@pytest.mark.parametrize("ipv6", [False, True])
def test_a_delegation_to_many_names_is_looked_through_in_pieces(ipv6: bool) -> None:
    """One name after the other leads nowhere, and each is a piece of its own: queries are answered in between."""
    outcomes, most = [], []
    for in_pieces in (False, True):
        at = world(ipv6=ipv6)
        names = [wire(f"gone{number}.victim.example.") for number in range(20)]
        at.hosts[EVIL].behave = lambda ask, response, names=names: response._replace(
            authoritative=False, answer=(), rcode=0, authority=(RRset(wire("x.evil.example."), 2, 60, tuple(names)),)
        )
        # Each of them is known to be an alias of what has no address: nobody has to be asked.
        target = wire("nothing.victim.example.")
        for name in names:
            at.known.cache.put(name, 5, (target,), trust=store.ANSWER, ttl_s=999, now_s=at.now_s)
        for rdtype in (1, 28):
            at.known.cache.put_negative(target, rdtype, store.NODATA, soa_owner=b"\0", soa=(), ttl_s=9, now_s=at.now_s)
        resolution = Counted(Question(wire("x.evil.example."), 1), at.known)
        resolution.in_pieces = in_pieces
        outcomes.append(at.drive(resolution, []))
        most.append(resolution.most)
    assert outcomes[0] == outcomes[1]
    assert most[1] <= 3 * (2 if ipv6 else 1) < most[0], most


@pytest.mark.parametrize("levels", [1, 3, 5])
def test_in_pieces_it_comes_to_the_same(levels: int) -> None:
    """And to as few packets."""
    seen = []
    for in_pieces in (False, True):
        at = world(ipv6=True)
        at.hosts[EVIL].behave = delegating(levels, deep=False)
        resolution = at.resolution("x_0.evil.example.")
        resolution.in_pieces = in_pieces
        outcome = at.drive(resolution, [])
        seen.append((outcome.rcode, outcome.ede, sum(ask.address.host == VICTIM for ask in at.asked)))
        assert not resolution.goes_on
    assert seen[0] == seen[1]


def test_names_that_are_not_there_end_a_delegation() -> None:
    at = world()
    at.hosts[EVIL].behave = delegating(1, deep=False)
    found = at.resolve("x_0.evil.example.")
    assert found.rcode == SERVFAIL
    assert sum(ask.address.host == VICTIM for ask in at.asked) == 3


def test_a_server_that_says_nothing_is_no_way_to_send_more() -> None:
    """Packets that get lost are sent again; all of them count."""
    at = world(ipv6=True)
    at.hosts[EVIL].behave = delegating(2, deep=True)
    at.hosts[VICTIM].dead = True
    at.resolve("x_0.evil.example.")
    assert sum(ask.address.host == VICTIM for ask in at.asked) <= MAX_FOR_NAMES


def test_a_delegation_lives_no_longer_than_the_one_above() -> None:
    """A phoenix domain: taken away by its parent, it lives on below a delegation of its own that it gave for a day,
    and gives that another one, and so on.
    """
    at = world()
    example = at.example  # type: ignore[attr-defined]
    example.add("evil.example.", "NS", "ns.evil.example.", ttl_s=3)
    zones = [at.hosts[EVIL].zones[0]]
    for number, below in enumerate(("s1.evil.example.", "s2.s1.evil.example.", "s3.s2.s1.evil.example.")):
        host = f"10.7.8.{number}"
        zones[-1].add(below, "NS", f"ns.{below}", ttl_s=86_400).add(f"ns.{below}", "A", host, ttl_s=86_400)
        zones.append(Zone(below))
        at.host(host, zones[-1])
    names = [f"{{}}.{zone.apex}" for zone in zones]
    for zone in zones:
        for label in ("old", "new", "newer"):
            zone.add(f"{label}.{zone.apex}", "A", "8.8.8.8")
    for name in names:
        assert at.resolve(name.format("old")).rcode == NOERROR, at.trace
    del example.records[wire("evil.example."), 2]
    at.now_s += 2.0  # It may live as long as it was given.
    assert at.resolve(names[2].format("new")).rcode == NOERROR, at.trace
    at.now_s += 1.1
    for name in names:
        assert at.resolve(name.format("newer")).rcode != NOERROR, at.trace


def test_a_delegation_that_was_asked_for_anew_lives_anew() -> None:
    """What its parent gives again is good for as long as that says, and so are those below."""
    at = world()
    zone = at.hosts[EVIL].zones[0]
    at.example.add("evil.example.", "NS", "ns.evil.example.", ttl_s=30)  # type: ignore[attr-defined]
    zone.add("sub.evil.example.", "NS", "ns.sub.evil.example.", ttl_s=86_400)
    zone.add("ns.sub.evil.example.", "A", "10.7.8.1")
    sub = at.host("10.7.8.1", Zone("sub.evil.example.")).zones[0]
    for number in range(4):
        sub.add(f"n{number}.sub.evil.example.", "A", "8.8.8.8")
    sent = []
    for number, passed_s in enumerate((0, 10, 25, 10)):
        at.now_s += passed_s
        found = at.resolve(f"n{number}.sub.evil.example.")
        assert found.rcode == NOERROR, at.trace
        sent.append(found.packets)
    assert sent == [4, 1, 3, 1]


def test_of_a_delegation_to_thousands_few_names_are_kept() -> None:
    at = world()
    names = tuple(wire(f"n{number}.elsewhere.example.") for number in range(900))
    glue = tuple(RRset(wire(f"n{number}.elsewhere.example."), 1, 60, tuple(
        bytes((10, 9, number, each)) for each in range(40))) for number in range(30))
    wide = RRset(wire("wide.example."), 2, 60, names)
    at.hosts["10.0.0.1"].behave = lambda ask, response: response if ask.qname != wide.owner else response._replace(
        authoritative=False, answer=(), rcode=0, authority=(wide,), additional=glue
    )
    at.resolve("x.wide.example.")
    cut = at.known.cache.delegation(wire("x.wide.example."), at.now_s)
    assert cut is not None
    assert (cut[0], len(cut[1].records)) == (wire("wide.example."), 20)
    kept = [at.known.cache.get(name, 1, at.now_s) for name in names]
    assert sum(entry is not None and entry.kind == 0 for entry in kept) <= 20
    assert max(len(entry.records) for entry in kept if entry is not None) == 10


# -- what it costs


def test_a_question_ends_when_its_servers_have_cost_too_much() -> None:
    at = world()
    resolution = at.resolution("www.evil.example.")
    (ask,) = resolution.start(at.now_s)
    resolution.spent(MOST_US, at.now_s, ask.token)
    assert resolution.outcome is None
    resolution.spent(1, at.now_s)
    assert resolution.outcome is not None
    assert (resolution.outcome.rcode, resolution.outcome.ede) == (SERVFAIL, 0)
    assert "25 ms of work" in resolution.outcome.detail
    assert (resolution.limits, resolution.spent_us) == ({"work"}, MOST_US + 1)
    assert resolution.responded(ask.token, at.answer(ask), at.now_s) == []
    # For 5 s nobody begins with it again.
    assert at.resolve("www.evil.example.").packets == 0


def test_what_replies_cost_is_charged_to_the_server_and_the_zone() -> None:
    """What is ordinary is free, and debts fade."""
    costs = Costs()
    one, other = Address("192.0.2.1"), Address("192.0.2.2")
    zone, elsewhere = wire("evil.example."), wire("good.example.")
    for _ in range(10_000):
        costs.charge(one, zone, 1_900, 0.0)
    assert (len(costs), costs.is_too_much(one, zone, 0.0)) == (0, False)
    for _ in range(7):
        costs.charge(one, zone, 10_000, 0.0)
    assert costs.is_too_much(other, zone, 0.0)
    assert not costs.is_too_much(one, elsewhere, 0.0)
    assert not costs.is_too_much(one, zone, 1.0)
    for _ in range(12):
        costs.charge(one, wire("evil2.example."), 10_000, 0.0)
    assert costs.is_too_much(one, elsewhere, 0.0)
    assert not costs.is_too_much(other, elsewhere, 0.0)
    assert not costs.is_too_much(one, elsewhere, 10.0)


def test_an_ipv6_network_is_one_server_and_accounts_are_bounded() -> None:
    costs = Costs()
    for number in range(20):
        costs.charge(Address(f"2001:db8:1:2::{number:x}"), b"\1%c\0" % number, 10_000, 0.0)
    assert costs.is_too_much(Address("2001:db8:1:2::ffff"), b"\0", 0.0)
    assert not costs.is_too_much(Address("2001:db8:1:3::1"), b"\0", 0.0)
    for number in range(10_000):
        costs.charge(Address("192.0.2.1"), number.to_bytes(2, "big"), 3_000, 0.0)
    assert len(costs) < 5000


def test_servers_that_have_cost_too_much_are_left_alone() -> None:
    """Others of the zone are asked; where there are none, it is said why. It is no failure of the name to be kept."""
    at = world()
    at.hosts[EVIL].zones[0].add("www.evil.example.", "A", "8.8.8.8")
    for _ in range(20):
        at.known.costs.charge(Address(EVIL), wire("evil.example."), 10_000, at.now_s)
    found = at.resolve("www.evil.example.")
    assert (found.rcode, found.ede) == (SERVFAIL, 0)
    assert (found.detail, [ask.address.host for ask in at.asked].count(EVIL)) == (
        "the servers of evil.example. have enough to do", 0)
    at.now_s += 20
    assert texts(at.resolve("www.evil.example.")) == ["www.evil.example. A 8.8.8.8"], at.trace


def test_what_a_forwarder_costs_is_not_its_fault() -> None:
    at = world()
    at.hosts[EVIL].zones[0].add("www.evil.example.", "A", "8.8.8.8")
    resolution = at.resolution("www.evil.example.")
    (ask,) = resolution.start(at.now_s)
    resolution._asked[ask.token][0].recursive = True
    resolution.spent(20_000, at.now_s, ask.token)
    assert (len(at.known.costs), resolution.spent_us) == (0, 20_000)


# -- how much is on its way


def full(at: World, *, zone: str = "", server: str = "") -> None:
    at.known.load = Load(3 if zone else 0, 3 if server else 0)
    for number in range(3):
        at.known.load.begins(Address(server or f"10.99.0.{number}"), wire(zone or f"z{number}."))


def asked(at: World) -> Resolution:
    resolution = at.resolution("www.evil.example.")
    at.drive(resolution, [])
    return resolution


def test_a_zone_has_no_more_on_its_way_than_it_may() -> None:
    at = world()
    at.hosts[EVIL].zones[0].add("www.evil.example.", "A", "8.8.8.8")
    full(at, zone="evil.example.")
    resolution = asked(at)
    assert resolution.outcome is not None
    assert (resolution.outcome.rcode, resolution.limits) == (SERVFAIL, {"zone"})
    assert [ask.address.host for ask in at.asked].count(EVIL) == 0
    at.known.load.ends(Address("10.99.0.0"), wire("evil.example."))
    assert at.resolve("www.evil.example.").rcode == NOERROR


def test_a_server_has_no_more_on_its_way_than_it_may() -> None:
    at = world()
    at.hosts[EVIL].zones[0].add("www.evil.example.", "A", "8.8.8.8")
    full(at, server=EVIL)
    resolution = asked(at)
    assert resolution.outcome is not None
    assert (resolution.outcome.rcode, resolution.limits) == (SERVFAIL, {"server"})
    at.example.add("evil.example.", "NS", "ns.evil.example.", "ns2.evil.example.")  # type: ignore[attr-defined]
    at.example.add("ns2.evil.example.", "A", "10.7.7.8")  # type: ignore[attr-defined]
    at.host("10.7.7.8", *at.hosts[EVIL].zones)
    at.known.cache.flush()
    assert at.resolve("www.evil.example.").rcode == NOERROR
    assert at.asked[-1].address.host == "10.7.7.8"


def test_load_without_limits() -> None:
    load = Load()
    for number in range(1000):
        load.begins(Address("192.0.2.1"), bytes((number & 1,)))
    assert not load.zone_is_full(b"\0")
    assert not load.server_is_full(Address("192.0.2.1"))
    for number in range(1000):
        load.ends(Address("192.0.2.1"), bytes((number & 1,)))
    assert (load.zones, load.servers) == ({}, {})
