"""Puts stored RRsets into replies as they stand: records, the addresses that go with them, referrals, links of aliases.

What an RRset needs for that is stored with it: its names are compressed (dns/compression.py). What depends on other
names, their addresses, is looked up. Where something is not common the result is None: then the reply is made in the
general way of dns/outcome.py.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from typing import Final

from streamdns.dns.compression import COMPRESSIBLE, moved
from streamdns.dns.lookup import Policy
from streamdns.dns.negative import HAS_TEMPLATE, ends
from streamdns.dns.node import ENTRY_SIZE, HAS_CNAME, HAS_SOA, HEAD_SIZE, REJECTED, entry_of
from streamdns.dns.octets import below, labels_key, message, number, piece, pointing
from streamdns.dns.outcome import MAX_ADDITIONAL_TARGETS, ZoneAnswers
from streamdns.dns.wire import (
    AA,
    AAAA,
    ADDITIONAL_FOR,
    CNAME,
    LONG_OCTETS,
    MAX_MESSAGE,
    NS,
    QR,
    RD,
    REFUSED,
    TC,
    A,
    even_length,
)

#: Pointers reach no farther in a message.
_FARTHEST: Final = 0x4000
_HEAD: Final = 12
_TO_QUESTION: Final = b"\xc0\x0c"
#: How a node begins that is one A record and nothing else: behind its owner the record has the 14 octets from 22 on.
_ONE_ADDRESS: Final = b"\0\0\0\1" + A.to_bytes(2, "big") + b"\0\0" + b"\0\0\0\1"
pointer: Final = struct.Struct(">H").pack

#: The flags of an answer, a referral and a refusal, to which RD, RA and TC are added.
ANSWER: Final = (QR | AA) << 8
REFERRAL: Final = QR << 8
REFUSAL: Final = QR << 8 | REFUSED
_POINTERS: Final = tuple(pointer(0xC000 | offset) for offset in range(1024))

#: One link of a chain of aliases: its CNAME record as it is sent; the key of the name that it leads to; of a message
#: whose question were that name, where it ends there, and the offsets of its labels, from the lowest; the offsets of
#: the same labels in the reply.
Alias = tuple[bytes, bytes, int, list[int], list[int]]


def follow(
    node: bytes, key: bytes, starts: list[int], places: list[int], at: int, step: int, where: int
) -> Alias | None:
    """Go on to the target of the CNAME that a node has, for a name that is given as Alias describes its target.

    The record will stand at offset `where` of the reply. `step` is by how many octets the name is longer than the
    wildcard that the node is of. None where the CNAME or the target is not common.
    """
    entry = HEAD_SIZE if node[5] == CNAME and not node[4] else entry_of(node, CNAME)
    if entry < 0 or node[entry + 2] & REJECTED:
        return None
    record = piece(node, number(node, entry + 8), number(node, entry + 12))
    own: list[int] = []
    target = labels_key(record, _HEAD, own)
    if target is None:
        return None
    end = _HEAD + len(target)
    length = record[end]
    if not (target or length):
        return None
    its_places = [where + each for each in own]
    if length:
        shared = ((length & 63) << 8 | record[end + 1]) + step
        target = piece(key, 0, at - shared) + target
        index = 0
        for each in starts:
            if each >= shared:
                own.append(each - shared + end)
            else:
                index += 1
        its_places += places[index:]
        if step or places is not starts:
            record = piece(record, 0, end) + to(places[index])
    if places is not starts:
        record = to(places[0]) + piece(record, 2, len(record) - 2)
    return record, target, _HEAD + len(target), own, its_places


def to(offset: int) -> bytes:
    """The pointer to a name at an offset of a message."""
    return _POINTERS[offset] if offset < 1024 else pointer(0xC000 | offset)


def owned(records: bytes, count: int, owner: bytes) -> bytes:
    """The records of an RRset without names in its RDATA, `owner` being the pointer to the name they are of."""
    if count == 1:
        return owner + piece(records, 2, len(records) - 2)
    if len(records) > LONG_OCTETS and (length := even_length(records)):
        return _evenly_owned(records, length, owner)
    made = bytearray(records)
    high, low = owner[0], owner[1]
    at = 0
    for _ in range(count):
        made[at] = high
        made[at + 1] = low
        at += _HEAD + (made[at + 10] << 8 | made[at + 11])
    return bytes(made)


def _evenly_owned(records: bytes, length: int, owner: bytes) -> bytes:
    """`owned` for records that are all `length` octets long: thousands of owners are written in one go."""
    made = bytearray(records)
    count = len(records) // length
    made[0::length] = owner[:1] * count
    made[1::length] = owner[1:] * count
    return bytes(made)


class ReadyAnswers(ZoneAnswers):
    """Assembles replies from stored RRsets; each is counted.

    `tally` counts replies by `qtype << 8 | rcode`; whoever owns the answerer reads and clears it. Of each method here
    `packet` is the query, whose question ends at `end`, and the reply may have `limit` octets with its OPT record.
    `key` is that of the name in the question, which ends at `at`; `zone` is the key of the zone's apex, b"" for the
    root. `ra` goes into the flags of each reply.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.tally: defaultdict[int, int] = defaultdict(int)
        self.truncated = 0
        self.ra = 0

    def negative(
        self, packet: bytes, end: int, limit: int, opt: bytes, bounds: bytes, apex: bytes, rcode: int, chain: bytes,
        links: int,
    ) -> bytes | None:
        """NXDOMAIN or NODATA, from what the view has for the apex; `apex` is the pointer to its name.

        `chain` has the CNAMEs that led to the name, `links` in number.
        """
        octets = packet
        where = end + len(chain)
        if not bounds[0] & HAS_TEMPLATE or where + len(bounds) + len(opt) > limit:
            return None
        self.tally[octets[end - 4] << 16 | octets[end - 3] << 8 | rcode] += 1
        second, third = bounds[1] + 5, bounds[2] + 5
        if bounds[3] or len(apex) < 2:
            mname_end, rname_end = ends(bounds, apex, where)
            record = b"".join((
                apex, bounds[7:second], mname_end, bounds[second + 2 : third], rname_end, bounds[third + 2 :]
            ))
        else:
            record = pointing(bounds, 5, second, third, apex)
        flags = ANSWER | (octets[2] & RD) << 8 | self.ra | rcode
        return message(packet, end, flags, links, 1, 0, chain + record if chain else record, opt)

    def chained(self, packet: bytes, end: int, limit: int, opt: bytes, chain: bytes, count: int) -> bytes | None:
        """A chain of CNAMEs and what it led to, `count` records in all."""
        if end + len(chain) + len(opt) > limit:
            return None
        octets = packet
        self.tally[octets[end - 4] << 16 | octets[end - 3] << 8] += 1
        return message(packet, end, ANSWER | (octets[2] & RD) << 8 | self.ra, count, 0, 0, chain, opt)

    def cut_off(self, packet: bytes, end: int, opt: bytes) -> bytes:
        """The reply without the RRset that does not fit."""
        octets = packet
        self.tally[octets[end - 4] << 16 | octets[end - 3] << 8] += 1
        self.truncated += 1
        flags = ANSWER | (TC | octets[2] & RD) << 8 | self.ra
        return message(packet, end, flags, 0, 0, 0, b"", opt)

    def with_names(
        self, packet: bytes, end: int, limit: int, opt: bytes, records: bytes, count: int, step: int, key: bytes,
        at: int, zone: bytes,
    ) -> bytes | None:
        """An RRset with names in its RDATA, and the addresses of these names in the zone; `step` is as in `follow`."""
        octets = packet
        qtype = octets[end - 4] << 8 | octets[end - 3]
        if step and qtype in COMPRESSIBLE:
            records = moved(qtype, records, step, _TO_QUESTION)
        room = limit - end - len(records) - len(opt)
        if room < 0:
            return self.cut_off(packet, end, opt)
        more = b""
        added = 0
        offset = ADDITIONAL_FOR.get(qtype)
        if offset is not None:
            found = self.addresses(records, offset, end, key, at, zone, MAX_ADDITIONAL_TARGETS)
            if found is None or len(found[0]) > room:
                return None
            more, added = found
        self.tally[qtype << 8] += 1
        flags = ANSWER | (octets[2] & RD) << 8 | self.ra
        return message(packet, end, flags, count, 0, added, records + more if more else records, opt)

    def referral(
        self, packet: bytes, end: int, limit: int, opt: bytes, key: bytes, at: int, cut: int, zone: bytes
    ) -> bytes | None:
        """The name servers below a cut, whose name begins at offset `cut` of the query, with their glue."""
        node = self._node(piece(key, 0, at - cut))
        if node is None:
            return None
        entry = HEAD_SIZE if node[5] == NS and not node[4] else entry_of(node, NS)
        if entry < 0:
            return None
        records = piece(node, number(node, entry + 8), number(node, entry + 12))
        octets = packet
        if cut != _HEAD:
            records = moved(NS, records, cut - _HEAD, to(cut))
        found = self.addresses(records, 0, end, key, at, zone, MAX_MESSAGE)
        if found is None:
            return None
        more, added = found
        if end + len(records) + len(more) + len(opt) > limit:
            return None
        self.tally[octets[end - 4] << 16 | octets[end - 3] << 8] += 1
        flags = REFERRAL | (octets[2] & RD) << 8 | self.ra
        return message(packet, end, flags, 0, number(node, entry + 4), added, records + more if more else records, opt)

    def addresses(
        self, records: bytes, offset: int, end: int, key: bytes, at: int, zone: bytes, most: int
    ) -> tuple[bytes, int] | None:
        """The addresses of the names at `offset` in the RDATA of records that stand right behind the question.

        Of `most` records at the most, and of names that the zone holds; the number of address records comes with them.
        """
        if end + len(records) >= _FARTHEST:
            return None
        more = b""
        count = 0
        seen: list[bytes] = []
        start, whole = 0, len(records)
        while start < whole and most:
            most -= 1
            place = start + _HEAD + offset
            start += _HEAD + (records[start + 10] << 8 | records[start + 11])
            length = records[place]
            behind = place + length + 1
            target = None
            if 0 < length < 64 <= records[behind]:
                shared = (records[behind] & 63) << 8 | records[behind + 1]
                if shared < end:
                    # By far the commonest: one label below a name that is in the question.
                    target = below(key, at - shared, records, place)
            if target is None:
                target = target_of(records, place, end, key, at)
                if target is None:
                    return None
            if not target.startswith(zone) or target in seen or not target:
                continue
            node = self._node(target)
            if node is None:
                continue
            seen.append(target)
            owner = to(end + place) if length < 64 else piece(records, place, 2)
            if node.startswith(_ONE_ADDRESS):
                more = more + owner + piece(node, 22, 14)
                count += 1
                continue
            if node[0] & HAS_CNAME and not node[0] & HAS_SOA:
                continue
            for index in range(node[2] << 8 | node[3]):
                entry = HEAD_SIZE + ENTRY_SIZE * index
                rdtype = node[entry] << 8 | node[entry + 1]
                if rdtype in (A, AAAA):
                    held = number(node, entry + 4)
                    more = more + owned(piece(node, number(node, entry + 8), number(node, entry + 12)), held, owner)
                    count += held
                if rdtype >= AAAA:
                    break
        return more, count


def target_of(records: bytes, place: int, end: int, key: bytes, at: int) -> bytes | None:
    """The lookup key of the name at `place` in records that stand right behind the question, which ends at `end`.

    b"" for the root, None where the name is not common. `key` is that of the name in the question, which ends at `at`.
    """
    labels: list[bytes] = []
    above = b""
    length = records[place]
    while length:
        if length < 64:
            labels.append(records[place + 1 : place + 1 + length])
            place += length + 1
        else:
            target = (length & 63) << 8 | records[place + 1]
            if target < end:
                above = key[: at - target]
                break
            if target - end >= place:
                return None
            place = target - end
        length = records[place]
    if not labels:
        return above
    labels.reverse()
    below = b"\0".join(labels) + b"\0"
    if below.count(b"\0") != len(labels) or 1 in below:
        return None
    return above + below.lower()
