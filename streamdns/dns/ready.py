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
from streamdns.dns.node import ENTRY, ENTRY_SIZE, HAS_CNAME, HAS_SOA, HEAD_SIZE, REJECTED, find
from streamdns.dns.outcome import MAX_ADDITIONAL_TARGETS, ZoneAnswers
from streamdns.dns.wire import (
    AA,
    AAAA,
    ADDITIONAL_FOR,
    CNAME,
    LONG_OCTETS,
    MAX_MESSAGE,
    NS,
    NXDOMAIN,
    QR,
    RA,
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

# Pieces of headers. Replies are joined of pieces, which takes two thirds of the time of a format.
#: The flags of an answer and one question: for a query without RD or with it; two further on from who resolves (RA),
#: four further on for a name that does not exist.
HEADS: Final = tuple(
    bytes((QR | AA | rd, ra | rcode, 0, 1)) for rcode in (0, NXDOMAIN) for ra in (0, RA) for rd in (0, RD)
)
#: The same, of referrals, and of refusals with no answers.
REFERRALS: Final = tuple(bytes((QR | rd, ra, 0, 1, 0, 0)) for ra in (0, RA) for rd in (0, RD))
REFUSALS: Final = tuple(bytes((QR | rd, ra | REFUSED, 0, 1, 0, 0)) for ra in (0, RA) for rd in (0, RD))
#: Numbers of records.
COUNTS: Final = tuple(pointer(count) for count in range(256))
#: No authority records, and no additional record or the OPT record alone.
NO_MORE: Final = b"\0\0\0\0"
ONE_MORE: Final = b"\0\0\0\1"
_NONE: Final = b"\0\0"
_POINTERS: Final = tuple(pointer(0xC000 | offset) for offset in range(1024))
_SOA_ALONE: Final = b"\0\1\0\0"
_SOA_AND_ONE_MORE: Final = b"\0\1\0\1"
_NS: Final = NS.to_bytes(2, "big")
_CNAME: Final = CNAME.to_bytes(2, "big")
_entry: Final = ENTRY.unpack_from
_place: Final = struct.Struct(">BxIII").unpack_from  # the rest of a directory entry behind the type


#: One link of a chain of aliases: its CNAME record as it is sent; the key of the name that it leads to; of a message
#: whose question were that name, where it ends there, and the offsets of its labels, from the lowest; the offsets of
#: the same labels in the reply.
Alias = tuple[bytes, bytes, int, list[int], list[int]]


def follow(
    node: bytes, key: bytes, starts: list[int], places: list[int], *, at: int, step: int, where: int
) -> Alias | None:
    """Go on to the target of the CNAME that a node has, for a name that is given as Alias describes its target.

    The record will stand at offset `where` of the reply. `step` is by how many octets the name is longer than the
    wildcard that the node is of. None where the CNAME or the target is not common.
    """
    entry = _place(node, 6) if node[4:6] == _CNAME else find(node, CNAME)
    if entry is None or entry[0] & REJECTED:
        return None
    record = node[entry[2] : entry[2] + entry[3]]
    labels = [b""]
    own: list[int] = []
    end = _HEAD
    length = record[end]
    while 0 < length < 64:
        own.append(end)
        labels.append(record[end + 1 : end + 1 + length])
        end += length + 1
        length = record[end]
    labels.reverse()
    target = b"\0".join(labels).lower()
    if target.count(b"\0") != len(own) or 1 in target or not (target or length):
        return None
    its_places = [where + each for each in own]
    if length:
        shared = ((length & 63) << 8 | record[end + 1]) + step
        number = starts.index(shared)
        target = key[: at - shared] + target
        own += [each - shared + end for each in starts[number:]]
        its_places += places[number:]
        if step or places is not starts:
            record = record[:end] + to(places[number])
    if places is not starts:
        record = to(places[0]) + record[2:]
    return record, target, _HEAD + len(target), own, its_places


def to(offset: int) -> bytes:
    """The pointer to a name at an offset of a message."""
    return _POINTERS[offset] if offset < 1024 else pointer(0xC000 | offset)


def owned(records: bytes, count: int, owner: bytes) -> bytes:
    """The records of an RRset without names in its RDATA, `owner` being the pointer to the name they are of."""
    if count == 1:
        return owner + records[2:]
    made = bytearray(records)
    if len(records) > LONG_OCTETS and (length := even_length(records)):
        # Thousands of addresses are written in one go.
        made[0::length] = owner[:1] * count
        made[1::length] = owner[1:] * count
        return bytes(made)
    at = 0
    for _ in range(count):
        made[at : at + 2] = owner
        at += _HEAD + (made[at + 10] << 8 | made[at + 11])
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
        self, packet: bytes, end: int, limit: int, opt: bytes, *, bounds: bytes, apex: bytes, rcode: int,
        chain: bytes, links: int,
    ) -> bytes | None:
        """NXDOMAIN or NODATA, from what the view has for the apex; `apex` is the pointer to its name.

        `chain` has the CNAMEs that led to the name, `links` in number.
        """
        at = end + len(chain)
        if not bounds[0] & HAS_TEMPLATE or at + len(bounds) + len(opt) > limit:
            return None
        self.tally[packet[end - 4] << 16 | packet[end - 3] << 8 | rcode] += 1
        second, third = bounds[1] + 5, bounds[2] + 5
        mname_end, rname_end = ends(bounds, apex, at) if bounds[3] else (apex, apex)
        return b"".join((
            packet[:2],
            HEADS[packet[2] & RD | self.ra >> 6 | (4 if rcode else 0)],
            COUNTS[links],
            _SOA_AND_ONE_MORE if opt else _SOA_ALONE,
            packet[12:end],
            chain,
            apex,
            bounds[7:second],
            mname_end,
            bounds[second + 2 : third],
            rname_end,
            bounds[third + 2 :],
            opt,
        ))

    def chained(
        self, packet: bytes, end: int, limit: int, opt: bytes, *, chain: bytes, count: int
    ) -> bytes | None:
        """A chain of CNAMEs and what it led to, `count` records in all."""
        if end + len(chain) + len(opt) > limit:
            return None
        self.tally[packet[end - 4] << 16 | packet[end - 3] << 8] += 1
        return b"".join((
            packet[:2],
            HEADS[packet[2] & RD | self.ra >> 6],
            COUNTS[count] if count < 256 else pointer(count),
            ONE_MORE if opt else NO_MORE,
            packet[12:end],
            chain,
            opt,
        ))

    def cut_off(self, packet: bytes, end: int, opt: bytes) -> bytes:
        """The reply without the RRset that does not fit."""
        self.tally[packet[end - 4] << 16 | packet[end - 3] << 8] += 1
        self.truncated += 1
        return b"%b%c%c\0\1\0\0\0\0\0%c%b%b" % (
            packet[:2], QR | AA | TC | packet[2] & RD, self.ra, 1 if opt else 0, packet[12:end], opt
        )

    def with_names(
        self, packet: bytes, end: int, limit: int, opt: bytes, *, records: bytes, count: int, step: int, key: bytes,
        at: int, zone: bytes,
    ) -> bytes | None:
        """An RRset with names in its RDATA, and the addresses of these names in the zone; `step` is as in `follow`."""
        qtype = packet[end - 4] << 8 | packet[end - 3]
        if step and qtype in COMPRESSIBLE:
            records = moved(qtype, records, step, _TO_QUESTION)
        room = limit - end - len(records) - len(opt)
        if room < 0:
            return self.cut_off(packet, end, opt)
        more = b""
        added = 0
        offset = ADDITIONAL_FOR.get(qtype)
        if offset is not None:
            found = self.addresses(records, offset, end, key, at=at, zone=zone, most=MAX_ADDITIONAL_TARGETS)
            if found is None or len(found[0]) > room:
                return None
            more, added = found
        self.tally[qtype << 8] += 1
        if opt:
            added += 1
        return b"".join((
            packet[:2],
            HEADS[packet[2] & RD | self.ra >> 6],
            COUNTS[count] if count < 256 else pointer(count),
            _NONE,
            COUNTS[added] if added < 256 else pointer(added),
            packet[12:end],
            records,
            more,
            opt,
        ))

    def referral(
        self, packet: bytes, end: int, limit: int, opt: bytes, *, key: bytes, at: int, cut: int, zone: bytes
    ) -> bytes | None:
        """The name servers below a cut, whose name begins at offset `cut` of the query, with their glue."""
        node = self._node(key[: at - cut])
        place = None if node is None else _place(node, 6) if node[4:6] == _NS else find(node, NS)
        if node is None or place is None:
            return None
        _, count, start, length = place
        records = node[start : start + length]
        if cut != _HEAD:
            records = moved(NS, records, cut - _HEAD, to(cut))
        found = self.addresses(records, 0, end, key, at=at, zone=zone, most=MAX_MESSAGE)
        if found is None or end + length + len(found[0]) + len(opt) > limit:
            return None
        self.tally[packet[end - 4] << 16 | packet[end - 3] << 8] += 1
        more, added = found
        if opt:
            added += 1
        return b"".join((
            packet[:2],
            REFERRALS[packet[2] & RD | self.ra >> 6],
            COUNTS[count] if count < 256 else pointer(count),
            COUNTS[added] if added < 256 else pointer(added),
            packet[12:end],
            records,
            more,
            opt,
        ))

    def addresses(
        self, records: bytes, offset: int, end: int, key: bytes, *, at: int, zone: bytes, most: int
    ) -> tuple[bytes, int] | None:
        """The addresses of the names at `offset` in the RDATA of records that stand right behind the question.

        Of `most` records at the most, and of names that the zone holds; the number of address records comes with them.
        """
        if end + len(records) >= _FARTHEST:
            return None
        pieces: list[bytes] = []
        count = 0
        seen: list[bytes] = []
        get = self._node
        start, whole = 0, len(records)
        while start < whole and most:
            most -= 1
            place = start + _HEAD + offset
            start += _HEAD + (records[start + 10] << 8 | records[start + 11])
            length = records[place]
            behind = place + length + 1
            label = records[place + 1 : behind]
            if 0 < length < 64 <= records[behind] and 0 not in label and 1 not in label and (
                shared := (records[behind] & 63) << 8 | records[behind + 1]
            ) < end:
                # By far the commonest: one label below a name that is in the question.
                target = b"".join((key[: at - shared], label.lower(), b"\0"))
            else:
                found = target_of(records, place, end, key, at)
                if found is None:
                    return None
                target = found
            if not target.startswith(zone) or target in seen or not target:
                continue
            node = get(target)
            if node is None:
                continue
            seen.append(target)
            owner = to(end + place) if length < 64 else records[place : place + 2]
            if node[:12] == _ONE_ADDRESS:
                pieces.append(owner)
                pieces.append(node[22:36])
                count += 1
                continue
            if node[0] & HAS_CNAME and not node[0] & HAS_SOA:
                continue
            for number in range(node[2] << 8 | node[3]):
                rdtype, _, held, begin, length = _entry(node, HEAD_SIZE + ENTRY_SIZE * number)
                if rdtype in (A, AAAA):
                    pieces.append(owned(node[begin : begin + length], held, owner))
                    count += held
                if rdtype >= AAAA:
                    break
        return b"".join(pieces), count


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
