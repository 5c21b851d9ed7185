"""Servers that have been dead for long: one question at a time finds out about that, the others do not wait."""

from __future__ import annotations

from streamdns.dns.wire import NOERROR, REFUSED, SERVFAIL
from streamdns.resolver.resolution.question import Forward
from streamdns.resolver.resolution.resolution import Ask, Resolution
from streamdns.resolver.resolution.servers import Address
from tests.harness.hierarchy import World, Zone, wire
from tests.unit.resolver.test_resolution import world

BOTH = ("10.0.0.2", "10.0.0.3")
ZONE = wire("example.org.")


def long_dead(*hosts: str, rounds: int = 6) -> World:
    """A world in which these do not answer, which is known; all others are known to answer."""
    at = world()
    at.resolve("www.example.org.")
    for host in hosts:
        at.hosts[host].dead = True
        for _ in range(rounds):
            at.known.servers.timed_out(Address(host), at.now_s, zone=ZONE)
    at.known.cache.flush(wire("www.example.org."))
    return at


def begun(at: World, number: int) -> tuple[Resolution, list[Ask]]:
    """A question for another name of the zone, and what it sends at once."""
    resolution = at.resolution(f"n{number}.example.org.")
    return resolution, resolution.start(at.now_s)


def asked(begun: list[tuple[Resolution, list[Ask]]]) -> list[str]:
    return [ask.address.host for _, asks in begun for ask in asks if ask.address.host in BOTH]


def test_a_flood_of_names_below_dead_servers_sends_little() -> None:
    """Each server is asked once, by somebody; who comes later is told at once."""
    at = long_dead(*BOTH)
    flood = [begun(at, number) for number in range(100)]
    assert sorted(asked(flood)) == list(BOTH)
    ended = [resolution.outcome for resolution, _ in flood if resolution.outcome is not None]
    assert len(ended) == 98
    assert {(outcome.rcode, outcome.ede) for outcome in ended} == {(SERVFAIL, 23)}
    assert "has not answered for long" in ended[0].detail


def test_the_next_one_finds_out_when_the_first_has() -> None:
    at = long_dead(*BOTH)
    (first, (ask,)), (second, (other,)) = begun(at, 1), begun(at, 2)
    assert begun(at, 3)[0].outcome is not None
    at.now_s += ask.timeout_s
    for resolution, token in ((first, ask.token), (second, other.token)):
        resolution.expired()
        assert resolution.failed(token, "no response", at.now_s) == []
    assert asked([begun(at, number) for number in range(4, 8)]) != []


def test_it_is_over_with_the_first_answer() -> None:
    at = long_dead(*BOTH)
    (ask,) = begun(at, 1)[1]
    at.known.servers.answered(ask.address, 0.01, ZONE)
    assert asked([begun(at, number) for number in range(2, 5)]).count(ask.address.host) == 3


def test_a_try_that_nobody_ends_does_not_hold_for_ever() -> None:
    at = long_dead(*BOTH)
    begun(at, 1), begun(at, 2)
    assert asked([begun(at, 3)]) == []
    at.now_s += 3.0
    assert asked([begun(at, 4)]) != []


def test_a_few_lost_packets_are_not_enough() -> None:
    """Three time-outs in a row may be chance: everybody still tries."""
    at = long_dead(*BOTH, rounds=3)
    assert len(asked([begun(at, number) for number in range(10)])) == 10


def test_the_living_are_asked_all_the_same() -> None:
    at = long_dead(BOTH[0])
    at.known.servers.tried(Address(BOTH[0]), ZONE, at.now_s + 1000.0)
    at.asked.clear()
    for _ in range(20):
        at.known.cache.flush(wire("www.example.org."))
        assert at.resolve("www.example.org.").rcode == NOERROR
    assert {ask.address.host for ask in at.asked} == {BOTH[1]}


def test_who_is_silent_about_a_zone_that_is_not_his_answers_for_his_own() -> None:
    """A stranger may delegate to servers that say nothing about zones they do not have."""
    at = world()
    at.hosts["10.0.0.1"].zones[0].add("evil.org.", "NS", "ns1.example.org.", "ns2.example.org.")
    for host in BOTH:
        at.hosts[host].behave = lambda ask, response: None if response.rcode == REFUSED else response
    for number in range(20):
        assert at.resolve(f"n{number}.evil.org.").rcode == SERVFAIL
    evil = at.resolution("another.evil.org.")
    assert evil.start(at.now_s)
    assert at.resolution("and.another.evil.org.").start(at.now_s) == []
    found = at.resolve("www.example.org.")
    assert found.rcode == NOERROR, at.trace


def test_a_forwarder_that_is_silent_about_some_names_is_asked_for_others() -> None:
    at = world()
    at.known.forwards = (Forward(b"\0", (Address("10.9.9.1"),)),)
    forwarder = at.host("10.9.9.1", Zone("example.org.").add("www.example.org.", "A", "192.0.2.1"))
    forwarder.behave = lambda ask, response: None if response.rcode == REFUSED else response
    for number in range(10):
        assert at.resolve(f"n{number}.dead.test.").rcode == SERVFAIL
    assert at.resolution("another.dead.test.").start(at.now_s)
    found = at.resolve("www.example.org.")
    assert (found.rcode, found.packets) == (NOERROR, 1), at.trace
