"""Names that hold more than is served of them: the same RRsets are served whatever the order, the rest is kept."""

from __future__ import annotations

import json
import pathlib
import random
from collections.abc import Iterator

import pytest

from streamdns.dns import name
from streamdns.dns import node as nodes
from streamdns.dns.node import RRset
from streamdns.dns.rdata import type_from_text
from streamdns.events.batch import Batch, Record
from streamdns.view import aside, verify
from streamdns.view.audit import Audit, Unhashed, Verdict
from streamdns.view.keys import node_key
from streamdns.view.reader import Inspector
from streamdns.view.store import Store
from streamdns.view.writer import Writer

OWNER = "fat.example.org."
KEY = node_key(name.from_text(OWNER))
ALWAYS = ("NS", "SOA", "CNAME", "DNAME")
TYPES = (*ALWAYS, "A", "MX", "TXT", *(f"TYPE{number}" for number in range(65_280, 65_290)))
CONTENT = {"NS": "ns.", "SOA": "ns. host. 1 2 3 4 5", "CNAME": "a.", "DNAME": "a.", "A": "192.0.2.1", "MX": "1 mx."}
MANY = 1 << 30


def record(rdtype: str, octets: int, at: int, *, partition: int = 0, bad: bool = False, **more: object) -> Record:
    """An event for the name; of octets of content where the type has any, a delete where they are negative."""
    content = CONTENT.get(rdtype) or (f'"{"x" * octets}"' if rdtype == "TXT" else rf"\# {octets} {'ab' * octets}")
    records = [{"name": OWNER, "type": rdtype, "content": "(" if bad else content, **more}]
    value = json.dumps(records).encode() if octets >= 0 else None
    return Record("zones", partition, at, at, f"{OWNER}|{rdtype}".encode(), value)


def zone(at: int) -> Record:
    value = json.dumps([{"name": "example.org.", "type": "SOA", "content": CONTENT["SOA"]}]).encode()
    return Record("zones", 0, at, at, b"example.org.|SOA", value)


def write(store: Store, records: list[Record]) -> None:
    """Apply them in one commit."""
    ends: dict[tuple[str, int], int] = {}
    for each in records:
        ends[each.topic, each.partition] = each.position + 1
    Writer(store, default_ttl=60, journal_size=5, quarantine_size=1000).apply(Batch(records, ends, True), {}, 1)


def served(store: Store) -> list[RRset]:
    """What the node has that queries copy."""
    with store.begin() as txn:
        raw = txn.get(KEY, db=store.nodes)
    return [] if raw is None else nodes.decode(raw, owner=name.from_text(OWNER))


def everything(store: Store) -> list[RRset]:
    with Inspector(store) as view:
        raw = view._txn.get(KEY, db=store.nodes)
        return [] if raw is None else sorted(view.every(KEY, raw))


def as_it_must_be(rrsets: list[RRset], rrsets_most: int, octets_most: int) -> list[int]:
    """The types that are served, by the words of docs/events.md."""
    chosen = [each.rdtype for each in rrsets if each.rdtype in (2, 5, 6, 39)]
    left_octets, left = octets_most, rrsets_most
    for each in sorted(rrsets, key=lambda each: (bool(each.flags & nodes.REJECTED), each.rdtype)):
        if each.rdtype in chosen:
            continue
        left, left_octets = left - 1, left_octets - len(each.records)
        if left < 0 or left_octets < 0:
            break
        chosen.append(each.rdtype)
    return sorted(chosen)


def summary(store: Store) -> tuple[object, ...]:
    with Inspector(store) as view:
        state = view.state
        return (state.digest, state.rrsets, state.records, state.nodes, state.quarantined,
                [(apex, row.digest, row.rrsets, row.records) for apex, row in view.zones()])


def check(store: Store) -> None:
    """Nothing that is derived differs from what it is derived from, and the audit that runs all the time agrees."""
    with Inspector(store) as view:
        assert list(verify.differences(view)) == []
    audit = Audit()
    while audit.step(store, most=1):
        pass
    assert audit.view is Verdict.RIGHT
    assert set(audit.zones.values()) <= {Verdict.RIGHT}


@pytest.fixture
def stores(tmp_path: pathlib.Path) -> Iterator[tuple[Store, Store, Store]]:
    made = [Store(str(tmp_path / each), max_bytes=1 << 30) for each in ("limited", "whole", "compacted")]
    yield made[0], made[1], made[2]
    for store in made:
        store.close()


@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_events_serves_the_same(
    stores: tuple[Store, Store, Store], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared with a view that has no limits: all is there, digest and counts are the same; so after compaction."""
    chance = random.Random(seed)
    limited, whole, compacted = stores
    log: list[Record] = []
    for at in range(chance.randrange(20, 200)):
        if chance.random() < 0.03:
            log.append(zone(at))
            continue
        octets = chance.choice([-1, 0, 1, 10, 60, 80])
        log.append(record(chance.choice(TYPES), octets, at, partition=chance.choice([0, 0, 0, 1]),
                          bad=octets >= 0 and chance.random() < 0.1))
    most = chance.choice([4, 6]), chance.choice([300, 500])

    def apply(store: Store, records: list[Record], limits: tuple[int, int]) -> None:
        monkeypatch.setattr(aside, "MOST_RRSETS", limits[0])
        monkeypatch.setattr(aside, "MOST_OCTETS", limits[1])
        write(store, records)

    rest = list(log)
    while rest:
        size = chance.randrange(1, 30)
        apply(limited, rest[:size], most)
        rest = rest[size:]
        expected = as_it_must_be(everything(limited), *most)
        assert [each.rdtype for each in served(limited)] == expected
        check(limited)
    apply(whole, log, (MANY, MANY))
    assert everything(limited) == everything(whole) == served(whole)
    assert summary(limited) == summary(whole)
    newest = {(each.key, each.partition): each for each in log}
    apply(compacted, sorted(newest.values(), key=lambda each: each.position), most)
    # What was kept from before a rejected event may be gone from the compacted log: it takes nobody's place.
    sound, fresh = ([each.rdtype for each in served(store) if not each.flags & nodes.REJECTED]
                    for store in (limited, compacted))
    assert sound == fresh
    assert summary(compacted)[0] == summary(limited)[0]


def test_a_hostile_name_stays_small_for_queries(stores: tuple[Store, Store, Store]) -> None:
    """400 RRsets of 60 KB, as the first attacker wrote them, are one node of less than 256 KiB, and a conflict."""
    store = stores[0]
    write(store, [zone(0), record("A", 0, 1)])
    for at in range(40):
        write(store, [record(f"TYPE{40_000 + at * 10 + more}", 60_000, 2 + at * 10 + more) for more in range(10)])
    with store.begin() as txn:
        raw = txn.get(KEY, db=store.nodes)
    assert raw is not None
    assert len(raw) <= 256 << 10
    assert nodes.find(raw, 1) is not None
    assert [each.rdtype for each in nodes.decode(raw)] == [1, 40_000, 40_001, 40_002]
    with Inspector(store) as view:
        assert view.state.rrsets == 402
        (conflict,) = view.conflicts()
        assert (conflict.kind, conflict.rdtype) == ("overfull", 40_003)
        assert "not served from TYPE40003 on" in conflict.detail
        entries = view.entries(KEY)
        assert [each.shadowed for each in entries[:5]] == [False] * 4 + [True]
        assert len(entries) == 4 + 100, "a page shows only some"
        assert sum(each.owner == name.from_text(OWNER) for each in view.zone_entries(node_key(name.from_text(
            "example.org.")))) == 401
    write(store, [record(f"TYPE{40_000 + number}", -1, 1000 + number) for number in range(398)])
    assert [each.rdtype for each in served(store)] == [1, 40_398, 40_399]
    with Inspector(store) as view:
        assert list(view.conflicts()) == []
    check(store)


def test_many_small_rrsets(stores: tuple[Store, Store, Store]) -> None:
    store = stores[0]
    write(store, [zone(0), *(record(f"TYPE{1000 + number}", 1, 1 + number) for number in range(5000))])
    assert [each.rdtype for each in served(store)] == list(range(1000, 1252))
    write(store, [record("SOA", 0, 6000), record("NS", 0, 6001), record("A", 0, 6002)])
    assert [each.rdtype for each in served(store)] == [1, 2, 6, *range(1000, 1251)]
    check(store)


def test_long_metadatas_stand_beside_the_node(stores: tuple[Store, Store, Store]) -> None:
    """They come and go with their RRset, and no query copies them."""
    store = stores[0]
    long, short = {"x": "y" * 4000}, {"producer": "a"}
    write(store, [record("A", 0, 0, metadatas=long), record("TXT", 5, 1, metadatas=short)])
    with store.begin() as txn:
        raw = txn.get(KEY, db=store.nodes) or b""
        assert len(raw) < 300
        assert txn.stat(store.tables["aside"])["entries"] == 1
    found = {each.rdtype: json.loads(each.origin.metadatas) for each in everything(store)}
    assert found == {1: long, 16: short}
    check(store)
    write(store, [record("A", 0, 2, metadatas=short), record("TXT", 5, 3, metadatas=long)])
    assert {each.rdtype: json.loads(each.origin.metadatas) for each in everything(store)} == {1: short, 16: long}
    check(store)
    write(store, [record("A", -1, 4), record("TXT", -1, 5)])
    with store.begin() as txn:
        assert txn.stat(store.tables["aside"])["entries"] == 0
    write(store, [record("A", 0, 6, metadatas=long)])
    write(store, [record("A", 0, 7, metadatas=short)])
    assert [json.loads(each.origin.metadatas) for each in everything(store)] == [short]
    check(store)


@pytest.mark.parametrize(("octets", "is_apart"), [(127, False), (128, False), (129, True)])
def test_metadatas_that_are_not_long_stand_in_the_node(
    stores: tuple[Store, Store, Store], octets: int, is_apart: bool
) -> None:
    store, metadatas = stores[0], {"x": "y" * (octets - 8)}
    for at, rdtypes in enumerate((["A"], ["A", "TXT"], ["TXT"])):
        write(store, [record(rdtype, 5, 10 * at, metadatas=metadatas) for rdtype in rdtypes])
        with store.begin() as txn:
            raw = txn.get(KEY, db=store.nodes) or b""
            assert bool(raw[1] & nodes.APART) is is_apart
            assert txn.stat(store.tables["aside"])["entries"] == (len(nodes.decode(raw)) if is_apart else 0)
        assert {len(each.origin.metadatas) for each in everything(store)} == {octets}
        check(store)


def test_of_two_metadatas_the_long_one_alone_stands_aside(stores: tuple[Store, Store, Store]) -> None:
    store, octets = stores[0], {"A": 128, "TXT": 129}
    write(store, [record(rdtype, 5, at, metadatas={"x": "y" * (octets[rdtype] - 8)})
                  for at, rdtype in enumerate(octets)])
    with store.begin() as txn:
        assert txn.stat(store.tables["aside"])["entries"] == 1
    assert [len(each.origin.metadatas) for each in everything(store)] == [128, 129]
    check(store)


def test_metadatas_that_stand_aside_go_with_their_own_name_alone(stores: tuple[Store, Store, Store]) -> None:
    """One name after the other is deleted or gets short ones: all others keep theirs."""
    store, names = stores[0], [f"n{number}.example.org." for number in range(12)]
    keys = {each: node_key(name.from_text(each)) for each in names}

    def event(owner: str, at: int, metadatas: str | None) -> Record:
        records = [{"name": owner, "type": "A", "content": "192.0.2.1", "metadatas": {"x": metadatas}}]
        value = None if metadatas is None else json.dumps(records).encode()
        return Record("zones", 0, at, at, f"{owner}|A".encode(), value)

    write(store, [zone(0), *(event(each, 1 + at, each * 40) for at, each in enumerate(names))])
    for at, gone in enumerate(names):
        write(store, [event(gone, 100 + at, None if at % 2 else "short")])
        with Inspector(store) as view:
            found = {each: rrset.origin.metadatas for each in names
                     if (raw := view._txn.get(keys[each], db=store.nodes)) for rrset in view.every(keys[each], raw)}
        kept = {each: json.loads(metadatas)["x"] for each, metadatas in found.items()}
        assert kept == {each: each * 40 if names.index(each) > at else "short"
                        for each in names if names.index(each) > at or names.index(each) % 2 == 0}
        check(store)


@pytest.mark.parametrize(("sizes", "overflows"), [
    ([65_000] * 3, False), ([48_896] * 4, False), ([48_896] * 3 + [48_897], True), ([65_000] * 4, True),
    ([1] * 252, False), ([1] * 253, True), ([], False),
])
def test_when_a_name_has_more_than_is_served(sizes: list[int], overflows: bool) -> None:
    """By the number of its RRsets or by their octets; the four special types have room of their own."""
    origin = nodes.Origin(0, 0, 0, 0, b"")
    rrsets = [RRset(1000 + at, 0, 1, bytes(size), origin) for at, size in enumerate(sizes)]
    assert sum(sizes) <= aside.MOST_OCTETS or overflows
    special = [RRset(type_from_text(each), 0, 1, bytes(65_000), origin) for each in ALWAYS]
    local = [RRset(999, nodes.LOCAL, 1, bytes(65_000), origin)]
    for more in ([], special, local):
        assert aside.overflows(rrsets + more) is overflows


def test_what_stood_aside_is_served_when_all_before_it_goes_at_once(
    stores: tuple[Store, Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "MOST_RRSETS", 4)
    store = stores[0]
    write(store, [zone(0), *(record(f"TYPE{40_000 + number}", 9, 1 + number) for number in range(9))])
    assert [each.rdtype for each in served(store)] == [40_000, 40_001, 40_002, 40_003]
    write(store, [*(record(f"TYPE{40_000 + number}", -1, 20 + number) for number in range(4)),
                  record("TYPE40006", 10, 30), record("TYPE40020", 9, 31), record("TYPE40005", -1, 32)])
    assert [each.rdtype for each in served(store)] == [40_004, 40_006, 40_007, 40_008]
    assert [each.rdtype for each in everything(store)] == [40_004, 40_006, 40_007, 40_008, 40_020]
    check(store)


def test_a_name_is_no_longer_full_when_what_stood_aside_goes(
    stores: tuple[Store, Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "MOST_RRSETS", 4)
    store = stores[0]
    write(store, [record(f"TYPE{40_000 + number}", 9, number) for number in range(5)])
    with Inspector(store) as view:
        assert [(each.kind, each.owner) for each in view.conflicts()] == [("overfull", name.from_text(OWNER))]
    write(store, [record("TYPE40004", -1, 9)])
    with Inspector(store) as view:
        assert list(view.conflicts()) == []
    assert [each.rdtype for each in served(store)] == [40_000, 40_001, 40_002, 40_003]
    check(store)


@pytest.mark.parametrize(("octets_less", "count"), [(0, 4), (1, 3)])
def test_an_rrset_that_just_fits_is_served(
    stores: tuple[Store, Store, Store], monkeypatch: pytest.MonkeyPatch, octets_less: int, count: int
) -> None:
    store = stores[0]
    write(store, [record("TYPE40000", 9, 0)])
    monkeypatch.setattr(aside, "MOST_OCTETS", 4 * len(served(store)[0].records) - octets_less)
    write(store, [record(f"TYPE{40_000 + number}", 9, number) for number in range(1, 8)])
    assert len(served(store)) == count
    write(store, [record("TYPE40000", -1, 20)])
    assert [each.rdtype for each in served(store)] == [40_001, 40_002, 40_003, 40_004][:count]
    check(store)


@pytest.mark.parametrize("special", ALWAYS)
def test_special_types_are_served_where_all_that_was_served_goes_in_the_same_commit(
    stores: tuple[Store, Store, Store], monkeypatch: pytest.MonkeyPatch, special: str
) -> None:
    monkeypatch.setattr(aside, "MOST_RRSETS", 4)
    store = stores[0]
    write(store, [record(f"TYPE{40_000 + number}", 9, number) for number in range(9)])
    write(store, [*(record(f"TYPE{40_000 + number}", -1, 20 + number) for number in range(4)), record("NS", 0, 30),
                  record(special, 0, 31)])
    assert [each.rdtype for each in served(store)] == [
        *sorted({type_from_text("NS"), type_from_text(special)}), 40_004, 40_005, 40_006, 40_007,
    ]
    check(store)


def test_the_most_that_special_types_take_has_its_room() -> None:
    """NS of 65,000 octets, and one record each of CNAME, DNAME and SOA, whose names are 255 octets at the most."""
    special = 65_000 + 2 * (12 + 255) + 12 + 2 * 255 + 20
    assert aside.MOST_OCTETS + special <= 256 << 10
    assert aside.MOST_OCTETS >= 3 * 65_000
    assert aside.MOST_RRSETS + len(ALWAYS) == 256
    assert {type_from_text(each) for each in ALWAYS} == aside._ALWAYS


def test_an_audit_takes_a_name_of_many_octets_in_many_steps(stores: tuple[Store, Store, Store]) -> None:
    """A step reads a bounded number of octets, and hashes them when its transaction is over; all are hashed in the end.

    What is beside the node changes meanwhile: that is never taken for damage.
    """
    store = stores[0]
    write(store, [zone(0), *(record(f"TYPE{40_000 + number}", 20_000, 1 + number) for number in range(60))])
    audit, octets = Audit(), list[int]()
    more = True
    while more:
        hashed: list[int] = []

        def hash_one(rrset: Unhashed, into: list[int] = hashed) -> int:
            into.append(len(rrset.records))
            return rrset.hashed()

        more = audit.step(store, most=1000, hashed=hash_one)
        octets.append(sum(hashed))
    assert (audit.view, set(audit.zones.values()), audit.names) == (Verdict.RIGHT, {Verdict.RIGHT}, 2)
    assert sum(octets) > 60 * 20_000
    # One node, or 64 KiB and an RRset.
    assert max(octets) < aside.MOST_OCTETS + 65_536 + 20_100
    assert len(octets) > 10


def test_changes_of_a_name_in_the_middle_of_its_audit_are_no_damage(stores: tuple[Store, Store, Store]) -> None:
    store, chance = stores[0], random.Random(3)
    write(store, [zone(0), *(record(f"TYPE{40_000 + number}", 20_000, 1 + number) for number in range(40))])
    at, steps = 100, 0
    for _ in range(8):
        audit = Audit()
        while audit.step(store, most=1000):
            steps += 1
            if chance.random() < 0.4:
                at += 1
                write(store, [record(f"TYPE{40_000 + chance.randrange(60)}", chance.choice([-1, 20_000, 20_001]), at)])
        assert Verdict.WRONG not in (*audit.zones.values(), audit.view)
    assert steps > 20
