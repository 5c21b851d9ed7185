"""Candidates: the newest event of each partition for one RRset, and which of them stands (docs: the event contract).

An RRset with a single good candidate that is no delete needs no rows: its node holds all there is. Everything else
(a delete, a rejected event, several partitions, a record of this instance) has one row for each candidate.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from streamdns.dns.node import CONTESTED, LOCAL, REJECTED, Origin, RRset
from streamdns.view.keys import LOCAL_TOPIC

NONE, SET, DELETE = 0, 1, 2
_ROW = struct.Struct(">BBHQqIII")

CandidateId = tuple[int, int]  # (topic index, partition)


class Candidate(NamedTuple):
    """One partition's say about an RRset; `rejected`: its newest event was refused, and this is the last good one."""

    kind: int
    rejected: bool
    position: int
    timestamp: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    records: bytes
    metadatas: bytes


def from_rrset(rrset: RRset) -> tuple[CandidateId, Candidate]:
    """The candidate of an RRset that has no rows."""
    topic, partition, position, timestamp, metadatas = rrset.origin
    return (topic, partition), Candidate(SET, False, position, timestamp, rrset.count, rrset.records, metadatas)


def winner(candidates: dict[CandidateId, Candidate], topics: Sequence[str]) -> CandidateId | None:
    """The candidate with the greatest (timestamp, topic, partition) among those of the log that say anything.

    `topics` are the names: their indices depend on which topic this view met first, and that is not in the log.
    """
    saying = [each for each, candidate in candidates.items() if each[0] != LOCAL_TOPIC and candidate.kind != NONE]
    return max(saying, key=lambda each: (candidates[each].timestamp, topics[each[0]], each[1]), default=None)


def standing(rdtype: int, candidates: dict[CandidateId, Candidate], topics: Sequence[str]) -> RRset | None:
    """The RRset that is served: this instance's own, else the winner's unless that is a delete."""
    chosen = next((key for key in candidates if key[0] == LOCAL_TOPIC), None) or winner(candidates, topics)
    if chosen is None or candidates[chosen].kind != SET:
        return None
    candidate = candidates[chosen]
    flags = CONTESTED if needs_rows(candidates) else 0
    if chosen[0] == LOCAL_TOPIC:
        flags |= LOCAL
    elif any(each.rejected for each in candidates.values()):
        flags |= REJECTED
    origin = Origin(chosen[0], chosen[1], candidate.position, candidate.timestamp, candidate.metadatas)
    return RRset(rdtype, flags, candidate.count, candidate.records, origin)


def needs_rows(candidates: dict[CandidateId, Candidate]) -> bool:
    """Whether the node alone could not tell these candidates."""
    if len(candidates) != 1:
        return bool(candidates)
    ((topic, _), candidate) = next(iter(candidates.items()))
    return candidate.kind != SET or candidate.rejected or topic == LOCAL_TOPIC


def in_digest(candidates: dict[CandidateId, Candidate], topics: Sequence[str]) -> bytes | None:
    """The records that count in the digest: the log's winner, unless any partition's newest event was rejected."""
    if any(each.rejected for each in candidates.values()):
        return None
    chosen = winner(candidates, topics)
    return None if chosen is None or candidates[chosen].kind != SET else candidates[chosen].records


def is_conflict(candidates: dict[CandidateId, Candidate]) -> bool:
    """Whether more than one partition of the log has a say: a compacted-away delete would bring the other back."""
    return sum(topic != LOCAL_TOPIC for topic, _ in candidates) > 1


def encode_row(owner: bytes, rdtype: int, candidate: Candidate) -> bytes:
    """A row; it names its RRset because its key is a hash."""
    kind, rejected, position, timestamp, count, records, metadatas = candidate
    head = _ROW.pack(kind, rejected, rdtype, position, timestamp, count, len(records), len(metadatas))
    return head + records + metadatas + owner


def decode_row(row: bytes) -> tuple[bytes, int, Candidate]:
    """Owner, type and candidate of a row."""
    kind, rejected, rdtype, position, timestamp, count, records_size, metadatas_size = _ROW.unpack_from(row)
    at = _ROW.size
    records = row[at : at + records_size]
    at += records_size
    metadatas = row[at : at + metadatas_size]
    return row[at + metadatas_size :], rdtype, Candidate(
        kind, bool(rejected), position, timestamp, count, records, metadatas
    )
