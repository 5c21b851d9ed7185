"""Encodes and decodes nodes, the stored form of an owner name: all its RRsets as they are sent, and their origin.

Layout (big endian): flags (1), marks (1), number of RRsets (2), then for each RRset in order of type a directory
entry of 16 octets: type (2), RRset flags (1), 0 (1), number of records (4), start (4), length (4). `start`/`length`
delimit the RRset's records in wire form, each beginning with the two octets c0 0c, so that an RRset of the queried
name is copied into a reply as it stands (RFC 1035 §4.1.4: a pointer to offset 12, the question's name). The names in
RDATA are compressed (dns/compression.py); RRset has them in full. Behind each RRset's records stands its origin: topic
index (2), partition (4), position (8), timestamp in ms (8), metadatas with their length (4).

What encodes and decodes has the owner's name (wire form, lower case) for that; where it is b"", names are in full.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from streamdns.dns.compression import COMPRESSIBLE, compressed, expanded

# Node flags: which special types the node holds that change how a name is answered (HAS_CNAME: see node_flags).
HAS_CNAME: Final = 1
HAS_NS: Final = 2
HAS_DNAME: Final = 4
HAS_SOA: Final = 8

# Marks of a node, beside its flags: of what it does not hold itself (view/aside.py).
BEYOND: Final = 1  # RRsets that are not served
APART: Final = 2  # metadatas of some of its RRsets, which have MARK_OF_APART
MARK_OF_APART: Final = b"\xff"  # no JSON begins so

# RRset flags.
REJECTED: Final = 1  # the newest event of some partition was rejected: served, marked, not in the digest
CONTESTED: Final = 2  # candidate rows exist beside the node (see view/candidates.py)
LOCAL: Final = 4  # one of this instance's own records

NS: Final = 2
CNAME: Final = 5
SOA: Final = 6
DNAME: Final = 39
DS: Final = 43
_NODE_FLAG: Final = {NS: HAS_NS, CNAME: HAS_CNAME, SOA: HAS_SOA, DNAME: HAS_DNAME}

_HEAD: Final = struct.Struct(">BBH")
ENTRY: Final = struct.Struct(">HBxIII")
_ORIGIN: Final = struct.Struct(">HIQqI")
_RECORD: Final = struct.Struct(">HHHIH")
_SINGLE: Final = struct.Struct(">BxHHBxIII")
_TYPE_ALONE: Final = struct.Struct(">BHHH")
_PARTITION: Final = struct.Struct(">HI")

HEAD_SIZE: Final = 4
ENTRY_SIZE: Final = 16
RECORD_HEAD_SIZE: Final = 12
_SINGLE_START: Final = HEAD_SIZE + ENTRY_SIZE
CLASS_IN: Final = 1
POINTER_TO_QUESTION: Final = 0xC00C
#: In a directory of more entries a type is found by bisection.
_MANY_RRSETS: Final = 8


class Origin(NamedTuple):
    """Where an RRset came from; `topic` is an index into the view's table of topics, `timestamp` milliseconds."""

    topic: int
    partition: int
    position: int
    timestamp: int
    metadatas: bytes


class RRset(NamedTuple):
    """One RRset of a node; `records` is its wire form as described at the top of this module."""

    rdtype: int
    flags: int
    count: int  # type: ignore[assignment] # hides tuple.count, which nobody wants of an RRset
    records: bytes
    origin: Origin


def pack_records(rdtype: int, ttl: int, rdatas: Sequence[bytes]) -> bytes:
    """Wire form of an RRset whose owner is the question's name."""
    pack = _RECORD.pack
    if len(rdatas) == 1:
        return pack(POINTER_TO_QUESTION, rdtype, CLASS_IN, ttl, len(rdatas[0])) + rdatas[0]
    return b"".join([pack(POINTER_TO_QUESTION, rdtype, CLASS_IN, ttl, len(rdata)) + rdata for rdata in rdatas])


def unpack_rdatas(records: bytes, most: int = 65536) -> list[bytes]:
    """The RDATAs of an RRset in wire form, `most` at the most."""
    rdatas: list[bytes] = []
    at, end = 0, len(records)
    while at < end and len(rdatas) < most:
        start = at + RECORD_HEAD_SIZE
        at = start + (records[at + 10] << 8 | records[at + 11])
        rdatas.append(records[start:at])
    return rdatas


def ttl_of(records: bytes) -> int:
    """The TTL of an RRset in wire form, seconds."""
    return int.from_bytes(records[6:10], "big")


def encode(rrsets: list[RRset], marks: int = 0, *, owner: bytes = b"") -> bytes:
    """The node of these RRsets; they must be in ascending order of type."""
    if len(rrsets) == 1 and not marks:
        return encode_single(*rrsets[0], owner=owner)
    at = HEAD_SIZE + ENTRY_SIZE * len(rrsets)
    directory = b""
    body = b""
    for rdtype, rrset_flags, count, in_full, origin in rrsets:
        records = compressed(owner, rdtype, in_full) if owner and rdtype in COMPRESSIBLE else in_full
        directory += ENTRY.pack(rdtype, rrset_flags, count, at + len(body), len(records))
        topic, partition, position, timestamp, metadatas = origin
        body += records + _ORIGIN.pack(topic, partition, position, timestamp, len(metadatas)) + metadatas
    return _HEAD.pack(node_flags(rrsets), marks, len(rrsets)) + directory + body


def node_flags(rrsets: Sequence[RRset]) -> int:
    """The flags of a node with these RRsets.

    A CNAME of the log is not among them where another type is one of this instance's own: those win over the log, and
    an alias would hide them.
    """
    flags = 0
    for rrset in rrsets:
        if rrset[0] in _NODE_FLAG:
            flags |= _NODE_FLAG[rrset[0]]
    if flags & HAS_CNAME:
        local = {rrset[0] for rrset in rrsets if rrset[1] & LOCAL}
        if local and CNAME not in local:
            return flags & ~HAS_CNAME
    return flags


def encode_single(
    rdtype: int, flags: int, count: int, records: bytes, origin: Origin, *, owner: bytes = b""
) -> bytes:
    """The node of one RRset, given by the fields of RRset."""
    if owner and rdtype in COMPRESSIBLE:
        records = compressed(owner, rdtype, records)
    topic, partition, position, timestamp, metadatas = origin
    head = _SINGLE.pack(_NODE_FLAG.get(rdtype, 0), 1, rdtype, flags, count, _SINGLE_START, len(records))
    whence = _ORIGIN.pack(topic, partition, position, timestamp, len(metadatas))
    return b"".join((head, records, whence, metadatas))


def records_alone(node: bytes, rdtype: int, topic: int, partition: int, *, owner: bytes = b"") -> bytes | None:
    """The records of a node with one RRset of this type, without flags and from this partition; None for all others."""
    if node[1:8] != _TYPE_ALONE.pack(0, 1, rdtype, 0):
        return None
    end = _SINGLE_START + int.from_bytes(node[16:20], "big")
    if node[end : end + 6] != _PARTITION.pack(topic, partition):
        return None
    records = node[_SINGLE_START:end]
    return in_full(owner, rdtype, records) if owner and rdtype in COMPRESSIBLE else records


def has_names(node: bytes) -> bool:
    """Whether a node has an RRset of a type whose names are compressed: only then it takes the owner to decode it."""
    end = HEAD_SIZE + ENTRY_SIZE * (node[2] << 8 | node[3])
    return any(node[at] == 0 and node[at + 1] in COMPRESSIBLE for at in range(HEAD_SIZE, end, ENTRY_SIZE))


def in_full(owner: bytes, rdtype: int, records: bytes) -> bytes:
    try:
        return expanded(owner, rdtype, records)
    except (IndexError, ValueError) as err:
        raise struct.error(f"names in RDATA of type {rdtype} are no names: {err}") from err


def decode(node: bytes, *, owner: bytes = b"") -> list[RRset]:
    """The RRsets of a node, in ascending order of type; the inverse of `encode`."""
    rrsets: list[RRset] = []
    at = HEAD_SIZE
    for _ in range(node[2] << 8 | node[3]):
        rdtype, flags, count, start, length = ENTRY.unpack_from(node, at)
        at += ENTRY_SIZE
        end = start + length
        topic, partition, position, timestamp, size = _ORIGIN.unpack_from(node, end)
        end_of_origin = end + _ORIGIN.size
        origin = Origin(topic, partition, position, timestamp, node[end_of_origin : end_of_origin + size])
        records = node[start:end]
        if owner and rdtype in COMPRESSIBLE:
            records = in_full(owner, rdtype, records)
        rrsets.append(RRset(rdtype, flags, count, records, origin))
    return rrsets


def find(node: bytes, rdtype: int) -> tuple[int, int, int, int] | None:
    """Directory entry of one RRset: flags, number of records, start and length of its records in the node."""
    at = entry_of(node, rdtype)
    if at < 0:
        return None
    _, flags, count, start, length = ENTRY.unpack_from(node, at)
    return flags, count, start, length


def entry_of(node: bytes, rdtype: int) -> int:
    """Where in a node the directory entry of one RRset is; -1 where there is none of this type."""
    high, low = rdtype >> 8, rdtype & 255
    at = HEAD_SIZE
    count = node[2] << 8 | node[3]
    if count > _MANY_RRSETS:
        at += ENTRY_SIZE * _first_not_below(node, rdtype, count)
        count = 1 if at < HEAD_SIZE + ENTRY_SIZE * count else 0
    for _ in range(count):
        if node[at + 1] == low and node[at] == high:
            return at
        at += ENTRY_SIZE
    return -1


def _first_not_below(node: bytes, rdtype: int, count: int) -> int:
    """How many of the `count` entries of a directory have a lower type: looking at each of hundreds takes longer."""
    low, high = 0, count
    while low < high:
        middle = low + high >> 1
        at = HEAD_SIZE + ENTRY_SIZE * middle
        if node[at] << 8 | node[at + 1] < rdtype:
            low = middle + 1
        else:
            high = middle
    return low


def records_of(node: bytes, rdtype: int, *, owner: bytes = b"") -> bytes | None:
    """The records of one RRset of a node in wire form, or None."""
    entry = find(node, rdtype)
    if entry is None:
        return None
    records = node[entry[2] : entry[2] + entry[3]]
    return in_full(owner, rdtype, records) if owner and rdtype in COMPRESSIBLE else records


def any_type(node: bytes, *, hide_cname: bool) -> int:
    """The one type that answers ANY (RFC 8482 §4.1): the CNAME that shadows the others, else the lowest."""
    if node[0] & HAS_CNAME and not hide_cname:
        return CNAME
    count = node[2] << 8 | node[3]
    end = HEAD_SIZE + ENTRY_SIZE * min(count, 2)
    types = [node[at] << 8 | node[at + 1] for at in range(HEAD_SIZE, end, ENTRY_SIZE)]
    return next((rdtype for rdtype in types if rdtype != CNAME or not hide_cname), -1)


def cut_flags(node: bytes) -> int:
    """How a node bounds zones: HAS_SOA, HAS_NS, HAS_DNAME; 0 where a CNAME shadows everything but a zone's apex."""
    flags = node[0]
    if flags & HAS_CNAME and not flags & HAS_SOA:
        return 0
    return flags & (HAS_SOA | HAS_NS | HAS_DNAME)


def replace(rrsets: list[RRset], rdtype: int, new: RRset | None) -> list[RRset]:
    """The RRsets with the one of this type replaced, added or (new is None) removed; order by type is kept."""
    kept = [rrset for rrset in rrsets if rrset.rdtype != rdtype]
    if new is not None:
        kept.append(new)
        if len(kept) > 1:
            kept.sort(key=_by_type)
    return kept


def _by_type(rrset: RRset) -> int:
    return rrset.rdtype
