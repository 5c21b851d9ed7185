"""The faults of name servers, each a script for the scripted server."""

from __future__ import annotations

import pathlib
import random
import socket
import struct
from collections.abc import Iterable, Sequence

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.harness.misbehaving import Asked, Script, Send

#: An address that nobody may ever be told.
EVIL = "203.0.113.66"
_MOST_OVER_UDP = 1232
_CHANCE = random.SystemRandom()


def bare(asked: Asked, rcode: int = dns.rcode.NOERROR, *, aa: bool = True) -> dns.message.Message:
    """A response without records, with an OPT record where the query has one."""
    reply = dns.message.make_response(asked.query)
    reply.set_rcode(rcode)
    if aa:
        reply.flags |= dns.flags.AA
    return reply


def sent(message: dns.message.Message, **more: object) -> Send:
    return Send(message.to_wire(max_size=65535), **more)  # type: ignore[arg-type]


def is_for(asked: Asked, label: str) -> bool:
    """Whether the first label of the name is this one."""
    return asked.query.question[0].name.labels[0].lower() == label.encode()


def right(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """As it should be."""
    wire = answer.to_wire(max_size=65535)
    if not asked.tcp and len(wire) > _MOST_OVER_UDP:
        return truncated(asked, answer)
    return [Send(wire)]


def after(delay_s: float) -> Script:
    """The right answer, late."""
    return lambda asked, answer: [sent(answer, after_s=delay_s)]


def silent(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """Nothing."""
    return []


def with_rcode(rcode: dns.rcode.Rcode) -> Script:
    """Nothing but this RCODE."""
    return lambda asked, answer: [sent(bare(asked, rcode, aa=False))]


def upwards(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """A referral to the root, as servers send that do not have the zone."""
    reply = bare(asked, aa=False)
    reply.authority.append(dns.rrset.from_text(".", 3600, "IN", "NS", "a.root."))
    return [sent(reply)]


def sideways(target: str) -> Script:
    """A referral to a zone that the name is not in, with an evil address for its server."""

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        reply = bare(asked, aa=False)
        reply.authority.append(dns.rrset.from_text(target, 3600, "IN", "NS", f"ns.{target}"))
        reply.additional.append(dns.rrset.from_text(f"ns.{target}", 3600, "IN", "A", EVIL))
        return [sent(reply)]

    return script


def to_itself(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """A referral to the very zone that it was asked for."""
    reply = bare(asked, aa=False)
    zone = asked.query.question[0].name.to_text().lower().split(".", 1)[1]
    reply.authority.append(dns.rrset.from_text(zone, 3600, "IN", "NS", f"ns1.{zone}"))
    return [sent(reply)]


def from_a_cache(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """An evil answer of a resolver: RA without AA."""
    reply = evil(asked)
    reply.flags &= ~dns.flags.AA
    reply.flags |= dns.flags.RA
    return [sent(reply)]


def without_authority(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """The right answer as resolvers say it: RA without AA."""
    answer.flags &= ~dns.flags.AA
    answer.flags |= dns.flags.RA
    return right(asked, answer)


def without_authority_below(label: str) -> Script:
    """The same for names that have this label, and AA for all others."""

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        has = label.encode() in [each.lower() for each in asked.query.question[0].name.labels]
        return without_authority(asked, answer) if has else right(asked, answer)

    return script


def bare_for(rdtype: dns.rdatatype.RdataType) -> Script:
    """NOERROR with no records, no AA and no SOA for this type, as load balancers say to AAAA."""

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        return [sent(bare(asked, aa=False))] if asked.query.question[0].rdtype == rdtype else right(asked, answer)

    return script


def nxdomain_for_type(rdtype: dns.rdatatype.RdataType) -> Script:
    """NXDOMAIN for this type of any name."""

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        if asked.query.question[0].rdtype == rdtype:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return right(asked, answer)

    return script


def two_aliases(label: str, *targets: str) -> Script:
    """Several CNAME records for names that begin with this label, whatever type is asked for, and nothing else."""

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        if not is_for(asked, label):
            return right(asked, answer)
        reply = bare(asked)
        turned = asked.before % len(targets)
        reply.answer.append(dns.rrset.from_text(asked.query.question[0].name, 60, "IN", "CNAME",
                                                *targets[turned:], *targets[:turned]))
        return [sent(reply)]

    return script


def evil(asked: Asked, query: dns.message.Message | None = None) -> dns.message.Message:
    """An answer with the evil address."""
    query = query or asked.query
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.AA
    reply.answer.append(dns.rrset.from_text(query.question[0].name, 3600, "IN", "A", EVIL))
    return reply


def formerr_on_edns(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """A header and nothing else for queries with EDNS."""
    if asked.query.edns < 0:
        return right(asked, answer)
    return [Send(struct.pack("!HHHHHH", asked.query.id, 0x8001, 0, 0, 0, 0))]


def formerr_with_opt(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """The query sent back with FORMERR, its OPT record and all."""
    if asked.query.edns < 0:
        return right(asked, answer)
    wire = bytearray(asked.query.to_wire())
    wire[2:4] = b"\x80\x01"
    return [Send(bytes(wire))]


def deaf_to_edns(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """Silent for queries with EDNS."""
    return right(asked, answer) if asked.query.edns < 0 else []


def without_opt(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """No OPT record in responses, ever."""
    answer.use_edns(-1)
    return right(asked, answer)


def truncated(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """TC over UDP, whatever it is."""
    if asked.tcp:
        return [sent(answer)]
    reply = bare(asked)
    reply.flags |= dns.flags.TC
    return [sent(reply)]


def wrong_id(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """An evil answer with another id."""
    reply = evil(asked)
    reply.id = asked.query.id ^ 0x5A5A
    return [sent(reply)]


def wrong_question(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """An evil answer to another question."""
    other = dns.message.from_wire(asked.query.to_wire())
    asker = other.question[0]
    other.question[0] = dns.rrset.RRset(dns.name.from_text("other").derelativize(asker.name.parent()), asker.rdclass,
                                        asker.rdtype)
    return [sent(evil(asked, other))]


def wrong_source(source: str) -> Script:
    """An evil answer from another address."""
    return lambda asked, answer: [sent(evil(asked), source=source)]


def lower_case(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """The question given back in lower case."""
    wire = bytearray(answer.to_wire(max_size=65535))
    end = 12 + len(asked.query.question[0].name.to_wire())
    wire[12:end] = bytes(wire[12:end]).lower()
    return [Send(bytes(wire))]


def broken(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """A response that says it has records, and ends."""
    wire = bytearray(bare(asked).to_wire())
    wire[6:8] = b"\0\x03"
    return [Send(bytes(wire))]


def adding(section: str, records: Sequence[str]) -> Script:
    """Records that are none of its business, in a section of every answer: "owner type content"."""

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        for record in records:
            owner, rdtype, content = record.split(" ", 2)
            getattr(answer, section).append(dns.rrset.from_text(owner, 86400, "IN", rdtype, content))
        return [sent(answer)]

    return script


def nxdomain_for(label: str) -> Script:
    """NXDOMAIN for names that begin with this label, which have others below them."""

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        if not is_for(asked, label):
            return right(asked, answer)
        reply = bare(asked, dns.rcode.NXDOMAIN)
        zone = ".".join(asked.query.question[0].name.to_text().rsplit(".", 3)[-3:])
        reply.authority.append(dns.rrset.from_text(zone, 60, "IN", "SOA", "ns. host. 1 3600 600 604800 60"))
        return [sent(reply)]

    return script


def ttl_0(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """TTL 0 and another address each time: the last octet says how many queries there were before."""
    return answering(f"192.0.2.{1 + asked.before}", ttl=0)(asked, answer)


def notimp_for_any(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """NOTIMP for type ANY."""
    return _notimp_unless(asked, answer, asked.query.question[0].rdtype != dns.rdatatype.ANY)


def notimp_for_unknown(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """NOTIMP for types above 255."""
    return _notimp_unless(asked, answer, asked.query.question[0].rdtype <= 255)


def _notimp_unless(asked: Asked, answer: dns.message.Message, known: bool) -> Iterable[Send]:
    return right(asked, answer) if known else [sent(bare(asked, dns.rcode.NOTIMP, aa=False))]


def phases(*scripts: Script) -> Script:
    """One script after another, as the phase says."""
    return lambda asked, answer: scripts[asked.phase](asked, answer)


def answering(address: str, *, ttl: int = 300) -> Script:
    """This address for every question of type A."""

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        for number, rrset in enumerate(answer.answer):
            if rrset.rdtype == dns.rdatatype.A:
                answer.answer[number] = dns.rrset.from_text(rrset.name, ttl, "IN", "A", address)
        return [sent(answer)]

    return script


def fan_out(victim: str, count: int) -> Script:
    """Every name is delegated to many servers in the victim's zone, none with an address (NXNSAttack)."""

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        name = asked.query.question[0].name
        if len(name.labels) < 4:
            return right(asked, answer)
        reply = bare(asked, aa=False)
        label = name.labels[-4].decode().lower()
        owner = dns.name.Name(name.labels[-4:])
        servers = [f"{label}{number}.{victim}" for number in range(count)]
        reply.authority.append(dns.rrset.from_text(owner, 3600, "IN", "NS", *servers))
        return [sent(reply)]

    return script


def level(zone: str, below: str, address: str = EVIL) -> Script:
    """One of many delegations in a row: `zone` has a cut for every name, and `below` is the address of its server.

    The last one, with nothing below, answers every question of type A with `address`.
    """
    depth = len(dns.name.from_text(zone).labels)

    def script(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
        name = asked.query.question[0].name
        reply = bare(asked)
        if len(name.labels) > depth and below:
            cut = dns.name.Name(name.labels[-depth - 1 :]).to_text()
            reply.flags &= ~dns.flags.AA
            reply.authority.append(dns.rrset.from_text(cut, 3600, "IN", "NS", f"ns.{cut}"))
            reply.additional.append(dns.rrset.from_text(f"ns.{cut}", 3600, "IN", "A", below))
        elif len(name.labels) > depth and asked.query.question[0].rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(name, 3600, "IN", "A", address))
        else:
            reply.authority.append(dns.rrset.from_text(zone, 60, "IN", "SOA", "ns. host. 1 3600 600 604800 60"))
        return [sent(reply)]

    return script


def spoofed(asked: Asked, answer: dns.message.Message) -> Iterable[Send]:
    """Before the right answer a flood of evil ones with ids by chance, to every port that the client has open."""
    sends: list[Send] = []
    if not asked.tcp:
        ports = tuple({*open_ports(asked.client), asked.port})
        for number in range(60):
            reply = evil(asked)
            reply.id = (asked.query.id + _CHANCE.randrange(1, 65536)) % 65536
            sends.append(sent(reply, after_s=0.002 * number, ports=ports))
    return [*sends, sent(answer, after_s=0.2)]


def open_ports(address: str) -> list[int]:
    """The UDP ports that are open at an IPv4 address, in the network of this thread."""
    ours = f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}"
    lines = pathlib.Path("/proc/thread-self/net/udp").read_text().splitlines()[1:]
    local = (line.split()[1].split(":") for line in lines)
    return [int(port, 16) for host, port in local if host == ours]
