"""Opens the view for reading beside a running server or without one, and formats its RRsets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamdns.commands import CommandError
from streamdns.commands.output import moment, note, printable
from streamdns.dns import name, rdata
from streamdns.dns.node import LOCAL, REJECTED, RRset, ttl_of, unpack_rdatas
from streamdns.events import provenance
from streamdns.events.message_id import position_text
from streamdns.settings import Settings
from streamdns.view.apexes import apexes_of
from streamdns.view.keys import node_key, owner_of
from streamdns.view.reader import Entry, Inspector
from streamdns.view.store import reported
from streamdns.view.view import open_readonly


@contextmanager
def looking(settings: Settings) -> Iterator[Inspector]:
    """Open one snapshot of the view. Print after it, not in it: an open snapshot keeps the server from reusing pages.

    Raises ViewError.
    """
    store = open_readonly(settings.pathdb)
    try:
        with reported(settings.pathdb), Inspector(store, apexes_of(settings)) as view:
            if not view.state.complete:
                note("the view has not caught up with the log yet")
            yield view
    finally:
        store.close()


def owner_from_text(text: str) -> bytes:
    """Parse a name that a user typed into lower-case wire form; raises CommandError."""
    try:
        return name.from_text(text).lower()
    except ValueError as err:
        raise CommandError(str(err)) from err


def apex_from_text(view: Inspector, text: str) -> bytes:
    """Parse a zone that a user typed into the key of its apex; raises CommandError where the view has no such zone."""
    owner = owner_from_text(text)
    key = node_key(owner)
    if view.zone(key) is None:
        above = view.zone_of(key)
        where = f"; it is in the zone {name.to_text(owner_of(above))}" if above is not None else ""
        raise CommandError(f"{name.to_text(owner)} is not a zone of the view{where}")
    return key


def records(rrset: RRset) -> list[str]:
    """Return the records of an RRset in presentation format."""
    return [rdata.to_text(rrset.rdtype, wire) for wire in unpack_rdatas(rrset.records)]


def fields(entry: Entry) -> dict[str, Any]:
    """Describe an RRset with its origin for JSON; topic, partition and position are null for a local record."""
    rrset = entry.rrset
    origin, local = rrset.origin, bool(rrset.flags & LOCAL)
    return {
        "name": name.to_text(entry.owner),
        "type": rdata.type_to_text(rrset.rdtype),
        "ttl": ttl_of(rrset.records),
        "records": records(rrset),
        "topic": None if local else entry.topic,
        "partition": None if local else origin.partition,
        "position": None if local else origin.position,
        "timestamp": origin.timestamp,
        "metadatas": metadatas(origin.metadatas),
        "shadowed": entry.shadowed,
        "rejected": bool(rrset.flags & REJECTED),
        "local": local,
    }


def origin_line(entry: Entry) -> str:
    """Describe the origin of an RRset in words."""
    rrset = entry.rrset
    if rrset.flags & LOCAL:
        return "local, from DNS_LOCAL_RECORDS" + (", shadowed" if entry.shadowed else "")
    _, partition, position, timestamp, raw = rrset.origin
    at = position_text(entry.topic, position)
    parts = [f"from {printable(entry.topic)}/{partition} at {at}", moment(timestamp), *producers(raw)]
    if entry.shadowed:
        parts.append("shadowed")
    if rrset.flags & REJECTED:
        parts.append("a newer event was rejected")
    return ", ".join(parts)


def metadatas(raw: bytes) -> Any:
    """Decode stored metadatas: None, one object, or a list with one for each record."""
    return provenance.decoded(raw)


def producers(raw: bytes) -> list[str]:
    """Return the producers that metadatas name, as text for people."""
    names = provenance.producers(metadatas(raw))
    return [f"by {printable(' and '.join(names))}"] if names else []
