"""What the view keeps beside the data: journal, quarantine, conflicts, candidates of several topics."""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest

from streamdns.dns.node import unpack_rdatas
from streamdns.events.batch import Batch, Record
from streamdns.view.entries import decode_change
from streamdns.view.reader import Inspector
from streamdns.view.store import Store
from tests.harness import viewing
from tests.harness.model import Event, wire_name


def _event(name: str, content: str | None, *, key: str = "", partition: int = 0, rdtype: str = "A") -> Event:
    value = None if content is None else json.dumps([{"name": name, "type": rdtype, "content": content, "ttl": 60}])
    return Event(partition, 0, key or f"{name}|{rdtype}", value)


def _conflicts(store: Store) -> list[tuple[str, str]]:
    with Inspector(store) as view:
        return sorted((each.kind, each.detail) for each in view.conflicts())


def test_the_journal_keeps_the_newest_changes_in_order() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, journal_size=5), viewing.Reading()
        to.apply(reading.batch([], caught_up=True), {}, 1)
        for number in range(13):
            to.apply(reading.batch([_event(f"n{number}.", "192.0.2.1")] * (number % 3 + 1)), {}, 1000 + number)
            with Inspector(store) as view:
                entries = list(view.journal())
            assert [entry.owner for entry in entries] == [
                wire_name(f"n{each}.") for each in range(max(0, number - 4), number + 1)
            ]
        assert [entry.time_ms for entry in entries] == [1008, 1009, 1010, 1011, 1012]
        assert (entries[-1].before, len(entries[-1].after)) == (b"", 32)
        to.apply(reading.batch([_event("n12.", None)]), {}, 9)
        with Inspector(store) as view:
            *_, last = view.journal()
        assert (last.before, last.after) == (entries[-1].after, b"")


def test_the_journal_keeps_records_before_and_after_unless_they_are_large() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        to.apply(reading.batch([], caught_up=True), {}, 1)
        large = json.dumps([{"name": "n.", "type": "TXT", "content": f'"{"x" * 250}{number}"'} for number in range(20)])
        to.apply(reading.batch([_event("n.", "192.0.2.1"), _event("n.", "192.0.2.2"), _event("n.", None)]), {}, 2)
        to.apply(reading.batch([Event(0, 0, "n.|TXT", large), _event("n.", "192.0.2.3")]), {}, 3)
        with Inspector(store) as view:
            kept = [(unpack_rdatas(entry.was), unpack_rdatas(entry.now), bool(entry.after)) for entry in view.journal()]
        one, two, three = (bytes((192, 0, 2, number)) for number in (1, 2, 3))
        assert kept == [
            ([], [one], True), ([one], [two], True), ([two], [], False), ([], [], True), ([], [three], True),
        ]


def test_an_entry_of_the_journal_by_an_older_version_is_read() -> None:
    old = (1, b"\1n\0", 1, b"", b"h" * 32, "zones", 0, 5, 6, b"")
    entry = decode_change(msgspec.msgpack.encode(old))
    assert (entry.position, entry.was, entry.now) == (5, b"", b"")


def test_the_journal_of_a_first_fill_is_written_when_it_is_done() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, journal_size=3), viewing.Reading()
        for number in range(5):
            to.apply(reading.batch([_event(f"n{number}.", "192.0.2.1")]), {}, 1000 + number)
            with Inspector(store) as view:
                assert list(view.journal()) == []
        to.apply(reading.batch([_event("n5.", "192.0.2.1")], caught_up=True), {}, 1005)
        to.apply(reading.batch([_event("n6.", "192.0.2.1")], caught_up=True), {}, 1006)
        with Inspector(store) as view:
            assert [(each.time_ms, each.position) for each in view.journal()] == [(1004, 4), (1005, 5), (1006, 6)]


@pytest.mark.parametrize(("first", "second"), [(5, 3), (3, 5), (5, 0), (0, 5)])
def test_the_journal_may_be_made_larger_or_smaller(first: int, second: int) -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        reading = viewing.Reading()
        for size, start in ((first, 0), (second, 10)):
            to = viewing.writer(store, journal_size=size)
            to.apply(reading.batch([], caught_up=True), {}, 1)
            for number in range(start, start + 10):
                to.apply(reading.batch([_event(f"n{number}.", "192.0.2.1")]), {}, 1)
        with Inspector(store) as view:
            owners = [entry.owner for entry in view.journal()]
        assert owners == [wire_name(f"n{number}.") for number in range(20 - second, 20)]
        viewing.check_derived(store)


def test_the_quarantine_keeps_the_newest_and_the_marks_stay() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        to = viewing.writer(store, quarantine_size=3)
        good = [_event(f"n{number}.", "192.0.2.1") for number in range(5)]
        bad = [Event(0, 1, f"n{number}.|A", "{" * 9000) for number in range(5)]
        viewing.apply(to, [*good, *bad], size=4)
        with Inspector(store) as view:
            kept = list(view.quarantine())
        assert [each.key for each in kept] == [b"n2.|A", b"n3.|A", b"n4.|A"]
        assert [(each.position, len(each.payload)) for each in kept] == [(7, 4096), (8, 4096), (9, 4096)]
        result = viewing.found(store)
        assert (len(result.served), len(result.rejected), result.digest) == (5, 5, 0)
        viewing.check_derived(store)


def test_an_entry_leaves_with_the_next_good_event_of_its_partition_only() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        bad = [Event(partition, 0, "a.example.|A", "{") for partition in (0, 1)]
        viewing.apply(to, [*bad, *bad], reading=reading)
        assert store.state().quarantined == 2
        viewing.apply(to, [_event("a.example.", "192.0.2.1")], reading=reading)
        with Inspector(store) as view:
            assert [each.partition for each in view.quarantine()] == [1]
        assert viewing.found(store).digest == 0
        viewing.apply(to, [_event("a.example.", "192.0.2.2", partition=1)], reading=reading)
        assert store.state().quarantined == 0
        assert viewing.found(store).digest != 0


def test_an_event_that_its_source_could_not_split_is_quarantined() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        record = Record("zones", 0, 5, 0, None, b"raw", "the line is not JSON")
        applied = viewing.writer(store).apply(Batch([record], {("zones", 0): 9}, False), {}, 1)
        assert [each.reason for each in applied.rejections] == ["the line is not JSON"]
        with Inspector(store) as view:
            assert [(each.payload, each.key) for each in view.quarantine()] == [(b"raw", None)]


def test_a_delete_of_a_type_that_a_name_does_not_have_changes_nothing() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        viewing.apply(to, [_event("a.", "192.0.2.1")], reading=reading)
        before = viewing.found(store)
        viewing.apply(to, [_event("a.", None, rdtype="TXT"), Event(0, 0, "a.|MX", "{")], reading=reading)
        assert viewing.found(store).served == before.served
        assert viewing.found(store).digest == before.digest
        viewing.check_derived(store)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_spelling_is_listed_as_long_as_any_partition_holds_it(order: tuple[int, ...]) -> None:
    events = [
        _event("www.", "192.0.2.1", key="WWW.|a", partition=0),
        _event("www.", None, key="WWW.|a", partition=1),
        _event("www.", "192.0.2.1", partition=2),
    ]
    with viewing.folder() as path, viewing.opened(path) as store:
        viewing.apply(viewing.writer(store), [events[each] for each in order], size=1)
        assert ("spelling", "in partition 0 the key is spelt 'WWW.|a'") in _conflicts(store)
        assert store.state().conflicts == 2
        again = viewing.Reading()
        again.positions = {(viewing.TOPIC, 0): 1}
        viewing.apply(viewing.writer(store), [_event("www.", None, key="WWW.|a")], reading=again)
        assert [kind for kind, _ in _conflicts(store)] == ["partitions"]


def test_what_is_said_of_a_cname_beside_others_follows_the_soa() -> None:
    soa = _event("x.", "ns.x. host.x. 1 2 3 4 5", rdtype="SOA")
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        shadows = ["a CNAME shadows the other types"]
        at_apex = ["a CNAME at a zone apex, which is not served, or flattened to addresses (DNS_APEX_CNAME)"]
        steps = [
            (_event("x.", "other.", rdtype="CNAME"), []),
            (_event("x.", "192.0.2.1"), shadows),
            (soa, at_apex),
            (_event("x.", None), at_apex),
            (_event("x.", "192.0.2.1"), at_apex),
            (_event("x.", None, rdtype="SOA"), shadows),
            (_event("x.", None, rdtype="CNAME"), []),
        ]
        for event, expected in steps:
            viewing.apply(to, [event], reading=reading)
            assert [detail for _, detail in _conflicts(store)] == expected


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_winner_among_topics_does_not_depend_on_which_was_read_first(order: tuple[int, ...]) -> None:
    def record(topic: str, partition: int, content: str) -> Record:
        value = json.dumps([{"name": "a.", "type": "A", "content": content, "ttl": 1}]).encode()
        return Record(topic, partition, 0, 7, b"a.|A", value)

    records = [record("alpha", 9, "192.0.2.1"), record("beta", 0, "192.0.2.2"), record("beta", 1, "192.0.2.3")]
    with viewing.folder() as path, viewing.opened(path) as store:
        for each in order:
            position = {(records[each].topic, records[each].partition): 1}
            viewing.writer(store).apply(Batch([records[each]], position, False), {}, 1)
        assert [data.rdatas for data in viewing.found(store).served.values()] == [(b"\xc0\0\2\3",)]
        viewing.check_derived(store)


def test_local_records_that_stay_are_left_as_they_are() -> None:
    soa = "ns.x. host.x. 1 2 3 4 5"
    with viewing.folder() as path, viewing.opened(path) as store:
        to = viewing.writer(store, claims_a_commit=1000)
        names = [_event(f"n{number}.x.", "192.0.2.1") for number in range(5)]
        viewing.apply(to, names)
        from streamdns.dns import rdata
        from streamdns.view.writer import LocalRRset

        own = LocalRRset(wire_name("x."), 6, 60, (rdata.from_text(6, soa),))
        to.set_local([own], 10)
        with Inspector(store) as view:
            before = list(view.zones())
        assert not to.set_local([own], 20).more
        with Inspector(store) as view:
            assert list(view.zones()) == before
        viewing.check_derived(store)
