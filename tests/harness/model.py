"""Computes what the view must hold for a log, from the event contract alone, to judge the real view.

Nothing of streamdns is used here: JSON by the standard library, RDATA and names by dnspython.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

SINGLE = ("CNAME", "SOA", "DNAME")
DEFAULT_TTL = 3600

#: Owner in lower-case wire form, and type mnemonic.
Name = tuple[bytes, str]


class Event(NamedTuple):
    """One event of one partition; `key` and `value` as they stand in the log."""

    partition: int
    timestamp: int
    key: str | None
    value: str | None


class Data(NamedTuple):
    """An RRset: TTL and RDATA in wire form, in the order of its event."""

    ttl: int
    rdatas: tuple[bytes, ...]


class Candidate(NamedTuple):
    """One partition's say: what it set (None: a delete), whether it said anything good, whether it is refused now."""

    timestamp: int
    data: Data | None
    known: bool
    rejected: bool


@dataclass
class Expected:
    """What the view must hold; zones map apexes to (digest, RRsets, records)."""

    served: dict[Name, Data] = field(default_factory=dict)
    rejected: set[Name] = field(default_factory=set)
    digest: int = 0
    zones: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    conflicts: set[tuple[str, bytes, str]] = field(default_factory=set)
    quarantined: int = 0
    applied: int = 0


def wire_name(text: str) -> bytes:
    """A name in lower-case wire form."""
    return dns.name.from_text(text.lower()).to_wire()


def parse_key(key: str | None) -> tuple[Name, bool] | None:
    """Name of the RRset and whether the key is canonical; None for a key that names none."""
    owner, bar, rdtype = (key or "").rpartition("|")
    try:
        mnemonic = dns.rdatatype.to_text(dns.rdatatype.from_text(rdtype))
        return ((wire_name(owner), mnemonic), key == f"{owner.lower().rstrip('.')}.|{mnemonic}") if bar else None
    except dns.exception.DNSException:
        return None


def parse_value(rrset: Name, value: str | None) -> Data | None:
    """The data that a value sets, None for a delete; ValueError for a bad one."""
    records: Any = [] if value is None else json.loads(value)
    if not isinstance(records, list):
        raise ValueError("not an array")
    rdatas: dict[bytes, None] = {}
    for record in records:
        if not isinstance(record, dict) or {type(record.get(each)) for each in ("name", "type", "content")} != {str}:
            raise ValueError("not a record")
        if (wire_name(record["name"]), record["type"].upper()) != rrset:
            raise ValueError("not of this key")
        try:
            rdata = dns.rdata.from_text("IN", rrset[1], record["content"], dns.name.root, False)
        except dns.exception.DNSException as err:
            raise ValueError(str(err)) from err
        rdatas[rdata.to_wire()] = None
    if rrset[1] in SINGLE and len(rdatas) > 1:
        raise ValueError("more than one")
    ttl = min((record.get("ttl", DEFAULT_TTL) for record in records), default=0)
    return Data(ttl, tuple(rdatas)) if rdatas else None


def rrset_hash(rrset: Name, data: Data) -> int:
    """The part of one RRset in a digest."""
    text = rrset[0] + dns.rdatatype.from_text(rrset[1]).to_bytes(2, "big") + data.ttl.to_bytes(4, "big")
    text += b"".join(len(rdata).to_bytes(2, "big") + rdata for rdata in sorted(data.rdatas))
    return int.from_bytes(hashlib.blake2b(text, digest_size=32).digest(), "big")


def fold(events: Iterable[Event], local: Sequence[tuple[Name, Data]] = ()) -> Expected:
    """The view after these events; those of one partition in their order, partitions mixed as one likes."""
    expected = Expected()
    found: dict[Name, dict[int, Candidate]] = {}
    spelt: dict[tuple[int, str], tuple[Name, bool]] = {}
    unnamed = 0
    for partition, timestamp, key, value in events:
        parsed = parse_key(key)
        if parsed is None:
            unnamed += 1
            continue
        rrset, canonical = parsed
        of_rrset = found.setdefault(rrset, {})
        try:
            data = parse_value(rrset, value)
            of_rrset[partition] = Candidate(timestamp, data, True, False)
            expected.applied += 1
        except ValueError:
            old = of_rrset.get(partition, Candidate(0, None, False, True))
            of_rrset[partition] = old._replace(rejected=True)
            data = Data(0, ())
        if not canonical:
            spelt[partition, str(key)] = (rrset, data is not None)
    for rrset, of_rrset in found.items():
        _settle(expected, rrset, of_rrset)
    expected.quarantined += unnamed
    expected.conflicts |= {("spelling", *rrset) for rrset, stands in spelt.values() if stands}
    counted = {rrset: rrset_hash(rrset, expected.served[rrset]) for rrset in expected.served.keys() - expected.rejected}
    for rrset, data in local:
        expected.served[rrset] = data
        expected.rejected.discard(rrset)
    with_others = {owner for owner, rdtype in expected.served if rdtype != "CNAME"}
    for owner, rdtype in expected.served:
        if rdtype == "CNAME" and owner in with_others:
            expected.conflicts.add(("cname", owner, "CNAME"))
    expected.digest = sum(counted.values()) % (1 << 256)
    _add_zones(expected, counted)
    return expected


def _settle(expected: Expected, rrset: Name, of_rrset: dict[int, Candidate]) -> None:
    known = {number: candidate for number, candidate in of_rrset.items() if candidate.known}
    rejected = [candidate for candidate in of_rrset.values() if candidate.rejected]
    expected.quarantined += len(rejected)
    if len(of_rrset) > 1:
        expected.conflicts.add(("partitions", *rrset))
    if known:
        winner = known[max(known, key=lambda number: (known[number].timestamp, number))]
        if winner.data is not None:
            expected.served[rrset] = winner.data
            if rejected:
                expected.rejected.add(rrset)


def _add_zones(expected: Expected, counted: dict[Name, int]) -> None:
    apexes = {owner for owner, rdtype in expected.served if rdtype == "SOA"}
    for apex in apexes:
        expected.zones[apex] = (0, 0, 0)
    for rrset, data in expected.served.items():
        labels = dns.name.from_wire(rrset[0], 0)[0].labels
        above = (b"".join(bytes((len(each),)) + each for each in labels[at:]) for at in range(len(labels)))
        apex = next((name for name in above if name in apexes), None)
        if apex is not None:
            digest, rrsets, records = expected.zones[apex]
            digest = (digest + counted.get(rrset, 0)) % (1 << 256)
            expected.zones[apex] = (digest, rrsets + 1, records + len(data.rdatas))


def compact(events: Sequence[Event]) -> list[Event]:
    """The log with the newest event of each exact key of each partition; events without a key are dropped."""
    newest = {(event.partition, event.key): index for index, event in enumerate(events)}
    return [event for index, event in enumerate(events) if newest[event.partition, event.key] == index and event.key]
