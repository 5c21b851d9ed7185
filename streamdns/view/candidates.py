"""Candidates: the newest event of each partition for one RRset, and the rule that chooses which one is served.

docs/events.md explains why there may be several.
An RRset with a single good candidate that is no delete needs no rows: its node holds all there is. Everything else
(a delete, a rejected event, several partitions, a record of this instance) has one row for each candidate.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from streamdns.dns.node import CONTESTED, LOCAL, REJECTED, Origin, RRset
from streamdns.view.keys import LOCAL_TOPIC

NONE, SET, DELETE = 0, 1, 2
_ROW: Final = struct.Struct(">BBHQqIII")

CandidateId = tuple[int, int]  # (topic index, partition)


class Candidate(NamedTuple):
    """The last good event of one partition for an RRset; `rejected` says that a newer event of it was rejected."""

    kind: int
    rejected: bool
    position: int
    timestamp: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    records: bytes
    metadatas: bytes


def from_rrset(rrset: RRset) -> tuple[CandidateId, Candidate]:
    """Make the candidate of an RRset that has no candidate rows."""
    topic, partition, position, timestamp, metadatas = rrset.origin
    return (topic, partition), Candidate(SET, False, position, timestamp, rrset.count, rrset.records, metadatas)


def winner(candidates: dict[CandidateId, Candidate], topics: Sequence[str]) -> CandidateId | None:
    """Choose the candidate with the greatest (timestamp, topic, partition) among those of the log with a good event.

    `topics` are the names: their indices depend on which topic this view met first, and that is not in the log.
    """
    saying = [each for each, candidate in candidates.items() if each[0] != LOCAL_TOPIC and candidate.kind != NONE]
    return max(saying, key=lambda each: (candidates[each].timestamp, topics[each[0]], each[1]), default=None)


def standing(rdtype: int, candidates: dict[CandidateId, Candidate], topics: Sequence[str]) -> RRset | None:
    """Return the RRset that is served: this instance's own, else the winner's, None where that is a delete."""
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
    """Return whether the candidates must be stored in rows, because the node alone cannot hold them."""
    if len(candidates) != 1:
        return bool(candidates)
    ((topic, _), candidate) = next(iter(candidates.items()))
    return candidate.kind != SET or candidate.rejected or topic == LOCAL_TOPIC


def in_digest(candidates: dict[CandidateId, Candidate], topics: Sequence[str]) -> bytes | None:
    """Return the records that count in the digest: the winner's, none if any partition's newest event was rejected."""
    if any(each.rejected for each in candidates.values()):
        return None
    chosen = winner(candidates, topics)
    return None if chosen is None or candidates[chosen].kind != SET else candidates[chosen].records


def standing_records(candidates: dict[CandidateId, Candidate], topics: Sequence[str]) -> bytes:
    """Return the records that stand in the log, also where they are left out of the digest; b"" where none do."""
    chosen = winner(candidates, topics)
    return b"" if chosen is None or candidates[chosen].kind != SET else candidates[chosen].records


def is_conflict(candidates: dict[CandidateId, Candidate]) -> bool:
    """Return whether several partitions of the log have candidates.

    That is a conflict: compaction may remove a delete in one partition, which would bring back the value of another.
    """
    return sum(topic != LOCAL_TOPIC for topic, _ in candidates) > 1


def encode_row(owner: bytes, rdtype: int, candidate: Candidate) -> bytes:
    """Pack a candidate into its row, which holds owner and type, too, because its key is only a hash of them."""
    kind, rejected, position, timestamp, count, records, metadatas = candidate
    head = _ROW.pack(kind, rejected, rdtype, position, timestamp, count, len(records), len(metadatas))
    return head + records + metadatas + owner


def decode_row(row: bytes) -> tuple[bytes, int, Candidate]:
    """Unpack a row to owner, type and candidate."""
    kind, rejected, rdtype, position, timestamp, count, records_size, metadatas_size = _ROW.unpack_from(row)
    at = _ROW.size
    records = row[at : at + records_size]
    at += records_size
    metadatas = row[at : at + metadatas_size]
    return row[at + metadatas_size :], rdtype, Candidate(
        kind, bool(rejected), position, timestamp, count, records, metadatas
    )
