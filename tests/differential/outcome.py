"""What two servers must agree on: a reply without what the RFCs leave to the server."""

from __future__ import annotations

from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

#: Owner (lower case), type, TTL and RDATA in canonical wire form.
Record = tuple[str, int, int, bytes]


class Outcome(NamedTuple):
    """A reply; with TC set only rcode, flags, question and EDNS count, as it has to be asked again anyway.

    authority: without the apex NS of a positive answer (RFC 1034 §6.2.1 shows them, none requires them). glue: addresses
    at or below the cut of a referral, the only additional records that must be there (RFC 9471). chain: owners of
    CNAME and DNAME records in order, for a client walks them from the top.
    """

    rcode: str
    flags: str
    question: bytes
    edns: tuple[int, bool]
    answer: frozenset[Record]
    authority: frozenset[Record]
    glue: frozenset[Record]
    chain: tuple[str, ...]


_ALIASES = (dns.rdatatype.CNAME, dns.rdatatype.DNAME)
_ADDRESSES = (dns.rdatatype.A, dns.rdatatype.AAAA)


def outcome_of(reply: bytes, question_end: int) -> Outcome:
    """Parse a reply; raises what dnspython raises for one that is malformed."""
    message = dns.message.from_wire(reply)
    edns = (message.edns, bool(message.ednsflags & dns.flags.DO))
    question = reply[12:question_end]
    rcode, flags = dns.rcode.to_text(message.rcode()), dns.flags.to_text(message.flags)
    if message.flags & dns.flags.TC:
        nothing: frozenset[Record] = frozenset()
        return Outcome(rcode, flags, question, edns, nothing, nothing, nothing, ())
    answer = records(message.answer)
    referral = [rrset for rrset in message.authority if rrset.rdtype == dns.rdatatype.NS]
    positive = bool(message.flags & dns.flags.AA) and bool(answer)
    cut = dns.name.empty
    if positive and any(rrset.rdtype not in _ALIASES for rrset in message.answer):
        referral, authority = [], records([rrset for rrset in message.authority if rrset not in referral])
    else:
        authority = records(message.authority)
    if referral:
        cut = referral[0].name
    glue = records(
        [rrset for rrset in message.additional if referral and rrset.rdtype in _ADDRESSES and rrset.name.is_subdomain(cut)]
    )
    chain = tuple(rrset.name.to_text().lower() for rrset in message.answer if rrset.rdtype in _ALIASES)
    return Outcome(rcode, flags, question, edns, answer, authority, glue, chain)


def records(rrsets: list[dns.rrset.RRset]) -> frozenset[Record]:
    """The records of a section."""
    return frozenset(
        (rrset.name.to_text().lower(), int(rrset.rdtype), int(rrset.ttl), rdata.to_digestable())
        for rrset in rrsets for rdata in rrset
    )
