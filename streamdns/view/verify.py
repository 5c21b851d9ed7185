"""Recomputes everything that the view derives, from its nodes and candidates, and says where the stored values differ."""

from __future__ import annotations

from collections.abc import Iterator

from streamdns.dns import node as nodes
from streamdns.dns.name import to_text
from streamdns.dns.node import CONTESTED, HAS_SOA
from streamdns.view import candidates as rows
from streamdns.view.candidates import Candidate, CandidateId
from streamdns.view.digest import MODULUS_MASK, rrset_hash, to_hex
from streamdns.view.keys import depth_of, node_key, owner_of, prefixes
from streamdns.view.reader import Inspector
from streamdns.view.transaction import cut_value


def differences(view: Inspector) -> Iterator[str]:
    """One sentence for each stored value that is not what the nodes give."""
    state = view.state
    contested: dict[tuple[bytes, int], dict[CandidateId, Candidate]] = {}
    for owner, rdtype, partition, candidate in view.candidate_rows():
        contested.setdefault((node_key(owner), rdtype), {})[partition] = candidate
    apexes: set[bytes] = set()
    cuts: dict[bytes, bytes] = {}
    for key, raw in view.walk():
        if bounds := nodes.cut_flags(raw):
            cuts[key] = cut_value(raw, owner_of(key))
            if bounds & HAS_SOA:
                apexes.add(key)
    stored_cuts = dict(view.cuts())
    for key in sorted(set(cuts) | set(stored_cuts)):
        if cuts.get(key) != stored_cuts.get(key):
            yield f"{to_text(owner_of(key))}: zone bounds stored as {_hex(stored_cuts.get(key))}, its node gives {_hex(cuts.get(key))}"
    total = nodes_seen = rrsets = records = 0
    zones: dict[bytes, list[int]] = {apex: [0, 0, 0] for apex in apexes}
    served = set()
    for key, raw in view.walk():
        nodes_seen += 1
        owner = owner_of(key)
        apex = next((each for each in reversed(prefixes(key)) if each in apexes), None)
        for rrset in nodes.decode(raw):
            served.add((key, rrset.rdtype))
            yield from _check_rrset(owner, rrset, contested.get((key, rrset.rdtype)))
            counted = rrset.records
            if rrset.flags & CONTESTED:
                counted = rows.in_digest(contested.get((key, rrset.rdtype), {})) or b""
            part = rrset_hash(owner, counted) if counted else 0
            total = (total + part) & MODULUS_MASK
            rrsets += 1
            records += rrset.count
            if apex is not None:
                zone = zones[apex]
                zone[0] = (zone[0] + part) & MODULUS_MASK
                zone[1] += 1
                zone[2] += rrset.count
    for (key, rdtype), found in contested.items():
        if (key, rdtype) not in served and rows.standing(rdtype, found) is not None:
            yield f"{to_text(owner_of(key))} type {rdtype}: has a standing candidate but is not in its node"
    if total != int.from_bytes(state.digest, "big"):
        yield f"digest stored as {state.digest.hex()}, the nodes give {to_hex(total)}"
    for what, stored, found_count in (
        ("nodes", state.nodes, nodes_seen),
        ("RRsets", state.rrsets, rrsets),
        ("records", state.records, records),
        ("zones", state.zones, len(apexes)),
    ):
        if stored != found_count:
            yield f"number of {what} stored as {stored}, the nodes give {found_count}"
    yield from _check_zones(view, zones)
    yield from _check_depths(view, cuts)


def _hex(value: bytes | None) -> str:
    return "nothing" if value is None else value.hex()


def _check_rrset(
    owner: bytes, rrset: nodes.RRset, found: dict[CandidateId, Candidate] | None
) -> Iterator[str]:
    if len(nodes.unpack_rdatas(rrset.records)) != rrset.count:
        yield f"{to_text(owner)} type {rrset.rdtype}: says {rrset.count} records, holds another number"
    if bool(rrset.flags & CONTESTED) != bool(found):
        yield f"{to_text(owner)} type {rrset.rdtype}: its mark for candidate rows is wrong"
    elif found and rows.standing(rrset.rdtype, found) != rrset:
        yield f"{to_text(owner)} type {rrset.rdtype}: what is served is not the candidate that stands"


def _check_zones(view: Inspector, zones: dict[bytes, list[int]]) -> Iterator[str]:
    if view.state.pending_zones:
        return
    for apex, row in view.zones():
        found = zones.pop(apex, None)
        name = to_text(owner_of(apex))
        if found is None:
            yield f"{name}: listed as a zone without a SOA"
        elif [int.from_bytes(row.digest, "big"), row.rrsets, row.records] != found:
            yield f"{name}: zone digest and counts stored as {row.digest.hex()} {row.rrsets} {row.records}, the nodes give {to_hex(found[0])} {found[1]} {found[2]}"
    for apex in zones:
        yield f"{to_text(owner_of(apex))}: has a SOA but is not listed as a zone"


def _check_depths(view: Inspector, cuts: dict[bytes, bytes]) -> Iterator[str]:
    depths: dict[int, int] = {}
    zone_depths: dict[int, int] = {}
    for key, bounds in cuts.items():
        depths[depth_of(key)] = depths.get(depth_of(key), 0) + 1
        if bounds[0] & HAS_SOA:
            zone_depths[depth_of(key)] = zone_depths.get(depth_of(key), 0) + 1
    if depths != view.state.cut_depths or zone_depths != view.state.zone_depths:
        yield f"depths stored as {view.state.cut_depths} and {view.state.zone_depths}, the nodes give {depths} and {zone_depths}"
