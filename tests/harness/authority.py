"""The resolver's judge on dnspython alone: a server for zones in memory, and the right answer for each name in them.

Nothing here comes from the code under test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

NS, SOA, CNAME, DNAME = dns.rdatatype.NS, dns.rdatatype.SOA, dns.rdatatype.CNAME, dns.rdatatype.DNAME
#: "owner type content" of each record of an answer, in order.
Lines = list[str]
MOST_LINKS = 16


@dataclass
class ZoneData:
    """One zone: its records by owner and type as contents, NS records of cuts and the addresses there among them."""

    apex: dns.name.Name
    records: dict[tuple[dns.name.Name, int], list[str]] = field(default_factory=dict)

    def add(self, owner: dns.name.Name, rdtype: str, *contents: str) -> None:
        """More records of an owner and type."""
        here = self.records.setdefault((owner, dns.rdatatype.from_text(rdtype)), [])
        here += [content for content in contents if content not in here]

    def has(self, owner: dns.name.Name) -> bool:
        """Whether there is such a name, be it only on the way to another."""
        return any(each.is_subdomain(owner) for each, _ in self.records)

    def rrset(self, owner: dns.name.Name, rdtype: int, of: dns.name.Name | None = None) -> dns.rrset.RRset | None:
        """The records of an owner, or those of another (a wildcard) as if they were its."""
        contents = self.records.get((of or owner, rdtype))
        if contents is None:
            return None
        return dns.rrset.from_text_list(owner, 300, dns.rdataclass.IN, dns.rdatatype.RdataType(rdtype), contents)

    def cut(self, qname: dns.name.Name) -> dns.name.Name | None:
        """The delegation that a name is at or below of: the highest."""
        for depth in range(len(self.apex) + 1, len(qname) + 1):
            name = dns.name.Name(qname[-depth:])
            if (name, NS) in self.records:
                return name
        return None

    def find(self, qname: dns.name.Name, qtype: int) -> tuple[dns.rcode.Rcode, list[dns.rrset.RRset]]:
        """The records of one name in this zone, above which there is no cut: those asked for, a CNAME, DNAME and CNAME,
        or none (RFC 1034 §4.3.2, RFC 6672, RFC 4592).
        """
        for depth in range(len(self.apex), len(qname)):
            dname = self.rrset(dns.name.Name(qname[-depth:]), DNAME)
            if dname is not None:
                target = qname.relativize(dname.name).concatenate(dname[0].target)
                made = dns.rrset.from_text(qname, 300, dns.rdataclass.IN, CNAME, target.to_text())
                return dns.rcode.NOERROR, [dname, made]
        of = qname
        if not self.has(qname):
            closest = qname.parent()
            while not self.has(closest):
                closest = closest.parent()
            of = dns.name.Name((b"*", *closest))
            if not self.has(of):
                return dns.rcode.NXDOMAIN, []
        found = self.rrset(qname, qtype, of) or self.rrset(qname, CNAME, of)
        return dns.rcode.NOERROR, [] if found is None else [found]


class Authority:
    """A server that has some zones and does all right."""

    def __init__(self) -> None:
        self.zones: list[ZoneData] = []

    def respond(self, query: dns.message.Message) -> dns.message.Message:
        """The response to one query, whole."""
        reply = dns.message.make_response(query)
        (asked,) = query.question
        qname, zone = asked.name.canonicalize(), zone_of(self.zones, asked.name.canonicalize())
        if zone is None:
            reply.set_rcode(dns.rcode.REFUSED)
            return reply
        for _ in range(MOST_LINKS):
            cut = zone.cut(qname)
            if cut is not None:
                if not reply.answer:
                    self._refer(reply, zone, cut)
                return reply
            reply.flags |= dns.flags.AA
            rcode, found = zone.find(qname, asked.rdtype)
            reply.answer += found
            if not found:
                reply.set_rcode(rcode)
                soa = zone.rrset(zone.apex, SOA)
                assert soa is not None
                reply.authority.append(soa)
            if not found or found[-1].rdtype != CNAME or asked.rdtype == CNAME:
                return reply
            qname = found[-1][0].target.canonicalize()
            if not qname.is_subdomain(zone.apex):
                return reply
        return reply

    def _refer(self, reply: dns.message.Message, zone: ZoneData, cut: dns.name.Name) -> None:
        servers = zone.rrset(cut, NS)
        assert servers is not None
        reply.authority.append(servers)
        for rdata in servers:
            glue = [zone.rrset(rdata.target, kind) for kind in (dns.rdatatype.A, dns.rdatatype.AAAA)]
            reply.additional += [each for each in glue if each is not None]


def zone_of(zones: Iterable[ZoneData], qname: dns.name.Name) -> ZoneData | None:
    """The deepest of these zones that a name is in."""
    fitting = [zone for zone in zones if qname.is_subdomain(zone.apex)]
    return max(fitting, key=lambda zone: len(zone.apex), default=None)


def truth(zones: Sequence[ZoneData], qname: dns.name.Name, qtype: int) -> tuple[dns.rcode.Rcode, Lines]:
    """What all zones together say of a name: RCODE and the whole chain of records; SERVFAIL where it has no end."""
    lines: Lines = []
    links = 0
    while True:
        zone = zone_of(zones, qname)
        assert zone is not None
        rcode, found = zone.find(qname, qtype)
        lines += [f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {text}".lower()
                  for rrset in found for text in sorted(rdata.to_text() for rdata in rrset)]
        if not found or found[-1].rdtype != CNAME or qtype == CNAME:
            return rcode, lines
        links += 1
        if links > MOST_LINKS:
            return dns.rcode.SERVFAIL, []
        qname = found[-1][0].target
