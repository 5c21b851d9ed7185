"""Events of names with one RRset: what puts them where it is compiled leaves the view as the writer does without."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamdns.events.batch import Batch, Record
from streamdns.view.store import TABLES, Store
from streamdns.view.writer import Applied, Writer
from tests.in_python import compiled

alone = compiled("streamdns.view._alone")
pytestmark = pytest.mark.skipif(alone is None, reason="not compiled here")

_CONTENTS = {
    "A": ("192.0.2.1", "192.0.2.2", "192.0.2.3"), "AAAA": ("2001:db8::1",), "TXT": ('"t"', '"' + "x" * 200 + '"', '""'),
    "CNAME": ("a.zone.example.", "elsewhere.test."), "MX": ("10 a.zone.example.", "20 b.test."),
    "PTR": ("a.b.zone.example.",),
    "NS": ("ns.zone.example.",), "SOA": ("ns.zone.example. x.zone.example. 1 2 3 4 5",), "DNAME": ("x.test.",),
    "CAA": ('0 issue "ca.test"',), "A, bad": ("1.2.3",),
}
_USUAL, _SPECIAL = ("A", "A", "A", "A", "TXT", "MX", "CNAME", "AAAA", "PTR", "CAA"), ("SOA", "NS", "DNAME", "A, bad")
_OWNERS = ("zone.example.", "example.", "a.zone.example.", "b.zone.example.", "a.b.zone.example.", "b.example.",
           "test.", ".", "*.zone.example.", "A.zone.example.", "x\\001.zone.example.", "c.example.", "d.example.")


def _record(chance: random.Random, position: int, *, partitions: int, special: float) -> Record:
    owner = chance.choice(_OWNERS)
    kind = chance.choice(_SPECIAL if chance.random() < special else _USUAL)
    rdtype = kind.partition(",")[0]
    contents = _CONTENTS[kind]
    count = 1 if chance.random() < 0.8 else len(contents)
    records: list[dict[str, object]] = [
        {"name": owner, "type": rdtype, "content": content, "ttl": chance.choice((60, 300))}
        for content in chance.sample(contents, count)
    ]
    if chance.random() < 0.2:
        records[0]["metadatas"] = {"createdAt": 1, "producer": "p" * chance.choice((1, 100, 120, 300))}
    value = None if chance.random() < special / 2 else json.dumps(records).encode()
    partition = chance.randrange(partitions)
    topic = "zones" if chance.random() < 1 - special / 3 else "others"
    key, timestamp = f"{owner}|{rdtype}".encode(), chance.choice((0, 1_700_000_000_000))
    return Record(topic, partition, position, timestamp, key, value)


def _batches(seed: int, *, partitions: int, special: float) -> list[Batch]:
    chance = random.Random(seed)
    batches, position = [], 0
    for _ in range(12):
        records = []
        for _ in range(chance.choice((1, 5, 60))):
            records.append(_record(chance, position, partitions=partitions, special=special))
            position += chance.randrange(1, 100_000)
        places = {(each.topic, each.partition) for each in records}
        batches.append(Batch(records, dict.fromkeys(sorted(places), position), chance.random() < 0.2))
    return batches


def _rows(store: Store) -> Iterator[tuple[str, bytes, bytes]]:
    for table in TABLES:
        with store.begin() as txn, txn.cursor(store.tables[table]) as cursor:
            yield from ((table, key, value) for key, value in cursor)


def _applied(writer: Writer, batch: Batch, now_ms: int) -> Applied:
    return writer.apply(batch, {}, now_ms)


@pytest.mark.parametrize("special", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("partitions", [1, 2])
def test_every_table_is_the_same_to_the_octet(tmp_path: Path, special: float, partitions: int) -> None:
    """After each commit, nodes, zones, digests, journal and all; zones, deletes and bad events come between."""
    for seed in range(6):
        stores = [Store(str(tmp_path / f"{seed}{name}"), max_bytes=1 << 30) for name in ("with", "without")]
        try:
            writers = [
                Writer(store, default_ttl=60, journal_size=40, quarantine_size=5, claims_a_commit=7) for store in stores
            ]
            writers[0].put_alone, writers[1].put_alone = alone.put_alone, None
            for number, batch in enumerate(_batches(seed, partitions=partitions, special=special)):
                results = [_applied(writer, batch, 1000 + number) for writer in writers]
                assert results[0] == results[1]
                while results[0].more:
                    results = [_applied(writer, Batch([], {}, False), 1000 + number) for writer in writers]
                    assert results[0] == results[1]
                assert list(_rows(stores[0])) == list(_rows(stores[1])), (seed, number)
        finally:
            for store in stores:
                store.close()


def test_it_stops_at_what_is_not_its_own(tmp_path: Path) -> None:
    """A zone's SOA, a name that may be a zone's, a second type: each is left to the writer, and asked for once."""
    store = Store(str(tmp_path), max_bytes=1 << 30)
    try:
        writer = Writer(store, default_ttl=60, journal_size=40, quarantine_size=5)
        runs: list[tuple[int, int]] = []

        def noted(txn: Any, records: Any, events: Any, number: int, topic: int, changes: Any) -> int:
            runs.append((number, alone.put_alone(txn, records, events, number, topic, changes)))
            return runs[-1][1]

        writer.put_alone = noted
        wanted = (("a", "A"), ("b", "A"), ("zone", "SOA"), ("c", "A"), ("a", "TXT"), ("a", "A"), ("c", "A"))
        records = []
        for position, (label, rdtype) in enumerate(wanted):
            owner = f"{label}.example."
            value = json.dumps([{"name": owner, "type": rdtype, "content": _CONTENTS[rdtype][0]}])
            records.append(Record("zones", 0, position, 0, f"{owner}|{rdtype}".encode(), value.encode()))
        _applied(writer, Batch(records, {("zones", 0): len(records)}, False), 1)
        assert runs == [(0, 2), (3, 3), (4, 4), (5, 5), (6, 6)]
    finally:
        store.close()
