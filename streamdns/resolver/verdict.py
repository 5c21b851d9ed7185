"""What a name server's response means, and what of it may be believed: only data of the zone that was asked. Pure."""

from __future__ import annotations

from typing import NamedTuple

from streamdns.dns.wire import ANY, CNAME, DNAME, FORMERR, NOERROR, NOTIMP, NS, NXDOMAIN, SOA
from streamdns.resolver.message import Response, RRset

#: Kinds of verdicts.
ANSWER, ALIAS, NO_DATA, NO_NAME, REFERRAL = "answer", "alias", "no data", "no name", "referral"
LAME, BROKEN = "lame", "broken"
MAX_NAME_OCTETS = 255
_A, _AAAA = 1, 28


class Verdict(NamedTuple):
    """Kind and reason; `rrsets` is what to believe, in the order of the answer; `target` where an alias leads to.

    REFERRAL: `rrsets` begins with the NS records, glue follows. NO_DATA and NO_NAME: the SOA, if there is one.
    """

    kind: str
    reason: str = ""
    rrsets: tuple[RRset, ...] = ()
    target: bytes = b""


def is_within(name: bytes, zone: bytes) -> bool:
    """Whether a name is at or below another; both in lower-case wire form."""
    at = 0
    while len(name) - at > len(zone):
        at += name[at] + 1
    return name[at:] == zone


def labels(name: bytes) -> int:
    """The number of labels."""
    count = at = 0
    while name[at]:
        at += name[at] + 1
        count += 1
    return count


def judge(response: Response, *, zone: bytes, qname: bytes, qtype: int, forwarded: bool = False) -> Verdict:
    """What a response to (qname, qtype) from a server of `zone` says; from a forwarder everything is believed."""
    if response.rcode not in (NOERROR, NXDOMAIN):
        broken = response.rcode in (FORMERR, NOTIMP)
        return Verdict(BROKEN if broken else LAME, f"rcode {response.rcode}")
    answer = {(rrset.owner, rrset.rdtype): rrset for rrset in response.answer}
    if answer:
        found = _chain(answer, response, zone=zone, qname=qname, qtype=qtype)
        if found is not None and (response.authoritative or forwarded or not response.recursive):
            return found
        if found is not None:
            return Verdict(LAME, "it answers for others, as a resolver")
    if response.rcode == NXDOMAIN:
        return Verdict(NO_NAME, "", _soa(response, zone, qname))
    if not forwarded:
        referral = _referral(response, zone, qname)
        if referral is not None:
            return referral
    soa = _soa(response, zone, qname)
    if soa or response.authoritative or forwarded:
        return Verdict(NO_DATA, "", soa)
    return Verdict(LAME, "neither an answer nor a referral downwards")


def _chain(
    answer: dict[tuple[bytes, int], RRset], response: Response, *, zone: bytes, qname: bytes, qtype: int
) -> Verdict | None:
    """The RRset that was asked for, or the aliases that lead away from its name, as far as the zone goes."""
    name = qname
    believed: list[RRset] = []
    seen = {name}
    while is_within(name, zone):
        if qtype == ANY:
            there = [rrset for rrset in response.answer if rrset.owner == name]
            if there:
                return Verdict(ANSWER, "", (*believed, *there))
        wanted = answer.get((name, qtype))
        if wanted is not None:
            return Verdict(ANSWER, "", (*believed, wanted))
        alias = answer.get((name, CNAME))
        if alias is None:
            alias_of = _dname(answer, name, zone)
            if alias_of is None:
                break
            dname, target = alias_of
            if target is None:
                return Verdict(BROKEN, "a DNAME makes a name that is too long")
            believed += [dname, RRset(name, CNAME, dname.ttl_s, (target,))]
        else:
            if len(alias.rdatas) != 1:
                return Verdict(BROKEN, "several CNAME records at one name")
            believed.append(alias)
            target = alias.rdatas[0].lower()
        if target in seen:
            return Verdict(BROKEN, "the aliases go in a circle")
        seen.add(target)
        name = target
    if not believed:
        return None
    return Verdict(ALIAS, "", tuple(believed), name)


def _dname(
    answer: dict[tuple[bytes, int], RRset], name: bytes, zone: bytes
) -> tuple[RRset, bytes | None] | None:
    """The DNAME above a name, and the name that it makes of it (RFC 6672 §2.2), None where that is too long."""
    at = name[0] + 1 if name[0] else 0
    while at and is_within(name[at:], zone):
        dname = answer.get((name[at:], DNAME))
        if dname is not None and len(dname.rdatas) == 1:
            target = name[:at] + dname.rdatas[0].lower()
            return dname, target if len(target) <= MAX_NAME_OCTETS else None
        if not name[at]:
            break
        at += name[at] + 1
    return None


def _soa(response: Response, zone: bytes, qname: bytes) -> tuple[RRset, ...]:
    return tuple(
        rrset for rrset in response.authority
        if rrset.rdtype == SOA and is_within(rrset.owner, zone) and is_within(qname, rrset.owner)
    )[:1]


def _referral(response: Response, zone: bytes, qname: bytes) -> Verdict | None:
    """A referral that goes down towards the name; LAME for one that does not; None where there is no referral."""
    servers = [rrset for rrset in response.authority if rrset.rdtype == NS]
    if not servers or response.answer:
        return None
    down = [rrset for rrset in servers if rrset.owner != zone and is_within(rrset.owner, zone)
            and is_within(qname, rrset.owner)]
    if not down:
        if response.authoritative:
            return None
        return Verdict(LAME, "a referral that does not lead down to the name")
    # The nearest: what lies below it is for its own servers to say.
    cut = min(down, key=lambda rrset: labels(rrset.owner))
    names = set(cut.rdatas) | {rdata.lower() for rdata in cut.rdatas}
    glue = tuple(
        rrset for rrset in response.additional
        if rrset.rdtype in (_A, _AAAA) and rrset.owner in names and is_within(rrset.owner, zone)
    )
    return Verdict(REFERRAL, "", (cut, *glue))
