"""The one judge of RRsets: limits, duplicates, and types of which only one record may be.

Events, this instance's own records and zone files are gathered here, so that nothing reaches the view that this did
not let pass. Pure.
"""

from __future__ import annotations

from typing import Final

from streamdns.dns import name, rdata
from streamdns.dns.canonical import canonical
from streamdns.dns.compression import COMPRESSIBLE
from streamdns.dns.node import pack_records
from streamdns.dns.wire import HEADER_SIZE, MAX_MESSAGE, Reply
from streamdns.errors import BadEvent
from streamdns.events.provenance import Provenance

MAX_RECORDS: Final = 4096
MAX_RRSET_OCTETS: Final = 65_000
MAX_TTL_S: Final = 0x7FFFFFFF
#: CNAME, SOA, DNAME: two of them at one name contradict each other (RFC 2181 §10.1, RFC 1035 §3.3.13, RFC 6672 §2.4).
SINGLE_TYPES: Final = frozenset((5, 6, 39))
#: Octets of a record beside its RDATA where the owner is a compression pointer (RFC 1035 §3.2.1, §4.1.4).
RECORD_OCTETS: Final = 12


class Gathered:
    """The records of one RRset as they come, each once; `ttl` is the lowest (RFC 2181 §5.2).

    What makes the RRset impossible is BadEvent: of add() what is wrong with one record, of rrset() what is wrong with
    all of them together.
    """

    __slots__ = ("_owner", "_rdtype", "_records", "ttl")

    def __init__(self, owner: bytes, rdtype: int) -> None:
        self._owner, self._rdtype = owner, rdtype
        self.ttl = MAX_TTL_S
        # By canonical form, in the spelling that came first.
        self._records: dict[bytes, tuple[bytes, Provenance | None]] = {}

    def add(self, ttl: int, wire: bytes, metadatas: Provenance | None = None) -> None:
        """Take up a record in wire form that rdata.from_text gave; a repeated one counts by its TTL alone."""
        if not 0 <= ttl <= MAX_TTL_S:
            raise BadEvent(f"a record has a ttl that is not an integer from 0 to {MAX_TTL_S}: {name.shown(str(ttl))}")
        if ttl < self.ttl:
            self.ttl = ttl
        self._records.setdefault(canonical(self._rdtype, wire), (wire, metadatas))

    def rrset(self) -> tuple[bytes, ...]:
        """The RDATAs of the RRset in the order in which they came."""
        found = self._records
        if len(found) > MAX_RECORDS:
            raise BadEvent(f"the RRset has {len(found)} records, more than {MAX_RECORDS}", "size")
        if len(found) > 1 and self._rdtype in SINGLE_TYPES:
            raise BadEvent(f"{len(found)} {rdata.type_to_text(self._rdtype)} records where only one may be", "content")
        rdatas = tuple([wire for wire, _ in found.values()])
        octets = sum(map(len, rdatas)) + RECORD_OCTETS * len(rdatas)
        if octets > MAX_RRSET_OCTETS and octets_sent(self._owner, self._rdtype, rdatas) > MAX_RRSET_OCTETS:
            raise BadEvent(f"the RRset is longer than {MAX_RRSET_OCTETS} octets in wire form", "size")
        return rdatas

    def metadatas(self) -> list[Provenance | None]:
        """Those of each record, in the same order."""
        return [metadatas for _, metadatas in self._records.values()]


def octets_sent(owner: bytes, rdtype: int, rdatas: tuple[bytes, ...]) -> int:
    """The size of an RRset in an answer, with its names compressed; more than MAX_RRSET_OCTETS where it fits none."""
    if rdtype not in COMPRESSIBLE:
        return sum(map(len, rdatas)) + RECORD_OCTETS * len(rdatas)
    question = b"\0" * HEADER_SIZE + owner + b"\0\0\0\1"
    reply = Reply(question, len(question), MAX_MESSAGE)
    fits = reply.add_rrset(owner, rdtype, pack_records(rdtype, 0, rdatas))
    return len(reply.out) - len(question) if fits else MAX_MESSAGE
