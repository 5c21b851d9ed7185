"""Resolutions among servers that misbehave: what is asked of whom, and how often."""

from __future__ import annotations

import pytest

from streamdns.dns.wire import NOERROR, NXDOMAIN, SERVFAIL
from streamdns.resolver.resolution.cache import ANSWER
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.resolution import MAX_DELEGATIONS, MAX_PACKETS, Ask
from streamdns.resolver.resolution.servers import Address
from tests.harness.hierarchy import World, Zone, texts, wire
from tests.unit.resolver.test_resolution import world

ONE, TWO = "10.0.0.2", "10.0.0.3"


def asked_of(at: World, host: str) -> list[Ask]:
    return [ask for ask in at.asked if ask.address.host == host]


def again(at: World, qname: str = "www.example.org.") -> None:
    at.known.cache.flush(wire(qname))
    at.asked.clear()


def test_a_slow_server_is_not_waited_for() -> None:
    at = world()
    at.hosts[ONE].rtt_s = 1.2
    for _ in range(10):
        began_s = at.now_s
        assert at.resolve("www.example.org.").rcode == NOERROR
        assert at.now_s - began_s < 0.6, at.trace
        again(at)


def test_a_server_that_is_far_is_not_asked_much_more_than_once() -> None:
    """One server, 900 ms away: what was sent in the meantime is little, and less when that is known."""
    at = world()
    at.hosts[ONE].rtt_s = 0.9
    at.hosts[TWO].unreachable = True
    assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
    assert len(asked_of(at, ONE)) <= 6


def test_lost_packets_are_sent_again_soon() -> None:
    at = world(seed=3)
    at.hosts[ONE].loss = 0.4
    at.hosts[TWO].dead = True
    failed = 0
    for _ in range(200):
        found = at.resolve("www.example.org.")
        failed += found.rcode != NOERROR
        assert found.packets <= 12
        again(at)
        at.now_s += 6.0
    assert failed <= 1


def test_a_lame_server_is_remembered() -> None:
    at = world()
    at.hosts[ONE].behave = lambda ask, response: response._replace(
        rcode=5, answer=(), authority=(), additional=(), authoritative=False
    )
    for _ in range(20):
        assert at.resolve("www.example.org.").rcode == NOERROR
        at.known.cache.flush(wire("www.example.org."))
    assert len(asked_of(at, ONE)) == 1


def test_a_truncating_server_without_tcp_is_left_for_another() -> None:
    at = world()
    at.hosts[ONE].tcp = False
    at.hosts[ONE].behave = lambda ask, response: response._replace(
        truncated=True, answer=(), authority=(), additional=()
    )
    for _ in range(5):
        assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
        again(at)
    at.hosts[TWO].unreachable = True
    found = at.resolve("www.example.org.")
    assert (found.rcode, found.packets <= 6) == (SERVFAIL, True), at.trace


def test_a_server_that_truncates_over_tcp_is_not_believed() -> None:
    at = world()
    at.hosts[ONE].behave = at.hosts[TWO].behave = lambda ask, response: response._replace(truncated=True, answer=())
    assert at.resolve("www.example.org.").rcode == SERVFAIL


@pytest.mark.parametrize("tcp", [True, False])
def test_a_server_that_changes_case(tcp: bool) -> None:
    """First over TCP; where there is none, the case that it gives back. What TCP has confirmed is remembered."""
    at = world()
    for host in (ONE, TWO):
        at.hosts[host].mixes_case, at.hosts[host].tcp = True, tcp
    assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
    assert any(ask.tcp for ask in at.asked)
    for _ in range(10):
        again(at)
        assert at.resolve("www.example.org.").rcode == NOERROR
    asked = [(ask.tcp, ask.keep_case) for ask in at.asked]
    assert asked == ([(False, True)] if tcp else [(False, False), (True, False), (False, True)])


def test_a_forged_reply_in_another_case_changes_nothing() -> None:
    """Whoever hits id and port without the case: TCP says that the server does keep it, and it is asked so again."""
    at = world()
    resolution = at.resolution("www.example.org.")
    asks = resolution.start(at.now_s)
    while asks[0].qname != wire("www.example.org."):
        asks = resolution.responded(asks[0].token, at.answer(asks[0]), at.now_s)
    over_tcp = resolution.distrusted(asks[0].token, at.now_s, case=True)
    assert [(ask.tcp, ask.keep_case, ask.address) for ask in over_tcp] == [(True, False, asks[0].address)]
    assert resolution.responded(over_tcp[0].token, at.answer(over_tcp[0]), at.now_s) == []
    assert resolution.outcome is not None
    assert resolution.outcome.rcode == NOERROR
    again(at)
    for _ in range(5):
        at.known.cache.flush(wire("www.example.org."))
        at.resolve("www.example.org.")
    assert {ask.keep_case for ask in at.asked} == {False}


def test_the_case_is_kept_where_that_is_wished() -> None:
    at = world()
    at.known.mixed_case = False
    for host in (ONE, TWO):
        at.hosts[host].mixes_case = True
    assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
    assert {(ask.tcp, ask.keep_case) for ask in at.asked} == {(False, True)}


def test_a_flood_of_forged_replies_leads_to_tcp() -> None:
    at = world()
    at.hosts[ONE].forged = at.hosts[TWO].forged = True
    found = at.resolve("www.example.org.")
    assert (found.rcode, at.asked[-1].tcp, found.packets) == (NOERROR, True, 4), at.trace
    again(at)
    at.hosts[ONE].tcp = at.hosts[TWO].tcp = False
    assert (at.resolve("www.example.org.").rcode, len(at.asked)) == (SERVFAIL, 4), at.trace


def test_tcp_after_two_time_outs_over_udp() -> None:
    at = world()
    at.hosts[TWO].unreachable = True
    at.hosts[ONE].behave = lambda ask, response: response if ask.tcp else None
    assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
    assert len([ask for ask in asked_of(at, ONE) if ask.tcp]) == 1


@pytest.mark.parametrize("rcode", [1, 2, 4, 5, 16])
def test_nobody_can_answer(rcode: int) -> None:
    at = world()
    at.hosts[ONE].behave = at.hosts[TWO].behave = lambda ask, response: response._replace(
        rcode=rcode, answer=(), authority=(), authoritative=False
    )
    found = at.resolve("www.example.org.")
    assert (found.rcode, found.ede, found.packets <= 10) == (SERVFAIL, 22, True), at.trace
    assert at.resolve("www.example.org.").packets == 0
    at.now_s += 5.1
    assert at.resolve("www.example.org.").packets > 0


def test_a_server_that_chokes_on_edns_is_asked_without_it_from_then_on() -> None:
    at = world()

    def behave(ask: Ask, response: Response) -> Response:
        if ask.options.edns_size:
            return Response(0, ask.qname, ask.qtype, 1, False, False, False, False, (), (), ())
        return response._replace(edns=False)

    at.hosts[ONE].behave = at.hosts[TWO].behave = behave
    for _ in range(20):
        assert at.resolve("www.example.org.").rcode == NOERROR, at.trace
        at.known.cache.flush(wire("www.example.org."))
    assert len([ask for ask in at.asked if ask.options.edns_size and ask.address.host in (ONE, TWO)]) == 2


def test_a_server_that_is_silent_for_parts_of_the_name() -> None:
    """Or that says something else than the truth about them; the whole name is asked for in the end."""
    for say in (None, 5, 2, 4, 3):
        at = world()

        def behave(ask: Ask, response: Response, say: int | None = say) -> Response | None:
            if ask.qname in (wire("www.example.org."), wire("example.org."), wire("a.b.c.d.e.example.org.")):
                return response
            return None if say is None else response._replace(rcode=say, answer=(), authority=(), authoritative=False)

        at.hosts[ONE].behave = at.hosts[TWO].behave = behave
        found = at.resolve("a.b.c.d.e.example.org.", "TXT")
        assert (texts(found), found.packets <= 9) == (['a.b.c.d.e.example.org. TXT "deep"'], True), (say, at.trace)


def test_long_names_are_shown_in_a_few_steps() -> None:
    at = world()
    long = ".".join("0123456789abcdef0123456789abcdef") + ".example.org."
    at.hosts[ONE].zones[0].add(long, "PTR", "www.example.org.")
    found = at.resolve(long, "PTR")
    assert (found.rcode, found.packets <= 13) == (NOERROR, True), at.trace
    shown = [len(ask.qname) for ask in at.asked]
    assert shown == sorted(shown)


def test_dead_servers_are_asked_again_when_their_time_is_over() -> None:
    at = world()
    at.hosts[ONE].dead = True
    for _ in range(30):
        at.resolve("www.example.org.")
        at.known.cache.flush(wire("www.example.org."))
    seen = len(asked_of(at, ONE))
    assert seen <= 6
    at.hosts[ONE].dead = False
    at.hosts[TWO].dead = True
    at.now_s += 3600
    found = at.resolve("www.example.org.")
    assert (found.rcode, len(asked_of(at, ONE)) > seen) == (NOERROR, True), at.trace


def test_everybody_comes_back_after_an_hour() -> None:
    at = world()
    for host in at.hosts.values():
        host.dead = True
    for _ in range(20):
        assert at.resolve("www.example.org.").rcode == SERVFAIL
        at.now_s += 180
    for host in at.hosts.values():
        host.dead = False
    began_s = at.now_s
    assert at.resolve("www.example.org.").rcode == NOERROR
    assert at.now_s - began_s < 0.5, at.trace


def test_servers_that_moved_are_found_above() -> None:
    """What was learnt of a delegation is not good for ever when nobody answers there any more."""
    at = world()
    assert at.resolve("www.example.org.").rcode == NOERROR
    org, example = at.hosts["10.0.0.1"].zones[0], at.hosts[ONE].zones[0]
    at.hosts[ONE].dead = at.hosts[TWO].dead = True
    at.host("10.0.0.9", example)
    for zone in (org, example):
        zone.add("ns1.example.org.", "A", "10.0.0.9").add("ns2.example.org.", "A", "10.0.0.9")
    tries = 0
    while at.resolve("www.example.org.").rcode != NOERROR or not tries:
        tries += 1
        at.now_s += 301
        assert tries < 4, at.trace


def test_servers_whose_addresses_nobody_has_said_yet() -> None:
    """Who has parent and zone answers for the zone's NS records at once, without a referral and its glue."""
    at = world()
    names = (wire("ns1.example.org."), wire("ns2.example.org."))
    at.known.cache.put(wire("example.org."), 2, names, trust=ANSWER, ttl_s=3600, now_s=at.now_s)
    found = at.resolve("www.example.org.")
    assert (found.rcode, found.packets <= 6) == (NOERROR, True), at.trace


def test_a_revoked_delegation_does_not_live_on() -> None:
    """Ghost domains: the zone's own NS records do not reach beyond the time that the parent gave."""
    at = world()
    org, example = at.hosts["10.0.0.1"].zones[0], at.hosts[ONE].zones[0]
    org.add("example.org.", "NS", "ns1.example.org.", "ns2.example.org.", ttl_s=600)
    example.add("example.org.", "NS", "ns1.example.org.", "ns2.example.org.", ttl_s=86400)
    assert at.resolve("www.example.org.").rcode == NOERROR
    del org.records[wire("example.org."), 2]
    for _ in range(10):
        at.now_s += 70
        at.resolve("example.org.", "NS")
    at.asked.clear()
    assert at.resolve("fresh.example.org.").rcode == NXDOMAIN, at.trace
    assert asked_of(at, ONE) + asked_of(at, TWO) == []


def test_delegations_end_somewhere() -> None:
    """A server that delegates for ever, one label at a time."""
    at = world()

    def behave(ask: Ask, response: Response) -> Response:
        deeper = ask.qname[-len(ask.zone) - len(b"\1a") :]
        names = (RRset(deeper, 2, 60, (wire("ns1.example.org."),)),)
        return response._replace(authoritative=False, rcode=0, answer=(), authority=names, additional=())

    at.hosts[ONE].behave = at.hosts[TWO].behave = behave
    resolution = at.resolution("a." * 60 + "example.org.")
    found = at.drive(resolution, [])
    assert (found.rcode, found.packets) == (SERVFAIL, MAX_DELEGATIONS + 1)
    assert resolution.limits == {"delegations"}


def test_thousands_of_servers_are_not_all_asked() -> None:
    at = world()
    names = [wire(f"n{number}.example.org.") for number in range(1000)]
    glue = tuple(RRset(name, 1, 60, tuple(bytes((172, 16, number & 255, last)) for last in range(50)))
                 for number, name in enumerate(names))
    servers = (RRset(wire("example.org."), 2, 60, tuple(names)),)
    at.hosts["10.0.0.1"].behave = lambda ask, response: response._replace(
        authoritative=False, answer=(), rcode=0, authority=servers, additional=glue
    )
    found = at.resolve("www.example.org.")
    assert (found.rcode, found.packets <= MAX_PACKETS) == (SERVFAIL, True)


def test_who_is_not_waited_for_any_more_asks_no_more() -> None:
    """The addresses of a second server are looked for; then the first one answers after all."""
    at = world()
    org = at.hosts["10.0.0.1"].zones[0]
    org.add("late.org.", "NS", "ns.late.org.", "ns.far.net.").add("ns.late.org.", "A", "10.0.0.7")
    at.hosts["10.0.1.1"].dead = True
    late = Zone("late.org.").add("late.org.", "NS", "ns.late.org.", "ns.far.net.")
    late.add("www.late.org.", "A", "192.0.2.7")
    at.host("10.0.0.7", late, rtt_s=1.0)
    assert at.resolve("www.late.org.").rcode == NOERROR, at.trace
    assert len(asked_of(at, "10.0.1.1")) <= 5


def test_addresses_that_may_not_be_asked_are_not() -> None:
    at = world()
    at.known.may_ask = lambda address: address.host not in (ONE, TWO)
    found = at.resolve("www.example.org.")
    assert (found.rcode, asked_of(at, ONE)) == (SERVFAIL, [])
    assert "may be asked" in found.detail


def test_one_lost_packet_that_many_wait_for_is_one() -> None:
    """What became of a query that was sent for somebody else says nothing new of the server."""
    at = world()
    address = at.known.roots[0]
    for number in range(10):
        resolution = at.resolution(f"www.example{number}.org.")
        (ask,) = resolution.start(at.now_s)
        resolution.joined(ask.token)
        resolution.hurry(ask.token, at.now_s + 0.3)
        resolution.failed(ask.token, "no response", at.now_s + 1.6)
    assert not at.known.servers.is_dead(address, at.now_s + 1.6)
    before = at.known.servers.of(address).rtt_s
    resolution = at.resolution("www.example.org.")
    (ask,) = resolution.start(at.now_s)
    resolution.joined(ask.token)
    resolution.responded(ask.token, at.answer(ask), at.now_s + 3.0)
    assert at.known.servers.of(address).rtt_s == before


def test_a_second_good_answer_after_the_first() -> None:
    at = world()
    resolution = at.resolution("www.example.org.")
    asks = resolution.start(at.now_s)
    for _ in range(2):
        asks = resolution.responded(asks[0].token, at.answer(asks[0]), at.now_s)
    first = asks[0]
    (second,) = resolution.hurry(first.token, at.now_s + 0.2)
    assert {first.address.host, second.address.host} == {ONE, TWO}
    assert resolution.responded(second.token, at.answer(second), at.now_s + 0.3) == []
    outcome = resolution.outcome
    assert outcome is not None
    assert outcome.rcode == NOERROR
    other = at.answer(first)._replace(answer=(RRset(wire("www.example.org."), 1, 60, (b"\6\6\6\6",)),))
    assert resolution.responded(first.token, other, at.now_s + 0.4) == []
    assert resolution.outcome is outcome
    assert texts(at.resolve("www.example.org.")) == ["www.example.org. A 192.0.2.1"]
    assert at.known.servers.of(Address(first.address.host)).asked
