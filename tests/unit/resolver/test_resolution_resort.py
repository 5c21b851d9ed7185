"""The last resort: servers without authority, addresses that cannot be reached, servers that a zone names in vain."""

from __future__ import annotations

import pytest

from streamdns.dns.wire import NOERROR, NXDOMAIN, SERVFAIL
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.resolution import MAX_S, Ask
from tests.harness.hierarchy import Behaviour, World, Zone, texts, wire
from tests.unit.resolver.test_resolution import world

ONE, TWO = "10.0.0.2", "10.0.0.3"
WWW = "www.example.org. A 192.0.2.1"


def set_both(at: World, behave: Behaviour) -> None:
    at.hosts[ONE].behave = at.hosts[TWO].behave = behave


def as_a_resolver(ask: Ask, response: Response) -> Response:
    """RA and no AA."""
    return response._replace(authoritative=False, recursive=True)


def wrong(ask: Ask, response: Response) -> Response:
    """The same with another address."""
    answer = tuple(rrset._replace(rdatas=(b"\x06\6\6\6",)) for rrset in response.answer)
    return as_a_resolver(ask, response)._replace(answer=answer)


def empty(ask: Ask, response: Response) -> Response:
    """Neither records nor AA nor SOA, as load balancers say to AAAA."""
    return response._replace(answer=(), authority=(), authoritative=False, rcode=NOERROR)


@pytest.mark.parametrize("other", ["the same", "silent", "refuses", "unreachable"])
@pytest.mark.parametrize(("qname", "rdtype", "rcode", "answer"), [
    ("www.example.org.", "A", NOERROR, [WWW]),
    ("alias.example.org.", "A", NOERROR, ["alias.example.org. CNAME www.example.org.", WWW]),
    ("out.example.org.", "TXT", NOERROR, ["out.example.org. CNAME www.example.net."]),
    ("www.example.org.", "AAAA", NOERROR, []),
    ("no.example.org.", "A", NXDOMAIN, []),
    ("a.b.c.d.e.example.org.", "TXT", NOERROR, ['a.b.c.d.e.example.org. TXT "deep"']),
])
def test_resolvers_in_a_delegation(other: str, qname: str, rdtype: str, rcode: int, answer: list[str]) -> None:
    """Nobody of the zone says that he has it: what they say is better than nothing, and not kept for long."""
    at = world()
    set_both(at, as_a_resolver)
    if qname.startswith("out."):
        at.host("10.0.2.2", Zone("example.net.").add("www.example.net.", "A", "192.0.2.2"))
        at.hosts["10.0.1.1"].zones[0].add("example.net.", "NS", "ns.example.net.").add("ns.example.net.", "A",
                                                                                      "10.0.2.2")
    if other == "silent":
        at.hosts[TWO].dead = True
    elif other == "unreachable":
        at.hosts[TWO].unreachable = True
    elif other == "refuses":
        at.hosts[TWO].behave = lambda ask, response: response._replace(rcode=5, answer=(), authority=())
    began_s = at.now_s
    found = at.resolve(qname, rdtype)
    assert (found.rcode, texts(found)) == (rcode, answer), at.trace
    assert at.now_s - began_s < 4.0, "nobody waits long for who says nothing"
    assert all(rrset.ttl_s <= 60 for rrset in (*found.answer, *found.authority) if rrset.owner != wire("example.net."))
    assert at.resolve(qname, rdtype).packets == 0
    at.now_s += 61
    again = at.resolve(qname, rdtype)
    assert (again.rcode, texts(again)) == (rcode, answer), at.trace


@pytest.mark.parametrize("rtt_s", [0.01, 0.5, 1.0])
def test_who_has_authority_is_waited_for(rtt_s: float) -> None:
    at = world()
    at.hosts[ONE].behave = wrong
    at.hosts[TWO].rtt_s = rtt_s
    for _ in range(10):
        assert texts(at.resolve("www.example.org.")) == [WWW], at.trace
        at.known.cache.flush(wire("www.example.org."))
        at.now_s += 400


def test_records_are_worth_more_than_a_denial_and_that_more_than_nothing() -> None:
    for first, second, rcode, answer in (
        (as_a_resolver, empty, NOERROR, [WWW]), (empty, as_a_resolver, NOERROR, [WWW]),
    ):
        at = world()
        at.hosts[ONE].behave, at.hosts[TWO].behave = first, second
        found = at.resolve("www.example.org.")
        assert (found.rcode, texts(found)) == (rcode, answer), at.trace
    at = world()
    at.hosts[ONE].behave, at.hosts[TWO].behave = empty, as_a_resolver
    assert at.resolve("no.example.org.").rcode == NXDOMAIN, at.trace


def test_nothing_of_this_type_without_authority_and_soa() -> None:
    """Both servers say so, there is nobody else to believe; it is not kept."""
    at = world()
    set_both(at, lambda ask, response: empty(ask, response) if ask.qtype == 28 else response)
    for _ in range(2):
        found = at.resolve("www.example.org.", "AAAA")
        assert (found.rcode, found.answer, found.authority) == (NOERROR, (), ()), at.trace
        assert 0 < found.packets <= 5
        assert texts(at.resolve("www.example.org.")) == [WWW]


def test_a_referral_that_leads_nowhere_is_no_resort() -> None:
    at = world()
    itself = RRset(wire("example.org."), 2, 3600, (wire("ns1.example.org."),))
    set_both(at, lambda ask, response: empty(ask, response)._replace(authority=(itself,)))
    assert at.resolve("www.example.org.", "AAAA").rcode == SERVFAIL


def test_a_denial_without_anything_that_says_whose_it_is_is_no_resort() -> None:
    at = world()
    set_both(at, lambda ask, response: empty(ask, response)._replace(rcode=NXDOMAIN))
    assert at.resolve("www.example.org.").rcode == SERVFAIL


def test_the_last_resort_is_taken_when_time_is_over() -> None:
    """One answers without authority, the others are silent for longer than anybody waits."""
    at = world()
    at.hosts[ONE].behave = as_a_resolver
    at.hosts[TWO].rtt_s = 30.0
    for number in range(20):
        host = f"10.0.3.{number}"
        at.host(host).dead = True
        zone = at.hosts["10.0.0.1"].zones[0]
        name = f"d{number}.example.org."
        servers = zone.records[wire("example.org."), 2]
        zone.records[wire("example.org."), 2] = servers._replace(rdatas=(*servers.rdatas, wire(name)))
        zone.add(name, "A", host)
    began_s = at.now_s
    found = at.resolve("www.example.org.")
    assert texts(found) == [WWW], at.trace
    assert at.now_s - began_s <= MAX_S


def test_an_end_is_told_before_clients_are_gone() -> None:
    """Who waits for 5 s has to hear it before."""
    assert MAX_S <= 4.5
    at = world()
    at.hosts[ONE].rtt_s = at.hosts[TWO].rtt_s = 1.5
    at.hosts[ONE].behave = at.hosts[TWO].behave = lambda ask, response: None
    began_s = at.now_s
    assert at.resolve("www.example.org.").rcode == SERVFAIL
    assert at.now_s - began_s <= 4.5


# -- addresses that cannot be reached


@pytest.mark.parametrize("how", ["unreachable", "dead"])
def test_glue_of_ipv6_alone_where_there_is_no_ipv6(how: str) -> None:
    """The delegation has an AAAA record only; the name server's own zone has an address that can be reached, too."""
    at = world(ipv6=True)
    at.hosts["10.0.0.1"].zones[0].add("six.org.", "NS", "ns.example.org.").add("ns.example.org.", "AAAA", "2001:db8::6")
    at.hosts[ONE].zones[0].add("ns.example.org.", "A", "10.9.0.9").add("ns.example.org.", "AAAA", "2001:db8::6")
    setattr(at.host("2001:db8::6"), how, True)
    at.host("10.9.0.9", Zone("six.org.").add("www.six.org.", "A", "192.0.2.30"))
    assert texts(at.resolve("www.six.org.")) == ["www.six.org. A 192.0.2.30"], at.trace
    at.known.cache.flush(wire("www.six.org."))
    assert at.resolve("www.six.org.").packets <= 2


def test_glue_of_ipv6_alone_is_used_where_it_works() -> None:
    at = world(ipv6=True)
    at.hosts["10.0.0.1"].zones[0].add("six.org.", "NS", "ns.example.org.").add("ns.example.org.", "AAAA", "2001:db8::6")
    at.host("2001:db8::6", Zone("six.org.").add("www.six.org.", "A", "192.0.2.30"))
    found = at.resolve("www.six.org.")
    assert (texts(found), found.packets) == (["www.six.org. A 192.0.2.30"], 3), at.trace


# -- what a zone says of its own servers


@pytest.mark.parametrize("after_s", [0, 1, 59, 61, 3000])
def test_dead_servers_that_a_zone_names_are_not_asked(after_s: float) -> None:
    """Somebody asks for the zone's NS records: they name the dead, and those above the zone have the living."""
    at = world()
    zone = at.hosts[ONE].zones[0]
    zone.add("example.org.", "NS", "dead.example.org.").add("dead.example.org.", "A", "10.6.6.6")
    at.host("10.6.6.6").dead = True
    assert texts(at.resolve("example.org.", "NS")) == ["example.org. NS dead.example.org."]
    assert texts(at.resolve("dead.example.org."))
    at.now_s += after_s
    for name in ("www.example.org.", "alias.example.org."):
        began_s = at.now_s
        assert texts(at.resolve(name))[-1] == WWW, at.trace
        assert at.now_s - began_s < 0.1
    assert not [ask for ask in at.asked if ask.address.host == "10.6.6.6"]


def test_a_zone_that_its_parent_has_let_go_of_ends() -> None:
    """Its own NS records do not keep it alive, however often somebody asks for them (ghost domains)."""
    at = world()
    at.resolve("www.example.org.")
    org = at.hosts["10.0.0.1"].zones[0]
    del org.records[wire("example.org."), 2]
    for _ in range(4):
        at.now_s += 1000
        at.known.cache.flush(wire("www.example.org."))
        at.resolve("example.org.", "NS")
        found = at.resolve("www.example.org.")
    assert found.rcode == NXDOMAIN, at.trace


# -- what may not be


@pytest.mark.parametrize("first", ["A", "AAAA", "CNAME", "ANY"])
@pytest.mark.parametrize("rotated", [False, True])
def test_two_aliases_at_one_name_are_one(first: str, rotated: bool) -> None:
    """The same one for every type, in whatever order they come and whoever asked before."""
    at = world()
    zone = at.hosts[ONE].zones[0]
    zone.add("two.example.org.", "CNAME", "www.example.org.", "zzz.example.org.")
    zone.add("zzz.example.org.", "A", "203.0.113.66")

    def behave(ask: Ask, response: Response) -> Response:
        if not response.answer or response.answer[0].rdtype != 5:
            return response
        both = zone.records[wire("two.example.org."), 5]
        rdatas = tuple(reversed(both.rdatas)) if rotated and len(at.asked) % 2 else both.rdatas
        return response._replace(answer=(both._replace(rdatas=rdatas), *response.answer[1:]))

    set_both(at, behave)
    alias = "two.example.org. CNAME www.example.org."
    if first != "ANY":
        at.resolve("two.example.org.", first)
    for rdtype, answer in (("A", [alias, WWW]), ("AAAA", [alias]), ("CNAME", [alias]), ("A", [alias, WWW])):
        assert texts(at.resolve("two.example.org.", rdtype)) == answer, at.trace


def test_two_dnames_at_one_name_are_one() -> None:
    at = world()
    at.hosts[ONE].zones[0].add("d.example.org.", "DNAME", "zzzzzzzz.example.org.", "example.net.")
    set_both(at, lambda ask, response: response)
    for name in ("www.d.example.org.", "www.d.example.org."):
        assert texts(at.resolve(name))[-1] == "www.example.net. A 192.0.2.2", at.trace


def test_it_is_told_when_a_last_resort_is_taken() -> None:
    at = world()
    set_both(at, as_a_resolver)
    at.resolve("www.example.org.")
    assert "nobody knows better: what came without authority is taken" in at.trace


def test_a_delegation_to_the_root_is_one_to_nobody() -> None:
    """NS "." says that there is no server; nobody is asked for its address."""
    at = world()
    at.hosts["10.0.0.1"].zones[0].add("null.org.", "NS", ".")
    found = at.resolve("www.null.org.")
    assert (found.rcode, found.packets) == (SERVFAIL, 2), at.trace
