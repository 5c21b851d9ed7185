"""Whether nodes hold the same data: the decision, and the audit of a view that changes under it."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from streamdns.admin.fleet.comparison import compare, queries_per_s
from streamdns.admin.schema.peers import Mark, NodeReport, PositionAt
from streamdns.dns import node as nodes
from streamdns.errors import ViewCorrupt
from streamdns.view.audit import Audit, Verdict
from streamdns.view.keys import node_key
from streamdns.view.pages import Pages
from streamdns.view.store import Store
from tests.harness import viewing
from tests.harness.model import Event, wire_name

ZONE = node_key(wire_name("zone."))
SUB = node_key(wire_name("sub.zone."))


def report(
    digest: str, positions: dict[int, tuple[int, str]], marks: Any = (), *, contested: bool = False
) -> NodeReport:
    """What a node says: of each partition its position and digest, marks as (partition, position, digest)."""
    return NodeReport(
        instance="i", version="v", state="following", ready=True, lag_events=0, lag_seconds=0.0, zones=1, rrsets=1,
        digest=digest, contested=contested,
        positions=[
            PositionAt(topic="t", partition=number, position=position, digest=of)
            for number, (position, of) in positions.items()
        ],
        marks=[Mark(topic="t", partition=number, position=at, digest=of) for number, at, of in marks], audit=None,
    )


AT_9 = report("a", {0: (9, "")}, [(0, 4, "m"), (0, 8, "n")])


@pytest.mark.parametrize(("mine", "theirs", "diverges"), [
    (report("a", {0: (5, "a")}), report("a", {0: (5, "a")}), False),
    (report("a", {0: (5, "a")}), report("b", {0: (5, "b")}), True),
    # A partition without an event is no other place.
    (report("a", {0: (5, "a"), 1: (0, "")}), report("b", {0: (5, "b")}), True),
    # Elsewhere: nothing to compare, but for the partitions that are at the same place.
    (report("a", {0: (5, "a")}), report("b", {0: (6, "b")}), None),
    (report("a", {0: (5, "a"), 1: (7, "x")}), report("b", {0: (6, "b"), 1: (7, "x")}), False),
    (report("a", {0: (5, "a"), 1: (7, "x")}), report("b", {0: (6, "b"), 1: (7, "y")}), True),
    (report("a", {0: (5, "a"), 1: (7, "")}), report("b", {0: (6, "b"), 1: (7, "y")}), None),
    (report("a", {0: (5, "a"), 1: (7, "x")}, contested=True), report("b", {0: (6, "b"), 1: (7, "y")}), None),
    # Marks: the newest that both have, and for a difference the one before it, too.
    (AT_9, report("b", {0: (6, "")}, [(0, 4, "m")]), False),
    (AT_9, report("b", {0: (6, "")}, [(0, 4, "x")]), None),
    (AT_9, report("b", {0: (19, "")}, [(0, 4, "x"), (0, 8, "y")]), True),
    (AT_9, report("b", {0: (19, "")}, [(0, 4, "x"), (0, 8, "n")]), False),
    (AT_9, report("b", {0: (19, "")}, [(0, 4, "m"), (0, 8, "y")]), None),
    (report("a", {0: (9, "")}, [(1, 4, "m"), (1, 8, "n")]),
     report("b", {0: (19, "")}, [(0, 4, "x"), (0, 8, "y")]), None),
])
def test_nodes_are_compared_where_both_have_been(mine: NodeReport, theirs: NodeReport, diverges: bool | None) -> None:
    assert compare(mine, theirs).diverges is diverges
    assert compare(theirs, mine).diverges is diverges
    assert bool(compare(mine, theirs).where) == (diverges is not None)


def _event(name: str, content: str | None, rdtype: str = "A", partition: int = 0) -> Event:
    value = None if content is None else json.dumps([{"name": name, "type": rdtype, "content": content, "ttl": 60}])
    return Event(partition, 0, f"{name}|{rdtype}", value)


def _fill(store: Store) -> tuple[Any, viewing.Reading]:
    soa = "ns. host. 1 2 3 4 5"
    events = [_event("zone.", soa, "SOA"), _event("sub.zone.", soa, "SOA"), _event("outside.", "192.0.2.9")]
    events += [_event(f"n{number}.zone.", f"192.0.2.{number}") for number in range(40)]
    events += [_event(f"n{number}.sub.zone.", f"192.0.2.{number}") for number in range(40)]
    # What has more than one candidate, was refused, or was deleted.
    events += [_event("n1.zone.", "192.0.2.77", partition=1), _event("n2.zone.", "bad"), _event("n3.zone.", None)]
    to, reading = viewing.writer(store), viewing.Reading()
    viewing.apply(to, events, reading=reading)
    return to, reading


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_audit_of_what_is_right(size: int) -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        _fill(store)
        audit = Audit()
        steps = 1
        while audit.step(store, most=size):
            steps += 1
        assert audit.zones == {ZONE: Verdict.RIGHT, SUB: Verdict.RIGHT}
        assert audit.view is Verdict.RIGHT
        assert audit.names == store.state().nodes
        assert (steps == 1) == (size == 1000)


@pytest.mark.parametrize(("name", "wrong"), [("n7.zone.", ZONE), ("n7.sub.zone.", SUB), ("outside.", None)])
@pytest.mark.parametrize("garbage", [False, True])
def test_an_audit_finds_what_was_changed_behind_its_back(name: str, wrong: bytes | None, garbage: bool) -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        _fill(store)
        key = node_key(wire_name(name))
        with store.begin(write=True) as txn:
            raw = txn.get(key, db=store.nodes)
            assert raw is not None
            (rrset,) = nodes.decode(raw)
            other = rrset._replace(records=rrset.records[:-1] + b"\xfe")
            txn.put(key, raw[:30] if garbage else nodes.encode([other]), db=store.nodes)
        audit = Audit()
        while audit.step(store, most=7):
            pass
        doubtful = [apex for apex, verdict in audit.zones.items() if verdict is not Verdict.RIGHT]
        assert doubtful == ([wrong] if wrong else [])
        assert audit.view is Verdict.WRONG
        alone = Audit(ZONE)
        while alone.step(store, most=7):
            pass
        assert (Verdict.WRONG in alone.zones.values()) == (wrong is not None)
        assert alone.view is None


def test_changes_meanwhile_are_never_taken_for_damage() -> None:
    chance = random.Random(4)
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = _fill(store)
        for turn in range(30):
            audit = Audit()
            while audit.step(store, most=chance.randrange(1, 30)):
                if chance.random() < 0.5:
                    name = f"n{chance.randrange(40)}.{chance.choice(['zone.', 'sub.zone.'])}"
                    content = chance.choice([None, f"192.0.2.{chance.randrange(200)}"])
                    to.apply(reading.batch([_event(name, content)]), {}, 1000 * turn + chance.randrange(1000))
            assert Verdict.WRONG not in audit.zones.values()
            assert audit.view is not Verdict.WRONG


def test_rows_that_cannot_be_read_are_a_failure_of_the_view() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        _fill(store)
        with store.begin(write=True) as txn:
            txn.put(ZONE, b"\xc1", db=store.tables["zones"])
        with pytest.raises(ViewCorrupt), Pages(store) as view:
            view.zone_lines(b"", most=10, over=lambda: False)
        with pytest.raises(KeyError), Pages(store) as view:
            raise KeyError(view.state.zones)
        with Pages(store) as view:
            assert view.state.zones == 2


@pytest.mark.parametrize(("before", "now", "found"), [
    ((1000, 5000), (3000, 6000), 500.0),
    ((1000, 5000), (3000, 5000), 0.0),
    # An older version does not count, one that was started anew counts from nothing, a clock may be set back.
    ((1000, None), (3000, 5000), None),
    ((1000, 5000), (3000, None), None),
    ((1000, 5000), (3000, 20), None),
    ((3000, 5000), (3000, 6000), None),
])
def test_queries_of_a_peer(
    before: tuple[int, int | None], now: tuple[int, int | None], found: float | None
) -> None:
    first, then = (
        msgspec.structs.replace(report("a", {}), time=time, queries=queries) for time, queries in (before, now)
    )
    assert queries_per_s(first, then) == found
    assert queries_per_s(None, then) is None


def test_a_report_of_an_older_version_is_understood() -> None:
    """It has no figures of queries."""
    old = msgspec.to_builtins(report("a", {}))
    del old["time"], old["queries"]
    assert msgspec.convert(old, NodeReport).queries is None
