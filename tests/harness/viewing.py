"""A view without a server: writes it with the real writer, reads it with the inspector, compares it with the model."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dns.rdatatype

from streamdns.dns import node as nodes
from streamdns.dns.name import key as lookup_key
from streamdns.events.batch import Batch, Partition, Record
from streamdns.view.keys import owner_of
from streamdns.view.reader import Inspector
from streamdns.view.store import MapFull, Store
from streamdns.view.verify import differences
from streamdns.view.writer import Applied, LocalRRset, Writer
from tests.harness.model import DEFAULT_TTL, Data, Event, Expected, Name

TOPIC = "zones"


@contextmanager
def folder() -> Iterator[pathlib.Path]:
    """A directory for one short-lived view, in memory where the machine has such a place: fsync is not under test."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as path:
        yield pathlib.Path(path)


@contextmanager
def opened(path: pathlib.Path, *, max_bytes: int = 1 << 28, **options: Any) -> Iterator[Store]:
    """A store that is closed at the end."""
    store = Store(str(path), max_bytes=max_bytes, **options)
    try:
        yield store
    finally:
        store.close()


def writer(store: Store, **options: Any) -> Writer:
    """A writer with room for everything unless told otherwise."""
    return Writer(store, **({"default_ttl": DEFAULT_TTL, "journal_size": 1000, "quarantine_size": 1000} | options))


class Reading:
    """Events numbered as a log of several partitions gives them: the position is the number of the event in its own."""

    def __init__(self) -> None:
        self.positions: dict[Partition, int] = {}

    def batch(self, events: Sequence[Event], *, caught_up: bool = False) -> Batch:
        """The next events as one batch."""
        records = []
        for partition, timestamp, key, value in events:
            position = self.positions.get((TOPIC, partition), 0)
            self.positions[TOPIC, partition] = position + 1
            text = None if key is None else key.encode()
            payload = None if value is None else value.encode()
            records.append(Record(TOPIC, partition, position, timestamp, text, payload))
        moved = {(TOPIC, event.partition): self.positions[TOPIC, event.partition] for event in events}
        return Batch(records, moved, caught_up)


def apply(to: Writer, events: Sequence[Event], *, size: int = 1000, reading: Reading | None = None) -> Applied:
    """Apply events in batches and let zones claim all that is theirs; what the last commit said."""
    reading = reading or Reading()
    applied = None
    for at in range(0, len(events), size):
        applied = to.apply(reading.batch(events[at : at + size]), {}, 1)
    while applied is None or applied.more:
        applied = to.apply(Batch([], {}, False), {}, 1)
    return applied


def apply_growing(to: Writer, batch: Batch) -> list[int]:
    """Apply one batch and let the map grow as often as that needs; the sizes that it grew to, in octets."""
    grown: list[int] = []
    while True:
        try:
            to.apply(batch, {}, 1)
            return grown
        except MapFull:
            assert to.store.grow()
            grown.append(to.store.map_bytes())


def local(rrsets: Sequence[tuple[Name, Data]]) -> list[LocalRRset]:
    """The model's local records as the view takes them."""
    return [LocalRRset(owner, type_number(rdtype), *data) for (owner, rdtype), data in rrsets]


def type_number(mnemonic: str) -> int:
    """The number of a type."""
    return int(dns.rdatatype.from_text(mnemonic))


def found(store: Store) -> Expected:
    """What a view holds, in the model's form."""
    result = Expected()
    with Inspector(store) as view:
        for key, raw in view.walk():
            owner = owner_of(key)
            assert lookup_key(owner) == key.removeprefix(b"\0") or owner == b"\0"
            for rrset in nodes.decode(raw, owner=owner):
                name = (owner, dns.rdatatype.to_text(rrset.rdtype))
                rdatas = tuple(nodes.unpack_rdatas(rrset.records))
                assert len(rdatas) == rrset.count
                result.served[name] = Data(nodes.ttl_of(rrset.records), rdatas)
                if rrset.flags & nodes.REJECTED:
                    result.rejected.add(name)
        result.digest = int.from_bytes(view.state.digest, "big")
        for apex, row in view.zones():
            result.zones[owner_of(apex)] = (int.from_bytes(row.digest, "big"), row.rrsets, row.records)
        result.conflicts = {(each.kind, each.owner, dns.rdatatype.to_text(each.rdtype)) for each in view.conflicts()}
        result.quarantined = len(list(view.quarantine()))
        result.applied = view.state.applied
        assert result.quarantined == view.state.quarantined
        assert sum(1 for _ in view.conflicts()) == view.state.conflicts
    return result


def check(store: Store, expected: Expected, *, counts: bool = True) -> None:
    """The view is what the model says, and nothing derived differs from what it is derived from."""
    result = found(store)
    assert result.served == expected.served
    assert result.rejected == expected.rejected
    assert result.zones == expected.zones
    assert result.digest == expected.digest
    if counts:
        assert result.conflicts == expected.conflicts
        assert result.quarantined == expected.quarantined
        assert result.applied == expected.applied
    check_derived(store)


def check_derived(store: Store) -> None:
    """Verification finds nothing."""
    with Inspector(store) as view:
        assert list(differences(view)) == []
