"""Verification: nothing to say of a sound view, and one sentence for every kind of damage planted in it."""

from __future__ import annotations

import json
import pathlib
import random
from collections.abc import Callable, Iterator

import msgspec
import pytest

from streamdns.dns.name import key as lookup_key
from streamdns.dns.node import HEAD_SIZE, decode, encode
from streamdns.view.entries import decode_zone
from streamdns.view.reader import Inspector
from streamdns.view.store import Store, encode_state
from streamdns.view.verify import differences
from tests.harness import viewing
from tests.harness.model import Event, fold, wire_name

_SOA = "ns.example.org. host.example.org. 1 2 3 4 5"


def _put(name: str, rdtype: str, *contents: str, partition: int = 0) -> Event:
    records = [{"name": name, "type": rdtype, "content": content, "ttl": 60} for content in contents]
    return Event(partition, 0, f"{name}|{rdtype}", json.dumps(records))


EVENTS = [
    _put("example.org.", "SOA", _SOA), _put("example.org.", "NS", "ns.example.org."),
    _put("sub.example.org.", "NS", "ns.sub.example.org.", "ns.example.net."), _put("sub.example.org.", "SOA", _SOA),
    _put("www.example.org.", "A", "192.0.2.1", "192.0.2.2"), _put("www.example.org.", "TXT", '"text"'),
    _put("www.example.org.", "CNAME", "example.net."), _put("d.example.org.", "DNAME", "example.net."),
    _put("two.example.org.", "A", "192.0.2.3", partition=0), _put("two.example.org.", "A", "192.0.2.4", partition=1),
    Event(0, 0, "gone.example.org.|A", None), Event(0, 0, "bad.example.org.|A", "{"), Event(0, 0, None, "{"),
    _put("x.sub.example.org.", "A", "192.0.2.1"), Event(0, 0, "x.sub.example.org.|A", "{"),
    _put("Upper.example.org.", "A", "192.0.2.1"), _put("example.net.", "A", "192.0.2.9"),
]


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Iterator[Store]:
    """A view with something of everything."""
    with viewing.opened(tmp_path / "v") as store:
        to = viewing.writer(store)
        viewing.apply(to, EVENTS)
        to.set_local(viewing.local([((wire_name("own.example.org."), "A"), fold(EVENTS[4:5]).served.popitem()[1])]), 1)
        viewing.check_derived(store)
        yield store


def _said(store: Store) -> list[str]:
    with Inspector(store) as view:
        return list(differences(view))


def _change(store: Store, table: str, key: bytes, value: bytes | None) -> bytes | None:
    """Put (or with None delete) something behind the view's back; what was there."""
    with store.begin(write=True) as txn:
        old = txn.get(key, db=store.tables[table])
        if value is None:
            txn.delete(key, db=store.tables[table])
        else:
            txn.put(key, value, db=store.tables[table])
    return old


def _rows(store: Store, table: str) -> list[tuple[bytes, bytes]]:
    with store.begin() as txn, txn.cursor(store.tables[table]) as cursor:
        return list(cursor)


def _origins(raw: bytes) -> set[int]:
    """The octets of a node that nothing else tells: positions, timestamps and metadatas of RRsets without rows."""
    hidden: set[int] = set()
    at = HEAD_SIZE
    for rrset in decode(raw):
        start, length = int.from_bytes(raw[at + 8 : at + 12], "big"), int.from_bytes(raw[at + 12 : at + 16], "big")
        hidden |= set(range(start + length, start + length + 22 + len(rrset.origin.metadatas)))
        at += 16
    return hidden


def test_one_changed_octet_of_any_node_is_found(store: Store) -> None:
    for key, raw in _rows(store, "nodes"):
        hidden = _origins(raw)
        for at in range(len(raw)):
            if at not in hidden:
                damaged = bytearray(raw)
                damaged[at] ^= 1 << at % 8
                _change(store, "nodes", key, bytes(damaged))
                assert _said(store), f"octet {at} of {raw!r}"
        _change(store, "nodes", key, raw)
    assert _said(store) == []


def test_one_changed_octet_of_any_cut_is_found(store: Store) -> None:
    for key, raw in _rows(store, "cuts"):
        for at in range(len(raw)):
            damaged = bytearray(raw)
            damaged[at] ^= 4
            _change(store, "cuts", key, bytes(damaged))
            assert any("zone bounds stored as" in each for each in _said(store))
        _change(store, "cuts", key, raw)
    assert _said(store) == []


def test_a_row_that_is_missing_or_too_much_is_found_in_every_table(store: Store) -> None:
    for table in ("nodes", "cuts", "zones", "candidates", "quarantine", "journal", "conflicts"):
        for key, raw in _rows(store, table):
            _change(store, table, key, None)
            assert _said(store), f"{table}: {key!r} is missing"
            _change(store, table, key, raw)
            more = key[:-1] + bytes((key[-1] ^ 1,)) if table != "nodes" else lookup_key(wire_name("more.example.org."))
            if dict(_rows(store, table)).get(more) is None:
                _change(store, table, more, raw)
                assert _said(store), f"{table}: {more!r} is too much"
                _change(store, table, more, None)
    assert _said(store) == []


def test_every_number_of_a_zone_is_checked(store: Store) -> None:
    for key, raw in _rows(store, "zones"):
        row = decode_zone(raw)
        for change in (
            {"digest": bytes(32)}, {"rrsets": row.rrsets + 1}, {"records": row.records - 1}, {"cursor": key},
        ):
            _change(store, "zones", key, encode_state(msgspec.structs.replace(row, **change)))
            assert _said(store), change
        _change(store, "zones", key, b"\xc1")
        assert any("the row of its zone cannot be read" in each for each in _said(store))
        _change(store, "zones", key, raw)
    assert _said(store) == []


@pytest.mark.parametrize("change", [
    {"digest": bytes(32)}, {"nodes": 1}, {"rrsets": 1}, {"records": 1}, {"zones": 7}, {"cut_depths": {2: 1}},
    {"zone_depths": {}}, {"candidate_rows": 0}, {"conflicts": 0}, {"quarantined": 0}, {"pending_zones": [b"org\0"]},
    {"journal_next": 1}, {"complete": True},
])  # fmt: skip
def test_every_number_of_the_state_is_checked(store: Store, change: dict[str, object]) -> None:
    state = msgspec.structs.replace(store.state(), **change)
    _change(store, "meta", b"state", encode_state(state))
    assert _said(store), change


def test_what_answers_know_of_the_depths_is_checked(store: Store) -> None:
    old = _change(store, "meta", b"depths", b"\0\3\2\1")
    assert [each.split(" stored")[0] for each in _said(store)] == ["what answers know of the depths"]
    _change(store, "meta", b"depths", old)
    assert _said(store) == []


def test_candidates_that_do_not_fit_are_found(store: Store) -> None:
    for key, raw in _rows(store, "candidates"):
        for damage, pattern in (
            (b"\1", "cannot be read"), (raw[:-1] + b"\5", "cannot be read or stands under another key"),
        ):
            _change(store, "candidates", key, damage)
            assert any(pattern in each for each in _said(store)), (key, damage)
        _change(store, "candidates", key, raw)
    assert _said(store) == []


def test_the_sentences_name_the_place(store: Store) -> None:
    key = lookup_key(wire_name("www.example.org."))
    raw = _change(store, "nodes", key, None)
    assert raw is not None
    rrsets = decode(raw)
    _change(store, "nodes", key, encode(rrsets[1:]))
    said = _said(store)
    assert any(each.startswith("digest stored as ") for each in said)
    assert any(each.startswith("example.org.: zone digest and counts stored as ") for each in said)
    assert any(each.startswith("number of RRsets stored as ") for each in said)
    _change(store, "nodes", key, encode([rrsets[0]._replace(flags=7), *rrsets[1:]]))
    assert "www.example.org. type 1: its mark for candidate rows is wrong" in _said(store)


def test_random_damage_anywhere_is_survived(store: Store, record_property: Callable[[str, object], None]) -> None:
    seed = random.randrange(1 << 30)
    record_property("seed", seed)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(300):
        table = chance.choice(("nodes", "cuts", "zones", "candidates", "conflicts", "quarantine", "rejected"))
        rows = _rows(store, table)
        key, raw = chance.choice(rows)
        damaged = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 60)))
        _change(store, table, key, raw[: chance.randrange(len(raw) + 1)] + damaged)
        _said(store)
        _change(store, table, key, raw)
    assert _said(store) == []
