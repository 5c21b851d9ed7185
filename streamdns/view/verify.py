"""Checks a whole view: computes everything again that is derived from nodes and candidates, and reports differences.

Origins, times, counts of events and the quarantine's contents cannot be computed again, so they are not checked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from streamdns.dns import node as nodes
from streamdns.dns.name import to_text
from streamdns.dns.node import CONTESTED, HAS_SOA
from streamdns.view import candidates as rows
from streamdns.view.aside import overflows, place
from streamdns.view.bounds import cut_value
from streamdns.view.candidates import Candidate, CandidateId
from streamdns.view.digest import MODULUS_MASK, rrset_hash, to_hex
from streamdns.view.entries import ZoneRow, decode_zone
from streamdns.view.keys import candidate_key, depth_of, node_key, owner_of, partition_of, prefixes, rrset_id
from streamdns.view.reader import Inspector

#: The exceptions that decoding raises when stored bytes are damaged.
_GARBAGE = (struct.error, msgspec.MsgspecError, ValueError, IndexError, AssertionError)

_Candidates = dict[tuple[bytes, int], dict[CandidateId, Candidate]]


def differences(view: Inspector) -> Iterator[str]:
    """Yield one sentence for each stored value that is not what the nodes give."""
    contested: _Candidates = {}
    yield from _read_candidates(view, contested)
    zones: dict[bytes, ZoneRow] = {}
    yield from _read_zones(view, zones)
    found = _Found(view, contested, zones)
    yield from found.look()
    yield from _check_cuts(view, found.cuts)
    yield from _check_state(view, found)
    yield from _check_zones(zones, found)
    yield from _check_tables(view, contested)


def _read_candidates(view: Inspector, contested: _Candidates) -> Iterator[str]:
    for row_key, row in view.rows("candidates"):
        try:
            owner, rdtype, candidate = rows.decode_row(row)
            key = node_key(owner)
            topic, partition = partition_of(row_key)
            right = candidate_key(rrset_id(key, rdtype), topic, partition) == row_key
        except _GARBAGE:
            right = False
        if right:
            contested.setdefault((key, rdtype), {})[topic, partition] = candidate
        else:
            yield f"candidate {row_key.hex()}: cannot be read or stands under another key than its RRset gives"


def _read_zones(view: Inspector, zones: dict[bytes, ZoneRow]) -> Iterator[str]:
    for apex, raw in view.rows("zones"):
        try:
            zones[apex] = decode_zone(raw)
        except _GARBAGE:
            yield f"{_shown(apex)}: the row of its zone cannot be read"


def _shown(key: bytes) -> str:
    try:
        return to_text(owner_of(key))
    except _GARBAGE:
        return f"the key {key.hex()}"


class _Found:
    """Counts, sums and cuts computed from the nodes, and the sums of each zone over the names that it has claimed."""

    def __init__(self, view: Inspector, contested: _Candidates, zones: dict[bytes, ZoneRow]) -> None:
        self.view, self.contested, self.zones = view, contested, zones
        self.nodes = self.rrsets = self.records = self.digest = 0
        self.cuts: dict[bytes, bytes] = {}
        self.apexes: set[bytes] = set()
        self.sums: dict[bytes, list[int]] = {apex: [0, 0, 0] for apex in zones}
        self.candidate_rows = sum(len(each) for each in contested.values())

    def look(self) -> Iterator[str]:
        """Read every node, add it up, and yield a sentence for each that is wrong."""
        served: set[tuple[bytes, int]] = set()
        for key, raw in self.view.walk():
            self.nodes += 1
            try:
                owner = owner_of(key)
                kept = nodes.decode(raw, owner=owner)
                rrsets = [*self.view.every(key, raw)]
                written = _again(kept, raw[1], owner)
                intact = node_key(owner) == key and written == raw and self._is_settled(key, kept, raw[1])
                if bounds := nodes.cut_flags(raw):
                    self.cuts[key] = cut_value(raw, owner)
                    if bounds & HAS_SOA:
                        self.apexes.add(key)
                self._add(key, owner, rrsets)
                for rrset in rrsets:
                    if (key, rrset.rdtype) in self.contested:
                        served.add((key, rrset.rdtype))
                    yield from self._check(key, owner, rrset)
            except _GARBAGE:
                intact = False
            if not intact:
                yield f"{_shown(key)}: its node is not in the form that is written"
        for (key, rdtype), found in self.contested.items():
            if not rows.needs_rows(found):
                yield f"{_shown(key)} type {rdtype}: has a candidate row that it does not need"
            elif (key, rdtype) not in served and rows.standing(rdtype, found, self.view.state.topics) is not None:
                yield f"{_shown(key)} type {rdtype}: has a standing candidate but is not in its node"

    def _is_settled(self, key: bytes, kept: list[nodes.RRset], marks: int) -> bool:
        """Whether the node has as many of its name's RRsets as are served, and the marks for what stands beside it."""
        following = next(self.view.aside.rows(key), None)
        apart = any(rrset.origin.metadatas == nodes.MARK_OF_APART for rrset in kept)
        if marks != (following is not None) * nodes.BEYOND | apart * nodes.APART or overflows(kept):
            return False
        if following is None:
            return True
        return overflows([*kept, following]) and all(place(each) < place(following) for each in kept)

    def _add(self, key: bytes, owner: bytes, rrsets: list[nodes.RRset]) -> None:
        total = records = 0
        for rrset in rrsets:
            counted: bytes | None = rrset.records
            if rrset.flags & CONTESTED:
                counted = rows.in_digest(self.contested.get((key, rrset.rdtype), {}), self.view.state.topics)
            total += 0 if counted is None else rrset_hash(owner, counted)
            records += rrset.count
        self.digest = (self.digest + total) & MODULUS_MASK
        self.rrsets += len(rrsets)
        self.records += records
        for apex in reversed(prefixes(key)):
            row = self.zones.get(apex)
            if row is not None and (row.cursor is None or key < row.cursor):
                zone = self.sums[apex]
                zone[0] = (zone[0] + total) & MODULUS_MASK
                zone[1] += len(rrsets)
                zone[2] += records
                return

    def _check(self, key: bytes, owner: bytes, rrset: nodes.RRset) -> Iterator[str]:
        found = self.contested.get((key, rrset.rdtype))
        if bool(rrset.flags & CONTESTED) != bool(found):
            yield f"{to_text(owner)} type {rrset.rdtype}: its mark for candidate rows is wrong"
        elif found and rows.standing(rrset.rdtype, found, self.view.state.topics) != rrset:
            yield f"{to_text(owner)} type {rrset.rdtype}: what is served is not the candidate that stands"
        elif not found and rrset.flags:
            yield f"{to_text(owner)} type {rrset.rdtype}: its marks are wrong"


def _again(rrsets: list[nodes.RRset], marks: int, owner: bytes) -> bytes:
    """Encode RRsets as the writer would write their node now."""
    return nodes.encode(
        sorted(
            (
                rrset._replace(
                    count=len(rdatas), records=nodes.pack_records(rrset.rdtype, nodes.ttl_of(rrset.records), rdatas)
                )
                for rrset in rrsets
                for rdatas in [nodes.unpack_rdatas(rrset.records)]
            ),
            key=lambda rrset: rrset.rdtype,
        ),
        marks,
        owner=owner,
    )


def _check_cuts(view: Inspector, cuts: dict[bytes, bytes]) -> Iterator[str]:
    stored = dict(view.cuts())
    for key in sorted(set(cuts) | set(stored)):
        if cuts.get(key) != stored.get(key):
            yield f"{_shown(key)}: zone bounds stored as {_hex(stored.get(key))}, its node gives {_hex(cuts.get(key))}"


def _hex(value: bytes | None) -> str:
    return "nothing" if value is None else value.hex()


def _check_state(view: Inspector, found: _Found) -> Iterator[str]:
    state = view.state
    if found.digest != int.from_bytes(state.digest, "big"):
        yield f"digest stored as {state.digest.hex()}, the nodes give {to_hex(found.digest)}"
    depths: dict[int, int] = {}
    for key in found.cuts:
        depths[depth_of(key)] = depths.get(depth_of(key), 0) + 1
    zone_depths: dict[int, int] = {}
    for key in found.apexes:
        zone_depths[depth_of(key)] = zone_depths.get(depth_of(key), 0) + 1
    pending = sorted(apex for apex, row in found.zones.items() if row.cursor is not None)
    answers = bytes((state.complete, *sorted(depths, reverse=True)))
    for what, stored, right in (
        ("number of nodes", state.nodes, found.nodes),
        ("number of RRsets", state.rrsets, found.rrsets),
        ("number of records", state.records, found.records),
        ("number of zones", state.zones, len(found.apexes)),
        ("number of candidate rows", state.candidate_rows, found.candidate_rows),
        ("depths of zone bounds", state.cut_depths, depths),
        ("depths of zones", state.zone_depths, zone_depths),
        ("zones that still claim names", sorted(state.pending_zones), pending),
        ("what answers know of the depths", view.depths(), answers),
    ):
        if stored != right:
            yield f"{what} stored as {stored!r}, the nodes give {right!r}"


def _check_zones(zones: dict[bytes, ZoneRow], found: _Found) -> Iterator[str]:
    for apex, row in zones.items():
        stored, right = [int.from_bytes(row.digest, "big"), row.rrsets, row.records], found.sums[apex]
        if apex not in found.apexes:
            yield f"{_shown(apex)}: listed as a zone without a SOA"
        elif stored != right:
            yield (
                f"{_shown(apex)}: zone digest and counts stored as {to_hex(stored[0])} {stored[1]} {stored[2]}, "
                f"the nodes give {to_hex(right[0])} {right[1]} {right[2]}"
            )
    for apex in sorted(found.apexes - set(zones)):
        yield f"{_shown(apex)}: has a SOA but is not listed as a zone"


def _check_tables(view: Inspector, contested: _Candidates) -> Iterator[str]:
    """Count the tables that are only counted, and compare the list of conflicts and the quarantine's index."""
    state = view.state
    conflicts = [key[:1] for key, _ in view.rows("conflicts")]
    for what, stored, right in (
        ("quarantined events", state.quarantined, sum(1 for _ in view.rows("quarantine"))),
        ("conflicts", state.conflicts, len(conflicts)),
        ("journal entries", min(state.journal_next, state.journal_size), sum(1 for _ in view.rows("journal"))),
        ("conflicts between partitions", conflicts.count(b"P"), sum(map(rows.is_conflict, contested.values()))),
    ):
        if stored != right:
            yield f"number of {what} stored as {stored}, counted {right}"
    pointed = {sequence for _, sequence in view.rows("rejected")}
    if not pointed <= {sequence for sequence, _ in view.rows("quarantine")}:
        yield "the quarantine is not what its index of rejected RRsets says"
