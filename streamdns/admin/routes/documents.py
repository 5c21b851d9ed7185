"""Turns RRsets, zones and changes of the view into the documents of the admin API."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from streamdns.admin.http.route import Principal
from streamdns.admin.schema.data import Change, Data, RRset, Soa
from streamdns.admin.texts import texts_of
from streamdns.dns import name, rdata
from streamdns.dns.node import LOCAL, REJECTED, ttl_of, unpack_rdatas
from streamdns.events import provenance
from streamdns.runtime.turns import Stint
from streamdns.view.entries import JournalEntry
from streamdns.view.journal import mark_of
from streamdns.view.reader import Entry

_NUMBERS = struct.Struct(">IIIII")


def rrset(entry: Entry, principal: Principal) -> RRset:
    """Describe an RRset and where it came from: to a caller limited to zones without its place in the log."""
    found = entry.rrset
    origin, local = found.origin, bool(found.flags & LOCAL)
    placed = not local and principal.zones is None
    metadatas = decoded(origin.metadatas)
    return RRset(
        name=name.to_text(entry.owner),
        type=rdata.type_to_text(found.rdtype),
        ttl=ttl_of(found.records),
        records=records(found.rdtype, found.records),
        topic=entry.topic if placed else None,
        partition=origin.partition if placed else None,
        position=origin.position if placed else None,
        timestamp=origin.timestamp,
        producer=producer(metadatas),
        metadatas=metadatas,
        shadowed=entry.shadowed,
        rejected=bool(found.flags & REJECTED),
        local=local,
    )


def piece(document: Any) -> Any:
    """Encode a document as JSON that a larger one includes as it is, so that no large one is encoded in one go."""
    return msgspec.Raw(msgspec.json.encode(document))


def records(rdtype: int, packed: bytes) -> list[str]:
    """Return the stored records of a node in presentation format; gives way where they are many or long."""
    return texts_of(rdtype, unpack_rdatas(packed), Stint())


def decoded(raw: bytes) -> Any:
    """Decode stored metadatas: None, one object, or a list with one for each record; None where they were cut."""
    return provenance.decoded(raw)


def producer(metadatas: Any) -> str | None:
    """Return who made the records, as their metadatas say."""
    return " and ".join(provenance.producers(metadatas)) or None


def soa(packed: bytes | None) -> Soa | None:
    """Return the fields of a stored SOA RRset (RFC 1035 §3.3.13)."""
    wires = [] if packed is None else unpack_rdatas(packed, 1)
    if packed is None or not wires or len(wires[0]) < _NUMBERS.size + 2:
        return None
    wire = wires[0]
    at = _end_of_name(wire)
    mname, rname = wire[:at], wire[at : -_NUMBERS.size]
    serial, refresh, retry, expire, minimum = _NUMBERS.unpack_from(wire, len(wire) - _NUMBERS.size)
    return Soa(
        mname=name.to_text(mname), rname=name.to_text(rname), serial=serial, refresh=refresh, retry=retry,
        expire=expire, minimum=minimum, ttl=ttl_of(packed),
    )


def _end_of_name(wire: bytes) -> int:
    at = 0
    while wire[at]:
        at += 1 + wire[at]
    return at + 1


def change(number: int, entry: JournalEntry, principal: Principal) -> Change:
    """Describe an entry of the journal; the place in the log as for rrset()."""
    placed = principal.zones is None
    mark = mark_of(entry)
    metadatas = decoded(entry.metadatas) if mark is None else None
    return Change(
        id=number,
        time=entry.time_ms,
        name=name.to_text(entry.owner),
        type=rdata.type_to_text(entry.rdtype) if mark is None else "",
        before=_data(entry.rdtype, entry.before, entry.was),
        after=_data(entry.rdtype, entry.after, entry.now),
        topic=entry.topic if placed else None,
        partition=entry.partition if placed else None,
        position=entry.position if placed else None,
        timestamp=entry.timestamp,
        producer=producer(metadatas),
        metadatas=metadatas,
        mark=mark,
    )


def _data(rdtype: int, digest: bytes, packed: bytes) -> Data | None:
    if not digest:
        return None
    kept = bool(packed)
    return Data(
        hash=digest.hex(), ttl=ttl_of(packed) if kept else None, records=records(rdtype, packed) if kept else None
    )
