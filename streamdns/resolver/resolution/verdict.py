"""Judges a name server's response: what it means, and which of its records may be believed. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streamdns.dns.wire import (
    AAAA,
    ANY,
    BADVERS,
    CNAME,
    DNAME,
    FORMERR,
    NOERROR,
    NOTAUTH,
    NOTIMP,
    NS,
    NSEC,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    SOA,
    YXDOMAIN,
    A,
)
from streamdns.resolver.resolution.message import Response, RRset

#: Kinds of verdicts. LAME: it does not serve the zone. BROKEN: it cannot answer this.
ANSWER, ALIAS, NO_DATA, NO_NAME, REFERRAL, TOO_LONG = "answer", "alias", "no data", "no name", "referral", "too long"
LAME, BROKEN = "lame", "broken"
MAX_NAME_OCTETS = 255
MAX_CHAIN = 16
_NSEC3 = 50
_RCODES = {FORMERR: "FORMERR", SERVFAIL: "SERVFAIL", NOTIMP: "NOTIMP", REFUSED: "REFUSED", YXDOMAIN: "YXDOMAIN",
           NOTAUTH: "NOTAUTH", BADVERS: "BADVERS"}


class Verdict(NamedTuple):
    """What a response means: its kind and the reason, the `rrsets` to believe, and the `target` of an alias.

    REFERRAL: `rrsets` begins with the NS records, glue follows. NO_DATA and NO_NAME: the SOA, if there is one, then
    the records that prove it. TOO_LONG: a DNAME makes a name of more than 255 octets (YXDOMAIN, RFC 6672 §2.2).
    `resort`: what a LAME server said all the same, for the case that nobody knows better.
    """

    kind: str
    reason: str = ""
    rrsets: tuple[RRset, ...] = ()
    target: bytes = b""
    resort: Verdict | None = None

    @property
    def rank(self) -> int:
        """How much a last resort is worth: records, then a denial with an SOA record, then one without."""
        return 1 + bool(self.rrsets) if self.kind in (NO_DATA, NO_NAME) else 3


def is_within(name: bytes, zone: bytes) -> bool:
    """Whether a name is at or below another; both in lower-case wire form."""
    at = 0
    while len(name) - at > len(zone):
        at += name[at] + 1
    return name[at:] == zone


def labels(name: bytes) -> int:
    """The number of labels of a name."""
    count = at = 0
    while name[at]:
        at += name[at] + 1
        count += 1
    return count


def judge(
    response: Response, *, zone: bytes, qname: bytes, qtype: int, forwarded: bool = False,
    beyond: Callable[[bytes], bool] = lambda name: False,
) -> Verdict:
    """Judges a response to (qname, qtype) from a server of `zone`; a forwarder is believed as resolvers are.

    `beyond`: whether somebody else answers for a name in the zone that an alias leads to.
    """
    rcode = response.rcode
    if rcode not in (NOERROR, NXDOMAIN, YXDOMAIN):
        return Verdict(LAME if rcode in (REFUSED, NOTAUTH) else BROKEN, _RCODES.get(rcode, f"rcode {rcode}"))
    if response.truncated:
        return Verdict(BROKEN, "truncated where it need not be")
    believable = response.authoritative or forwarded or not response.recursive
    if response.answer:
        found = _chain(response, zone=zone, qname=qname, qtype=qtype, beyond=beyond)
        if found is not None:
            return found if believable else Verdict(LAME, "it answers for others, as a resolver", resort=found)
    soa = _soa(response, zone, qname)
    if rcode == YXDOMAIN:
        return Verdict(BROKEN, "YXDOMAIN without a DNAME")
    if rcode == NXDOMAIN:
        if response.authoritative or forwarded or (soa and believable):
            return Verdict(NO_NAME, "", soa)
        return Verdict(LAME, "NXDOMAIN without authority", resort=Verdict(NO_NAME, "", soa) if soa else None)
    if not forwarded:
        referral = _referral(response, zone, qname)
        if referral is not None:
            return referral
    if response.answer and not soa:
        return Verdict(BROKEN, "an answer to something else")
    if (soa and believable) or response.authoritative or forwarded:
        return Verdict(NO_DATA, "", soa)
    return Verdict(LAME, "neither an answer nor a referral downwards", resort=Verdict(NO_DATA, "", soa))


def _chain(
    response: Response, *, zone: bytes, qname: bytes, qtype: int, beyond: Callable[[bytes], bool]
) -> Verdict | None:
    """The RRset that was asked for, or the aliases that lead away from its name, as far as the zone goes."""
    answer = {(rrset.owner, rrset.rdtype): _single(rrset) for rrset in response.answer}
    name = qname
    believed: list[RRset] = []
    seen = {name}
    while is_within(name, zone) and len(seen) <= MAX_CHAIN + 1 and not (believed and beyond(name)):
        if qtype == ANY:
            there = [rrset for rrset in answer.values() if rrset.owner == name]
            if there:
                return Verdict(ANSWER, "", (*believed, *there))
        wanted = answer.get((name, qtype))
        if wanted is not None:
            return Verdict(ANSWER, "", (*believed, wanted))
        # The DNAME first: the CNAME that a server makes of it is made again here, from what can be checked.
        dname = _dname(answer, name, zone)
        alias = answer.get((name, CNAME))
        if dname is not None:
            made = name[: len(name) - len(dname.owner)] + dname.rdatas[0].lower()
            if len(made) > MAX_NAME_OCTETS:
                return Verdict(TOO_LONG, "a DNAME makes a name that is too long", (*believed, dname))
            alias = RRset(name, CNAME, dname.ttl_s, (made,))
            believed.append(dname)
        elif alias is None:
            break
        believed.append(alias)
        name = alias.rdatas[0].lower()
        if name in seen:
            return Verdict(ALIAS, "in a circle", tuple(believed), name)
        seen.add(name)
    return Verdict(ALIAS, "", tuple(believed), name) if believed else None


def _single(rrset: RRset) -> RRset:
    """Of several CNAME or DNAME records at one name, which may not be, the same one each time."""
    if rrset.rdtype not in (CNAME, DNAME) or len(rrset.rdatas) == 1:
        return rrset
    return rrset._replace(rdatas=(min(rrset.rdatas, key=bytes.lower),), signatures=())


def _dname(answer: dict[tuple[bytes, int], RRset], name: bytes, zone: bytes) -> RRset | None:
    """The DNAME above a name, inside the zone."""
    at = name[0] + 1 if name[0] else 0
    while at and is_within(name[at:], zone):
        dname = answer.get((name[at:], DNAME))
        if dname is not None:
            return dname
        if not name[at]:
            break
        at += name[at] + 1
    return None


def _soa(response: Response, zone: bytes, qname: bytes) -> tuple[RRset, ...]:
    """The SOA record of a negative answer, and behind it the signed records that prove it (NSEC, NSEC3)."""
    authority = response.authority
    soa = next((rrset for rrset in authority if rrset.rdtype == SOA and is_within(rrset.owner, zone)
                and is_within(qname, rrset.owner)), None)
    if soa is None:
        return ()
    if len(authority) == 1:
        return (soa,)
    proof = [rrset for rrset in authority
             if rrset.rdtype in (NSEC, _NSEC3) and rrset.signatures and is_within(rrset.owner, soa.owner)]
    return (soa, *proof)


def _referral(response: Response, zone: bytes, qname: bytes) -> Verdict | None:
    """A referral that goes down towards the name; LAME for one that does not; None where there is no referral."""
    if response.answer:
        return None
    servers = [rrset for rrset in response.authority if rrset.rdtype == NS]
    if not servers:
        return None
    # At or above the name first: that is soon seen, however long the owners are that a message may hold by the hundred.
    down = [rrset for rrset in servers if is_within(qname, rrset.owner) and rrset.owner != zone
            and is_within(rrset.owner, zone)]
    if not down:
        if response.authoritative:
            return None
        return Verdict(LAME, "a referral that does not lead down to the name")
    # The nearest: what lies below it is for its own servers to say.
    cut = min(down, key=lambda rrset: labels(rrset.owner))
    names = {rdata.lower() for rdata in cut.rdatas}
    glue = tuple(
        rrset for rrset in response.additional
        if rrset.rdtype in (A, AAAA) and rrset.owner in names and is_within(rrset.owner, zone)
    )
    return Verdict(REFERRAL, "", (cut, *glue))
