"""One commit of the view: what it writes for answers, and what it counts and lists, as events meet within it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from streamdns.dns import name, rdata
from streamdns.dns.negative import HAS_TEMPLATE, template
from streamdns.dns.node import (
    DNAME,
    HAS_DNAME,
    HAS_NS,
    HAS_SOA,
    NS,
    SOA,
    Origin,
    RRset,
    encode,
    pack_records,
    unpack_rdatas,
)
from streamdns.events.batch import Batch, Record
from streamdns.view.bounds import cut_value
from streamdns.view.delete_guard import DeleteGuard
from streamdns.view.keys import node_key
from streamdns.view.reader import Inspector
from streamdns.view.store import Store
from streamdns.view.transaction import WriteTransaction
from streamdns.view.writer import LocalRRset
from tests.harness import viewing
from tests.harness.model import Event, wire_name

OWNER = name.from_text("zone.example.")
CONTENT = {"SOA": "ns.example. host.example. 1 2 3 4 5", "NS": "ns.example.", "DNAME": "x.example.", "A": "192.0.2.1",
           "CNAME": "other.example.", "TXT": '"t"'}


def put(owner: str, rdtype: str = "A", *contents: str, partition: int = 0) -> Event:
    """An event that sets an RRset."""
    found = contents or (CONTENT[rdtype],)
    value = json.dumps([{"name": owner, "type": rdtype, "content": content, "ttl": 60} for content in found])
    return Event(partition, 0, f"{owner}|{rdtype}", value)


def drop(owner: str, rdtype: str = "A", *, partition: int = 0) -> Event:
    return Event(partition, 0, f"{owner}|{rdtype}", None)


def bad(owner: str, rdtype: str = "A", *, partition: int = 0) -> Event:
    return Event(partition, 0, f"{owner}|{rdtype}", "{")


def conflicts(store: Store) -> list[tuple[str, str]]:
    with Inspector(store) as view:
        return sorted((each.kind, each.detail) for each in view.conflicts())


def held(*rdtypes: int, mailbox: str = "host.example.") -> tuple[bytes, bytes]:
    """A node of these types, and the records of its SOA."""
    rrsets, soa = [], b""
    for rdtype in sorted(rdtypes):
        content = CONTENT[rdata.type_to_text(rdtype)].replace("host.example.", mailbox)
        records = pack_records(rdtype, 300, [rdata.from_text(rdtype, content)])
        soa = records if rdtype == SOA else soa
        rrsets.append(RRset(rdtype, 0, 1, records, Origin(0, 0, 0, 0, b"")))
    return encode(rrsets, owner=OWNER), soa


def test_what_answers_know_of_a_name_that_bounds_zones() -> None:
    """Its flags, and at an apex the SOA of denials nearly as it is sent; not where its names are too long for that."""
    for rdtypes, flags in (((NS,), HAS_NS), ((DNAME,), HAS_DNAME), ((NS, DNAME), HAS_NS | HAS_DNAME)):
        assert cut_value(held(*rdtypes)[0], OWNER) == bytes((flags,))
    for others, flags in (((), 0), ((NS,), HAS_NS), ((DNAME,), HAS_DNAME)):
        raw, soa = held(SOA, *others)
        assert cut_value(raw, OWNER) == bytes((HAS_SOA | flags | HAS_TEMPLATE,)) + template(OWNER, soa)
    raw, soa = held(SOA, mailbox=f"{'a' * 63}." * 3 + f"{'b' * 61}.")
    assert template(OWNER, soa) == b""
    assert cut_value(raw, OWNER) == bytes((HAS_SOA,))


@pytest.mark.parametrize("size", [1, 2, 100])
def test_every_number_of_records_is_counted(size: int) -> None:
    """As RRsets grow and shrink, alone at their name and beside others, in one commit or in many."""
    many = [f"192.0.2.{number}" for number in range(9)]
    events = [put("zone.", "SOA")]
    for count in (1, 3, 2, 9, 1, 1, 5):
        events += [put("a.zone.", "A", *many[:count]), put("elsewhere.", "A", *many[:count])]
    events += [put("a.zone.", "TXT"), *events[1:], drop("a.zone."), put("a.zone.", "A", *many), drop("elsewhere.")]
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        for at in range(0, len(events), size):
            to.apply(reading.batch(events[at : at + size]), {}, 1)
            viewing.check_derived(store)
        state = store.state()
        assert (state.rrsets, state.records, state.nodes) == (3, 1 + 9 + 1, 2)
        with Inspector(store) as view:
            assert [(row.rrsets, row.records) for _, row in view.zones()] == [(3, 11)]


@pytest.mark.parametrize("events", [
    [put("x.", "CNAME"), put("x."), drop("x.")], [put("x."), put("x.", "CNAME"), drop("x.", "CNAME")],
    [put("x."), put("x.", "CNAME"), drop("x.")], [put("x.", "TXT"), put("x.", "CNAME"), drop("x.", "TXT"), put("y.")],
])
@pytest.mark.parametrize("size", [1, 4])
def test_a_contradiction_that_is_gone_is_not_listed(events: Sequence[Event], size: int) -> None:
    """Whether it came with the same commit or with an earlier one."""
    with viewing.folder() as path, viewing.opened(path) as store:
        viewing.apply(viewing.writer(store), events, size=size)
        assert conflicts(store) == []
        viewing.check_derived(store)


def test_a_conflict_between_partitions_names_them() -> None:
    """In order, and those of the log alone: a record of this instance is no event."""
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        viewing.apply(to, [put("a.", partition=2), put("a.", partition=0)], reading=reading)
        assert conflicts(store) == [("partitions", "candidates in partitions 0, 2")]
        to.set_local([LocalRRset(wire_name("a."), 1, 60, (bytes(4),))], 2)
        viewing.apply(to, [put("a.", partition=1)], reading=reading)
        assert conflicts(store) == [("partitions", "candidates in partitions 0, 1, 2")]
        viewing.check_derived(store)


def test_the_journal_says_what_was_there_before() -> None:
    """For each RRset of its own, also where the name has others; after an event that was rejected, too."""
    one, two, three = (bytes((192, 0, 2, number)) for number in (1, 2, 3))
    a, b = b"\1a", b"\1b"
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        to.apply(reading.batch([], caught_up=True), {}, 1)
        to.apply(reading.batch([
            put("n.", "A", "192.0.2.1"), put("n.", "TXT", '"a"'), put("n.", "A", "192.0.2.2"), put("n.", "TXT", '"b"'),
            bad("n."), put("n.", "A", "192.0.2.3"), drop("n.", "TXT"), put("n.", "TXT", '"a"'),
        ]), {}, 2)
        with Inspector(store) as view:
            entries = [(each.rdtype, unpack_rdatas(each.was), unpack_rdatas(each.now)) for each in view.journal()]
    assert entries == [
        (1, [], [one]), (16, [], [a]), (1, [one], [two]), (16, [a], [b]), (1, [two], [three]), (16, [b], []),
        (16, [], [a]),
    ]


def test_names_come_back_in_the_commit_in_which_their_zone_goes() -> None:
    """What a zone that goes gives away is written in the middle of the commit: all is counted once."""
    first = [put("zone.", "SOA"), *(put(f"{label}.zone.") for label in "abc")]
    gone = [drop("a.zone."), drop("zone.", "SOA"), put("a.zone."), put("zone.", "SOA"), drop("b.zone.")]
    for cut in range(len(gone) + 1):
        for more in ([], [drop("zone.", "SOA")], [drop("a.zone."), drop("zone.", "SOA"), put("a.zone.")]):
            with viewing.folder() as path, viewing.opened(path) as store:
                to, reading = viewing.writer(store), viewing.Reading()
                for batch in (first, gone[:cut], [*gone[cut:], *more]):
                    to.apply(reading.batch(batch), {}, 1)
                    viewing.check_derived(store)


def test_a_zone_that_is_not_there_has_no_rrsets() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        viewing.apply(viewing.writer(store), [put("zone.", "SOA"), put("a.zone.")])
        with store.writing():
            txn = WriteTransaction(store, 1)
            try:
                found = [txn.zones.rrsets(node_key(wire_name(apex))) for apex in ("zone.", "a.zone.", "nothing.", ".")]
            finally:
                txn.abort()
    assert found == [2, 0, 0, 0]


@pytest.mark.parametrize("rejected", [False, True])
@pytest.mark.parametrize("apex", ["zone.", "other."])
def test_what_is_set_again_in_its_commit_was_not_deleted(rejected: bool, apex: str) -> None:
    """In a zone or outside, and where another partition's event for it was rejected meanwhile: nothing is warned of."""
    names = [f"n{number}.zone." for number in range(20)]
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, delete_guard=DeleteGuard(0.25, 600_000)), viewing.Reading()
        to.apply(reading.batch([put(apex, "SOA"), *map(put, names)], caught_up=True), {}, 1)
        if rejected:
            to.apply(reading.batch([bad(each, partition=1) for each in names]), {}, 2)
        applied = to.apply(reading.batch([*map(drop, names), *(put(each, "A", "192.0.2.9") for each in names)]), {}, 3)
        assert list(applied.warnings) == []
        (warned,) = to.apply(reading.batch([*map(drop, names)]), {}, 4).warnings
        assert " RRsets " in warned.sentence
        viewing.check_derived(store)


@pytest.mark.parametrize("before", range(3))
def test_an_event_of_another_partition_is_a_conflict_wherever_it_stands(before: int) -> None:
    """Also where its position is the number of the partition that has the RRset."""
    events = [put("a.", partition=1), *(put(f"b{number}.") for number in range(before)), put("a.")]
    for size in (1, 100):
        with viewing.folder() as path, viewing.opened(path) as store:
            viewing.apply(viewing.writer(store), events, size=size)
            assert conflicts(store) == [("partitions", "candidates in partitions 0, 1")]
            viewing.check_derived(store)


def test_an_event_of_the_same_partition_of_another_topic_is_a_conflict() -> None:
    """Also where the number of the topic that has the RRset is that of the partition."""
    value = json.dumps([{"name": "a.", "type": "A", "content": "192.0.2.1", "ttl": 60}]).encode()
    with viewing.folder() as path, viewing.opened(path) as store:
        to = viewing.writer(store)
        for at, (topic, key) in enumerate((("zones", b"b.|A"), ("other", b"a.|A"), ("zones", b"a.|A"))):
            records = [Record(topic, 1, at, 5, key, value.replace(b"a.", key[:2]))]
            to.apply(Batch(records, {(topic, 1): at + 1}, True), {}, 1)
        assert conflicts(store) == [("partitions", "candidates in partitions 1, 1")]
        viewing.check_derived(store)


def test_records_of_an_rrset_that_is_left_out_of_the_digest_are_counted() -> None:
    """Another partition's event for it was rejected: it is served on, and changes."""
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        for events in ([put("zone.", "SOA"), put("a.zone.")], [bad("a.zone.", partition=1)],
                       [put("a.zone.", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3")]):
            to.apply(reading.batch(events), {}, 1)
            viewing.check_derived(store)
        with Inspector(store) as view:
            assert [(row.rrsets, row.records) for _, row in view.zones()] == [(2, 4)]


def test_what_is_only_changed_in_a_commit_with_a_delete_is_not_deleted() -> None:
    names = [f"n{number}.zone." for number in range(40)]
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, delete_guard=DeleteGuard(0.25, 600_000)), viewing.Reading()
        to.apply(reading.batch([put("zone.", "SOA"), put("x."), *map(put, names)], caught_up=True), {}, 1)
        changes = [put(each, "A", "192.0.2.9") for each in names]
        assert list(to.apply(reading.batch([*changes, drop("x.")]), {}, 2).warnings) == []


def test_of_what_is_deleted_and_partly_set_again_the_rest_is_counted() -> None:
    """In all as well as for its zone."""
    names = [f"n{number}.zone." for number in range(20)]
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, delete_guard=DeleteGuard(0.25, 600_000)), viewing.Reading()
        to.apply(reading.batch([put("zone.", "SOA"), *map(put, names)], caught_up=True), {}, 1)
        events = [*map(drop, names), *(put(each, "A", "192.0.2.9") for each in names[:5])]
        (warned,) = to.apply(reading.batch(events), {}, 2).warnings
    assert warned.sentence.startswith("within 10 minutes 15 RRsets and 0 zones were deleted, 6 RRsets in 1 zones are ")


@pytest.mark.parametrize(("apex", "owner", "elsewhere"), [("b.a.", "b.a.", "x."), ("c.b.a.", "n.c.b.a.", "x.a.")])
def test_what_is_set_again_was_not_deleted_whatever_else_changes(apex: str, owner: str, elsewhere: str) -> None:
    """Here a name at a depth at which there is no zone: it is in no zone, and says nothing of where others are."""
    types = [f"TYPE{65_280 + number}" for number in range(16)]
    names = [put(owner, rdtype, r"\# 1 00") for rdtype in types]
    far = "d" + apex.removeprefix("b").removeprefix("c")
    others = [put(far, "SOA"), *(put(f"n{number}.{far}") for number in range(100))]
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, delete_guard=DeleteGuard(0.25, 600_000)), viewing.Reading()
        to.apply(reading.batch([put(apex, "SOA"), *names, *others], caught_up=True), {}, 1)
        drops = [drop(owner, rdtype) for rdtype in types]
        again = [put(elsewhere), *drops, *names, drop(f"n0.{far}")]
        assert list(to.apply(reading.batch(again), {}, 2).warnings) == []
        (warned,) = to.apply(reading.batch([put(f"y{elsewhere}"), *drops]), {}, 3).warnings
        assert (warned.owner, f"16 RRsets of {apex} were deleted" in warned.sentence) == (wire_name(apex), True)
        viewing.check_derived(store)
