"""`streamdns lookup`, `digest`, `quarantine` and `conflicts`: show what the view holds, with or without a server."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from streamdns.commands import CommandError
from streamdns.commands.output import moment, note, print_json, print_lines, printable, printable_octets
from streamdns.commands.view_reader import (
    apex_from_text,
    fields,
    looking,
    metadatas,
    origin_line,
    owner_from_text,
    producers,
)
from streamdns.dns import name, rdata
from streamdns.dns.node import ttl_of, unpack_rdatas
from streamdns.events.message_id import position_text
from streamdns.settings import Settings
from streamdns.view import candidates as rows
from streamdns.view.candidates import Candidate, CandidateId, from_rrset
from streamdns.view.entries import Conflict, Quarantined, ZoneRow
from streamdns.view.keys import LOCAL_TOPIC, node_key, owner_of
from streamdns.view.reader import Entry, Inspector
from streamdns.view.verify import differences

#: Up to so many rows all are looked at; with more it is faster to ask for every type there can be.
_FEW_ROWS = 1 << 16

_Candidates = dict[int, dict[CandidateId, Candidate]]


def lookup(args: argparse.Namespace, settings: Settings) -> int:
    """Show the RRsets at a name with their origin; exit 1 where there are none."""
    owner = owner_from_text(args.name)
    try:
        wanted = None if args.type is None else rdata.type_from_text(args.type)
    except ValueError as err:
        raise CommandError(str(err)) from err
    key = node_key(owner)
    with looking(settings) as view:
        entries = [entry for entry in view.entries(key) if wanted in (None, entry.rrset.rdtype)]
        candidates = _candidates(view, key, entries, wanted) if args.candidates else {}
        zone = view.zone_of(key)
        topics = view.state.topics
    if args.json:
        print_json(_lookup_json(owner, zone, entries, candidates, topics, with_candidates=args.candidates))
    else:
        print_lines(_lookup_lines(entries, candidates, topics))
    if entries or candidates:
        return 0
    if not args.json:
        what = "" if wanted is None else f" of type {rdata.type_to_text(wanted)}"
        where = "no zone of the view" if zone is None else f"the zone {name.to_text(owner_of(zone))}"
        note(f"the view holds nothing{what} at {name.to_text(owner)}, which is in {where}")
    return 1


def _candidates(view: Inspector, key: bytes, entries: list[Entry], wanted: int | None) -> _Candidates:
    """Return every candidate of a name by type: those in the node, and the rows, whose keys are hashes."""
    found: _Candidates = {entry.rrset.rdtype: dict((from_rrset(entry.rrset),)) for entry in entries}
    types: Iterable[int] = (wanted,) if wanted is not None else range(1, 0x10000)
    if wanted is None and view.state.candidate_rows < _FEW_ROWS:
        types = {rdtype for owner, rdtype, _, _ in view.candidate_rows() if node_key(owner) == key}
    for rdtype in types:
        stored = view.candidates(key, rdtype)
        if stored:
            found[rdtype] = stored
    return found


def _lookup_lines(entries: list[Entry], candidates: _Candidates, topics: list[str]) -> list[str]:
    lines: list[str] = []
    seen = set()
    for entry in entries:
        shown = fields(entry)
        seen.add(entry.rrset.rdtype)
        lines += [f"{shown['name']} {shown['ttl']} IN {shown['type']} {record}" for record in shown["records"]]
        lines.append(f"    {origin_line(entry)}")
        lines += _candidate_lines(candidates.get(entry.rrset.rdtype, {}), topics)
    for rdtype, found in sorted(candidates.items()):
        if rdtype not in seen:
            lines.append(f"{rdata.type_to_text(rdtype)}: no RRset stands")
            lines += _candidate_lines(found, topics)
    return lines


def _candidate_lines(found: dict[CandidateId, Candidate], topics: list[str]) -> list[str]:
    lines = []
    for (topic, partition), candidate in sorted(found.items()):
        where = "local"
        if topic != LOCAL_TOPIC:
            at = position_text(topics[topic], candidate.position)
            where = f"{printable(topics[topic])}/{partition} at {at}"
        parts = [where, moment(candidate.timestamp), *producers(candidate.metadatas), _KINDS[candidate.kind]]
        if candidate.rejected:
            parts.append("its newest event was rejected")
        lines.append(f"    candidate {', '.join(parts)}")
    return lines


_KINDS = {rows.NONE: "nothing good yet", rows.SET: "an RRset", rows.DELETE: "a delete"}


def _lookup_json(
    owner: bytes, zone: bytes | None, entries: list[Entry], candidates: _Candidates, topics: list[str],
    *, with_candidates: bool,
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": name.to_text(owner),
        "zone": None if zone is None else name.to_text(owner_of(zone)),
        "rrsets": [fields(entry) for entry in entries],
    }
    if with_candidates:
        document["candidates"] = [
            {
                "type": rdata.type_to_text(rdtype),
                "topic": None if topic == LOCAL_TOPIC else topics[topic],
                "partition": None if topic == LOCAL_TOPIC else partition,
                "position": None if topic == LOCAL_TOPIC else candidate.position,
                "timestamp": candidate.timestamp,
                "kind": ("none", "set", "delete")[candidate.kind],
                "rejected": candidate.rejected,
                "ttl": ttl_of(candidate.records) if candidate.kind == rows.SET else None,
                "records": [rdata.to_text(rdtype, wire) for wire in unpack_rdatas(candidate.records)],
                "metadatas": metadatas(candidate.metadatas),
            }
            for rdtype, found in sorted(candidates.items())
            for (topic, partition), candidate in sorted(found.items())
        ]
    return document


def digest(args: argparse.Namespace, settings: Settings) -> int:
    """Show digests and counts; with --verify exit 1 where a stored value differs from what the records give."""
    with looking(settings) as view:
        state = view.state
        if args.zone is None:
            zones = list(view.zones())
        else:
            apex = apex_from_text(view, args.zone)
            row = view.zone(apex)
            assert row is not None
            zones = [(apex, row)]
        positions = [(topic, number, stored.next) for (topic, number), stored in view.positions().items()]
        wrong = list(differences(view)) if args.verify else []
    if args.json:
        document: dict[str, Any] = {"zones": [_zone_json(apex, row) for apex, row in zones]}
        if args.zone is None:
            document |= {
                "digest": state.digest.hex(), "names": state.nodes, "rrsets": state.rrsets, "records": state.records,
                "positions": [{"topic": topic, "partition": number, "position": at} for topic, number, at in positions],
            }
        if args.verify:
            document["differences"] = wrong
        print_json(document)
        return 1 if wrong else 0
    if args.zone is None:
        at = " ".join(f"{printable(topic)}/{number}:{position_text(topic, at)}" for topic, number, at in positions)
        print(f"{state.digest.hex()}  the view at {at or 'the beginning'}: {state.zones} zones, "
              f"{state.rrsets} RRsets, {state.records} records")
    print_lines(_zone_line(apex, row) for apex, row in zones)
    for sentence in wrong:
        note(sentence)
    if args.verify and not wrong:
        print("verified: the nodes give every stored value")
    return 1 if wrong else 0


def _zone_line(apex: bytes, row: ZoneRow) -> str:
    counted = "" if row.cursor is None else " (still counting)"
    shown = f"{name.to_text(owner_of(apex))}: {row.rrsets} RRsets, {row.records} records"
    return f"{row.digest.hex()}  {shown}, changed {moment(row.changed_ms)}{counted}"


def _zone_json(apex: bytes, row: ZoneRow) -> dict[str, Any]:
    return {
        "name": name.to_text(owner_of(apex)), "digest": row.digest.hex(), "rrsets": row.rrsets,
        "records": row.records, "changed": row.changed_ms, "counting": row.cursor is not None,
    }


def quarantine(args: argparse.Namespace, settings: Settings) -> int:
    """List the rejected events, oldest first."""
    with looking(settings) as view:
        rejected = list(view.quarantine())
    if args.json:
        print_json([_quarantined_json(entry, with_payload=args.payload) for entry in rejected])
        return 0
    if not rejected:
        note("the quarantine is empty")
    for entry in rejected:
        key = "no key" if entry.key is None else f"key {printable_octets(entry.key)}"
        where = f"{printable(entry.topic)}/{entry.partition} at {position_text(entry.topic, entry.position)}"
        print(f"{moment(entry.time_ms)} {where}, {key}: {printable(entry.reason)}")
        if args.payload:
            print(f"    {printable_octets(entry.payload)}")
    return 0


def _quarantined_json(entry: Quarantined, *, with_payload: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "time": entry.time_ms, "topic": entry.topic, "partition": entry.partition, "position": entry.position,
        "timestamp": entry.timestamp, "key": None if entry.key is None else _text(entry.key), "reason": entry.reason,
    }
    if with_payload:
        document["payload"] = _text(entry.payload)
    return document


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


def conflicts(args: argparse.Namespace, settings: Settings) -> int:
    """List the contradictions in the data, by owner."""
    with looking(settings) as view:
        found = sorted(view.conflicts(), key=_conflict_order)
    if args.json:
        print_json([
            {"kind": each.kind, "name": name.to_text(each.owner), "type": rdata.type_to_text(each.rdtype),
             "detail": each.detail}
            for each in found
        ])
        return 0
    if not found:
        note("there are no conflicts")
    print_lines(
        f"{name.to_text(each.owner)} {rdata.type_to_text(each.rdtype)}: {printable(each.detail)} ({each.kind})"
        for each in found
    )
    return 0


def _conflict_order(conflict: Conflict) -> tuple[bytes, int, str]:
    return node_key(conflict.owner), conflict.rdtype, conflict.kind
