"""Trees of zones as hypothesis makes them, with any of their servers broken so that one path is left: what a resolution
finds is what is true. Servers and judge are dnspython's and speak in wire form; only their network is in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.ipv4
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from streamdns.dns.wire import SERVFAIL, A
from streamdns.resolver.resolution.message import Response, parse, query
from streamdns.resolver.resolution.resolution import MAX_PACKETS, MAX_S, Ask, Outcome
from streamdns.resolver.resolution.servers import Address
from tests.harness.authority import Authority, Lines, ZoneData, truth
from tests.harness.hierarchy import Host, World

EVIL = "203.0.113.66"
#: Those whose word is taken where nobody knows better.
RESORTS = ("resolver", "empty")
#: What a server does that is of no use, and what one may do that is.
USELESS = ("silent", "unreachable", "refused", "servfail", "notimp", "formerr", "empty", "upward", "sideways", "itself",
           "stranger", "resolver", "cut without tcp", "forged without tcp")
USEFUL = ("right", "slow", "no edns", "truncating", "case", "case without tcp", "forged", "no tcp", "poisoning")
#: With so many servers that say nothing the first question may take too long; clients ask again.
PATIENT_WITH = 8
_TRIES = 4
_FAILURE_S = 5.0
Say = Callable[[dns.message.Message, dns.message.Message], dns.message.Message]


@dataclass
class Server:
    """One address: what it does, and which zones it has."""

    address: str
    kind: str
    authority: Authority = field(default_factory=Authority)


@dataclass(repr=False)
class Tree:
    """All zones, the root first, and all servers; `questions` are worth asking."""

    zones: list[ZoneData] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    roots: list[Server] = field(default_factory=list)
    questions: list[tuple[dns.name.Name, str]] = field(default_factory=list)

    def __repr__(self) -> str:
        """What has gone wrong is told by delegations, addresses of servers, and what these do."""
        records = [f"{owner} {dns.rdatatype.RdataType(rdtype).name} {' '.join(contents)}"
                   for zone in self.zones for (owner, rdtype), contents in zone.records.items()
                   if rdtype in (dns.rdatatype.NS, dns.rdatatype.CNAME, dns.rdatatype.DNAME)
                   or owner.labels[0].startswith(b"ns")]
        return "\n".join([*records, *(f"{server.address}: {server.kind}" for server in self.servers)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def of_kind(self, *kinds: str) -> int:
        return sum(server.kind in kinds for server in self.servers)


def below(label: str, apex: dns.name.Name) -> dns.name.Name:
    return dns.name.from_text(label, apex)


@st.composite
def trees(draw: st.DrawFn, *, alive: bool = True, broken: bool = True) -> Tree:
    """Up to seven zones. In each one address works (`alive`), and what that takes is in zones that were made before."""
    tree = Tree()
    for number in range(draw(st.integers(2, 7))):
        parent = tree.zones[draw(st.integers(0, number - 1))] if number else None
        label = draw(st.sampled_from(["z", "a.b", "xn--z"])) + str(number)
        zone = ZoneData(below(label, parent.apex) if parent else dns.name.root)
        zone.add(zone.apex, "SOA", "ns. host. 1 3600 600 604800 60")
        _serve(draw, tree, zone, parent, alive=alive, broken=broken)
        tree.zones.append(zone)
        _fill(draw, tree, zone)
    return tree


def _serve(draw: st.DrawFn, tree: Tree, zone: ZoneData, parent: ZoneData | None, *, alive: bool, broken: bool) -> None:
    """Names of servers in the zone itself or in any other, each with addresses of its own or another's."""
    count = draw(st.integers(1, 4))
    works = draw(st.integers(0, count - 1)) if alive else -1
    for number in range(count):
        inside = parent is None or draw(st.booleans())
        home = zone if inside else tree.zones[draw(st.integers(0, len(tree.zones) - 1))]
        # A name with its own addresses, or that of a server which does not know of this zone.
        name = below(f"ns{number}-{len(tree.zones)}", home.apex)
        addresses = draw(st.integers(1, 2))
        good = draw(st.integers(0, addresses - 1)) if number == works else -1
        for place in range(addresses):
            server = _server(draw, tree, works=place == good, broken=broken)
            if server.kind != "stranger":
                server.authority.zones.append(zone)
            rdtype = "AAAA" if ":" in server.address else "A"
            home.add(name, rdtype, server.address)
            if inside and parent is not None:
                parent.add(name, rdtype, server.address)
            if parent is None:
                tree.roots.append(server)
        zone.add(zone.apex, "NS", name.to_text())
        if parent is not None:
            parent.add(zone.apex, "NS", name.to_text())


def _server(draw: st.DrawFn, tree: Tree, *, works: bool, broken: bool) -> Server:
    known = [each for each in tree.servers if each.kind in USEFUL and not (works and ":" in each.address)]
    if known and draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(known))
    kinds = USEFUL if works else (*USELESS, *USEFUL)
    kind = draw(st.sampled_from(kinds)) if broken else "right"
    number = len(tree.servers) + 1
    # IPv6 as it is on many networks: what has no other way is not reached.
    six = not works and draw(st.integers(0, 2)) == 0
    server = Server(f"2001:db8::{number:x}" if six else f"10.0.0.{number}", kind)
    tree.servers.append(server)
    return server


def _fill(draw: st.DrawFn, tree: Tree, zone: ZoneData) -> None:
    """Records, some of which lead to other zones."""
    apex, number = zone.apex, len(tree.zones)
    zone.add(below("www", apex), "A", f"192.0.2.{number}", f"198.51.100.{number}")
    zone.add(below("deep.er.still", apex), "TXT", '"here"')
    zone.add(below("*.wild", apex), "A", f"192.0.2.{100 + number}")
    other = tree.zones[draw(st.integers(0, len(tree.zones) - 1))].apex
    target = below(draw(st.sampled_from(["www", "alias", "nothing", "x.wild", "www.moved"])), other)
    zone.add(below("alias", apex), "CNAME", target.to_text())
    zone.add(below("moved", apex), "DNAME", other.to_text())
    tree.questions += [
        (below(label, apex), rdtype) for label, rdtype in (
            ("www", "A"), ("www", "AAAA"), ("deep.er.still", "TXT"), ("er.still", "A"), ("x.wild", "A"),
            ("x.y.wild", "A"), ("nothing", "A"), ("no.thing.here", "A"), ("alias", "A"), ("www.moved", "A"),
            ("alias.moved", "A"), ("moved", "DNAME"), ("alias", "CNAME"), ("@", "SOA"), ("@", "NS"), ("@", "A"),
        )
    ]


# -- what servers say


def _rcode(rcode: dns.rcode.Rcode) -> Say:
    def say(asked: dns.message.Message, right: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(asked)
        reply.set_rcode(rcode)
        return reply

    return say


def _referral(asked: dns.message.Message, zone: dns.name.Name) -> dns.message.Message:
    reply = dns.message.make_response(asked)
    reply.authority.append(dns.rrset.from_text(zone, 300, "IN", "NS", "ns.evil."))
    reply.additional.append(dns.rrset.from_text("ns.evil.", 300, "IN", "A", EVIL))
    return reply


def _no_edns(asked: dns.message.Message, right: dns.message.Message) -> dns.message.Message:
    if asked.edns < 0:
        return right
    reply = dns.message.make_response(asked)
    reply.use_edns(-1)
    reply.set_rcode(dns.rcode.FORMERR)
    return reply


def _resolver(asked: dns.message.Message, right: dns.message.Message) -> dns.message.Message:
    reply = dns.message.make_response(asked)
    reply.flags |= dns.flags.RA
    if asked.question[0].rdtype == dns.rdatatype.A:
        reply.answer.append(dns.rrset.from_text(asked.question[0].name, 300, "IN", "A", EVIL))
    return reply


def _poisoning(asked: dns.message.Message, right: dns.message.Message) -> dns.message.Message:
    """All that is said of names elsewhere: `victim.` is where nobody has said anything of."""
    for section in (right.answer, right.authority, right.additional):
        if section is not right.answer or right.answer:
            section.append(dns.rrset.from_text("www.victim.", 300, "IN", "A", EVIL))
    right.authority.append(dns.rrset.from_text("victim.", 300, "IN", "NS", "ns.evil."))
    return right


SAYS: dict[str, Say] = {
    "refused": _rcode(dns.rcode.REFUSED), "servfail": _rcode(dns.rcode.SERVFAIL), "notimp": _rcode(dns.rcode.NOTIMP),
    "formerr": _rcode(dns.rcode.FORMERR), "empty": _rcode(dns.rcode.NOERROR),
    "upward": lambda asked, right: _referral(asked, dns.name.root),
    "sideways": lambda asked, right: _referral(asked, dns.name.from_text("evil.")),
    "resolver": _resolver, "no edns": _no_edns, "poisoning": _poisoning,
}


class Net(World):
    """The servers of a tree in a network in memory; what is said goes through wire form both ways."""

    def __init__(self, tree: Tree, seed: int) -> None:
        super().__init__(seed, ipv6=True)
        self._servers = {server.address: server for server in tree.servers}
        for server in tree.servers:
            host = self.hosts[server.address] = Host([], rtt_s=0.25 if server.kind == "slow" else 0.02)
            host.dead = server.kind == "silent" or ":" in server.address
            host.unreachable = server.kind == "unreachable"
            host.tcp = "tcp" not in server.kind
            host.mixes_case = server.kind.startswith("case")
            host.forged = server.kind.startswith("forged")
        self.known.roots = tuple(dict.fromkeys(Address(server.address) for server in tree.roots))

    def _answer(self, host: Host, ask: Ask) -> Response | None:
        server = self._servers[ask.address.host]
        asked = dns.message.from_wire(query(4711, ask.qname, ask.qtype, ask.options))
        reply = server.authority.respond(asked)
        if not ask.tcp and server.kind in ("truncating", "cut without tcp"):
            reply = dns.message.make_response(asked)
            reply.flags |= dns.flags.TC
        elif server.kind == "itself":
            reply = _referral(asked, server.authority.zones[0].apex)
        elif server.kind in SAYS:
            reply = SAYS[server.kind](asked, reply)
        return parse(reply.to_wire(max_size=65535))


def said(outcome: Outcome) -> Lines:
    """The answer as the judge writes it."""
    lines = []
    for rrset in outcome.answer:
        owner, _ = dns.name.from_wire(rrset.owner, 0)
        rdatas = [dns.rdata.from_wire(dns.rdataclass.IN, rrset.rdtype, each, 0, len(each)) for each in rrset.rdatas]
        lines += [f"{owner} {dns.rdatatype.to_text(dns.rdatatype.RdataType(rrset.rdtype))} {text}".lower()
                  for text in sorted(rdata.to_text() for rdata in rdatas)]
    return lines


def ask(net: Net, qname: dns.name.Name, rdtype: str) -> Outcome:
    began_s = net.now_s
    outcome = net.resolve(qname.to_text(), rdtype)
    assert outcome.packets <= MAX_PACKETS
    assert net.now_s - began_s <= MAX_S + 0.001
    return outcome


LIMITS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(LIMITS, max_examples=120)
@given(tree=trees(), seed=st.integers(0, 1000), data=st.data())
def test_one_path_is_enough(tree: Tree, seed: int, data: st.DataObject) -> None:
    """The answer is that of the zones, at once unless many servers are silent, and never another one."""
    net = Net(tree, seed)
    silent = tree.of_kind("silent") + sum(":" in server.address for server in tree.servers)
    tries = 1 if silent <= PATIENT_WITH else _TRIES
    event(f"tries: {tries}")
    for qname, rdtype in data.draw(st.lists(st.sampled_from(tree.questions), min_size=1, max_size=6)):
        expected = truth(tree.zones, qname, dns.rdatatype.from_text(rdtype))
        for number in range(tries):
            found = ask(net, qname, rdtype)
            assert found.rcode in (expected[0], SERVFAIL), (qname, rdtype, net.trace)
            if found.rcode == expected[0] or number == tries - 1:
                break
            net.now_s += _FAILURE_S + 1
        assert (found.rcode, said(found)) == expected, (qname, rdtype, net.trace)


@settings(LIMITS, max_examples=60)
@given(tree=trees(alive=False), seed=st.integers(0, 1000), data=st.data())
def test_no_answer_is_better_than_a_wrong_one(tree: Tree, seed: int, data: st.DataObject) -> None:
    """Also where no path need be left; nothing that a useless server says is ever told.

    But those without authority, whose word is taken where nobody knows better: they refuse here.
    """
    for server in tree.servers:
        if server.kind in RESORTS:
            server.kind = "refused"
    net = Net(tree, seed)
    for qname, rdtype in data.draw(st.lists(st.sampled_from(tree.questions), min_size=1, max_size=6)):
        found = ask(net, qname, rdtype)
        expected = truth(tree.zones, qname, dns.rdatatype.from_text(rdtype))
        assert found.rcode == SERVFAIL or (found.rcode, said(found)) == expected, (qname, rdtype, net.trace)


@settings(LIMITS, max_examples=60)
@given(tree=trees(alive=False), seed=st.integers(0, 1000), data=st.data())
def test_what_those_without_authority_say_is_told_for_a_minute(tree: Tree, seed: int, data: st.DataObject) -> None:
    """And what others say that are useless is not told at all."""
    net = Net(tree, seed)
    for qname, rdtype in data.draw(st.lists(st.sampled_from(tree.questions), min_size=1, max_size=6)):
        found = ask(net, qname, rdtype)
        evil = [rrset for rrset in found.answer if rrset.rdtype == A and dns.ipv4.inet_aton(EVIL) in rrset.rdatas]
        assert not evil or tree.of_kind("resolver"), (qname, rdtype, net.trace)
        assert all(rrset.ttl_s <= 60 for rrset in evil)


@settings(LIMITS, max_examples=30)
@given(tree=trees(broken=False), seed=st.integers(0, 1000), data=st.data())
def test_what_is_not_broken_costs_little(tree: Tree, seed: int, data: st.DataObject) -> None:
    """One query for each zone and label on the way, and for what its servers' names and aliases take."""
    net = Net(tree, seed)
    qname, rdtype = data.draw(st.sampled_from(tree.questions))
    expected = truth(tree.zones, qname, dns.rdatatype.from_text(rdtype))
    first = ask(net, qname, rdtype)
    assert (first.rcode, said(first)) == expected
    again = ask(net, qname, rdtype)
    assert (again.rcode, said(again), again.packets) == (*expected, 0)
