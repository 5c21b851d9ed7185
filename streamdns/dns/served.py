"""Which RRsets of a name are answered where they stand together: the one place that decides it.

A CNAME hides the other types of its name (RFC 1034 §3.6.2) but for the DNSSEC records beside it (RFC 4035 §2.5). At
the apex of a zone it is hidden itself, or stands for addresses (DNS_APEX_CNAME=flatten). Records of this instance's
own win over a CNAME of the log. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streamdns.dns.node import HAS_CNAME, HAS_SOA, RRset, node_flags
from streamdns.dns.wire import CNAME, NSEC, RRSIG

#: Types that are answered beside a CNAME.
BESIDE_CNAME = frozenset((RRSIG, NSEC))


class Apexes(NamedTuple):
    """Where zones begin beside the SOAs of the log, and what a CNAME does there: what the settings say.

    listed: lookup keys of DNS_ZONES. flatten: DNS_APEX_CNAME=flatten.
    """

    listed: frozenset[bytes] = frozenset()
    flatten: bool = False

    def hidden(self, key: bytes, rrsets: Sequence[RRset]) -> set[int]:
        """The types of the RRsets of a name (by its lookup key) that have no part in answers."""
        flags = node_flags(rrsets)
        at_apex = bool(flags & HAS_SOA) or key in self.listed
        return {
            rrset.rdtype for rrset in rrsets
            if not is_served(rrset.rdtype, flags, at_apex=at_apex, flatten=self.flatten)
        }


def is_alias(flags: int, *, at_apex: bool) -> bool:
    """Whether a name is answered by its CNAME; `flags` are those of its node."""
    return bool(flags & HAS_CNAME) and not at_apex


def is_served(rdtype: int, flags: int, *, at_apex: bool, flatten: bool = False) -> bool:
    """Whether the RRset of a type, which the node with these flags holds, has a part in answers."""
    if rdtype == CNAME:
        return bool(flags & HAS_CNAME) and (not at_apex or flatten)
    return rdtype in BESIDE_CNAME or not is_alias(flags, at_apex=at_apex)


def contradiction(rrsets: Iterable[RRset]) -> str:
    """What contradicts itself in the RRsets of a name, in a few words for people; "" where nothing does."""
    held = list(rrsets)
    if len(held) < 2 or all(rrset.rdtype != CNAME for rrset in held):
        return ""
    flags = node_flags(held)
    if flags & HAS_SOA:
        return "a CNAME at a zone apex, which is not served, or flattened to addresses (DNS_APEX_CNAME)"
    if not flags & HAS_CNAME:
        return "records of this instance's own hide the CNAME of the log"
    if all(rrset.rdtype == CNAME or rrset.rdtype in BESIDE_CNAME for rrset in held):
        return ""
    return "a CNAME shadows the other types"
