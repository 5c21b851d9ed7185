"""Digests and counts of zones, as apexes come first, last and in between, go, come back, and lie within each other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdns.dns import rdata
from streamdns.events.batch import Batch
from streamdns.view.keys import node_key
from streamdns.view.reader import Inspector
from streamdns.view.writer import LocalRRset
from tests.harness import viewing
from tests.harness.model import Event, fold, wire_name

_SOA = "ns.example.org. host.example.org. 1 2 3 4 5"


def put(name: str, rdtype: str = "A", content: str = "192.0.2.1") -> Event:
    """An event that sets one record."""
    content = _SOA if rdtype == "SOA" else content
    value = json.dumps([{"name": name, "type": rdtype, "content": content, "ttl": 60}])
    return Event(0, 0, f"{name}|{rdtype}", value)


def drop(name: str, rdtype: str = "A") -> Event:
    """A tombstone."""
    return Event(0, 0, f"{name}|{rdtype}", None)


def check(events: Sequence[Event], *, size: int = 1, claims: int = 1) -> None:
    """After all of these events, in batches of so many, the zones are right; after each, nothing contradicts."""
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, claims_a_commit=claims), viewing.Reading()
        for at in range(0, len(events), size):
            more = to.apply(reading.batch(events[at : at + size]), {}, 1).more
            viewing.check_derived(store)
        while more:
            more = to.apply(Batch([], {}, False), {}, 1).more
            viewing.check_derived(store)
        viewing.check(store, fold(events))


NAMES = ("example.org.", "a.example.org.", "b.example.org.", "deep.b.example.org.", "example.net.")


@pytest.mark.parametrize("at", range(len(NAMES) + 1))
@pytest.mark.parametrize("apex", [".", "org.", "example.org.", "b.example.org."])
@pytest.mark.parametrize("claims", [1, 3, 1000])
def test_a_soa_may_come_at_any_time(apex: str, at: int, claims: int) -> None:
    events = [put(name) for name in NAMES]
    events.insert(at, put(apex, "SOA"))
    check(events, size=1, claims=claims)
    check(events, size=len(events), claims=claims)


@pytest.mark.parametrize("order", list(itertools.permutations([".", "org.", "example.org.", "b.example.org."], 3)))
def test_zones_within_zones_come_in_any_order(order: tuple[str, ...]) -> None:
    events = [put(name) for name in NAMES] + [put(apex, "SOA") for apex in order]
    check(events, size=8, claims=2)
    check(events[::-1], size=2, claims=1)


@pytest.mark.parametrize("gone", ["org.", "example.org.", "b.example.org."])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_soa_that_goes_gives_its_names_to_the_zone_above_and_takes_them_back(gone: str, size: int) -> None:
    apexes = [put(apex, "SOA") for apex in ("org.", "example.org.", "b.example.org.")]
    events = [*apexes, *[put(name) for name in NAMES], drop(gone, "SOA")]
    check(events, size=size)
    check([*events, put("new.b.example.org."), put(gone, "SOA"), put("newer.b.example.org.")], size=size)


def test_a_soa_that_comes_goes_and_comes_within_one_batch() -> None:
    soa, gone = put("example.org.", "SOA"), drop("example.org.", "SOA")
    names = [put(name) for name in NAMES]
    for events in ([soa, gone], [soa, gone, soa], [*names, soa, gone, soa, gone], [soa, *names, gone, soa, *names]):
        check(events, size=100)


def test_a_zone_that_goes_while_the_one_above_still_claims() -> None:
    names = [put(f"n{number}.b.example.org.") for number in range(9)]
    for claims in (1, 2, 4):
        events = [*names, put("b.example.org.", "SOA"), put("example.org.", "SOA"), drop("b.example.org.", "SOA")]
        check(events, size=1, claims=claims)
        check([*events, put("b.example.org.", "SOA"), drop("example.org.", "SOA")], size=1, claims=claims)


@pytest.mark.parametrize("steps", range(12))
def test_a_zone_that_goes_while_the_one_above_is_in_the_middle_of_its_names(steps: int) -> None:
    names = [put(f"n{number}.b.example.org.") for number in range(9)]
    apexes = [put("org.", "SOA"), put("b.example.org.", "SOA"), put("example.org.", "SOA")]
    meanwhile = [put("zz.example.net.")] * steps
    events = [*names, *apexes, *meanwhile, drop("b.example.org.", "SOA")]
    check(events, size=1, claims=1)
    check([*events, put("b.example.org.", "SOA"), *meanwhile, drop("example.org.", "SOA")], size=1, claims=2)


def test_claims_are_taken_up_in_slices_and_end() -> None:
    events = [put(f"n{number}.example.org.") for number in range(20)] + [put("example.org.", "SOA")]
    with viewing.folder() as path:
        with viewing.opened(path) as store:
            to = viewing.writer(store, claims_a_commit=6)
            assert to.apply(viewing.Reading().batch(events), {}, 1).more
            with Inspector(store) as view:
                row = view.zone(view.state.pending_zones[0])
                assert row is not None
                assert 0 < row.rrsets < 21
        with viewing.opened(path) as store:
            to = viewing.writer(store, claims_a_commit=6)
            commits = 1
            while to.apply(Batch([], {}, False), {}, 1).more:
                commits += 1
                viewing.check_derived(store)
            assert commits == 3
            viewing.check(store, fold(events))


def test_a_zone_that_goes_makes_none_claim_more_at_once_but_those_above_it() -> None:
    """A commit looks at a bounded number of names: of a zone elsewhere it claims no more than in any other commit."""
    for gone, whole in (("example.net.", False), ("sub.example.org.", True)):
        names = [put(f"n{number:02}.example.org.") for number in range(40)]
        events = [put(gone, "SOA"), *names, put("example.org.", "SOA")]
        with viewing.folder() as path, viewing.opened(path) as store:
            to, reading = viewing.writer(store, claims_a_commit=6), viewing.Reading()
            assert to.apply(reading.batch(events), {}, 1).more
            assert to.apply(reading.batch([drop(gone, "SOA")]), {}, 1).more is not whole
            with Inspector(store) as view:
                row = view.zone(node_key(wire_name("example.org.")))
                assert row is not None
                assert (row.rrsets == 41) is whole
                assert row.rrsets <= 12 or whole
            viewing.check_derived(store)


def test_zones_take_their_share_of_a_commit_too() -> None:
    """Each costs three: one, and one for each of its names. A commit that looks at nine names is done with three."""
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, claims_a_commit=9), viewing.Reading()
        to.apply(reading.batch([put(f"a.z{number}.") for number in range(9)]), {}, 1)
        more = to.apply(reading.batch([put(f"z{number}.", "SOA") for number in range(9)]), {}, 1).more
        left = []
        while more:
            with Inspector(store) as view:
                left.append(len(view.state.pending_zones))
            more = to.apply(Batch([], {}, False), {}, 1).more
        assert left == [6, 3]
        viewing.check_derived(store)


def test_the_digest_of_a_zone_that_has_all_names_is_that_of_the_view() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        viewing.apply(viewing.writer(store), [put("example.org.", "SOA"), put("a.example.org."), put("b.example.org.")])
        with Inspector(store) as view:
            assert [row.digest for _, row in view.zones()] == [view.state.digest]
            assert len(view.state.digest) == 32


def test_the_time_of_change_moves_only_when_something_changes() -> None:
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        to.apply(reading.batch([put("example.org.", "SOA"), put("example.net.", "SOA"), put("a.example.org.")]), {}, 5)
        to.apply(reading.batch([put("a.example.org.")]), {}, 6)
        to.apply(reading.batch([put("a.example.net.")]), {}, 7)
        with Inspector(store) as view:
            changed = {viewing.owner_of(apex): row.changed_ms for apex, row in view.zones()}
    assert changed == {wire_name("example.org."): 5, wire_name("example.net."): 7}


zone_names = st.sampled_from((".", "org.", "example.org.", "b.example.org.", "c.b.example.org.", "zz.org.", "net."))
changes = st.one_of(
    st.builds(put, zone_names, st.just("SOA")),
    st.builds(drop, zone_names, st.just("SOA")),
    st.builds(put, zone_names, st.just("A")),
    st.builds(drop, zone_names, st.just("A")),
    st.builds(put, zone_names, st.just("CNAME"), st.just("example.net.")),
    st.builds(drop, zone_names, st.just("CNAME")),
)


@given(events=st.lists(changes, min_size=1, max_size=40), size=st.integers(1, 12), claims=st.integers(1, 4))
@settings(max_examples=200)
def test_any_sequence_of_apexes_and_names(events: list[Event], size: int, claims: int) -> None:
    check(events, size=size, claims=claims)


def test_names_of_several_zones_in_one_commit() -> None:
    """At a depth at which there are no apexes the zone of a name is looked up once for all beside it."""
    apexes = [put(apex, "SOA") for apex in ("a.", "b.", "c.d.", "e.c.d.")]
    names = [put(f"n{number}.{below}") for number in range(2) for below in (
        "a.", "b.", "x.a.", "x.b.", "y.x.a.", "c.d.", "f.c.d.", "e.c.d.", "f.e.c.d.", "nowhere.", "x.nowhere.")]
    check([*apexes, *names], size=len(apexes), claims=1000)
    for size in (len(names), 3):
        events = [*apexes, *[put("pad.a.")] * (size - len(apexes) % size if len(apexes) % size else 0), *names,
                  *(drop(event.key.partition("|")[0]) for event in names[::2])]
        check(events, size=size, claims=1000)


def _claims_left(events: Sequence[Event], *, size: int, claims: int) -> bool:
    """Whether zones still claim names after these events, when so many names a commit may be looked at."""
    with viewing.folder() as path, viewing.opened(path) as store:
        to, reading = viewing.writer(store, claims_a_commit=claims), viewing.Reading()
        more = False
        for at in range(0, len(events), size):
            more = to.apply(reading.batch(events[at : at + size]), {}, 1).more
            viewing.check_derived(store)
        return more


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_zone_that_comes_before_its_names_looks_at_none(size: int) -> None:
    """Thousands of zones, each with its names behind its SOA, are filled without a second look at any name."""
    events = []
    for number in range(9):
        apex = f"z{number}.example.org."
        events += [put(apex), put(apex, "SOA"), put(f"www.{apex}"), put(f"a.b.{apex}"), put(f"z{number}0.example.org.")]
    assert not _claims_left(events, size=size, claims=0)
    check(events, size=size, claims=1000)
    # Those beside it in the order of keys are not below it.
    assert not _claims_left([put("a.org."), put("c.org."), put("b.org.", "SOA")], size=size, claims=0)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("first", [
    [put("a.b.org.")], [put("a.b.org."), put("a.b.org.", "MX", "1 a.")], [put("c.a.b.org.")],
])
def test_a_zone_that_comes_behind_a_name_of_it_claims_it(first: list[Event], size: int) -> None:
    """Whether that is stored, or comes with it, and by whichever way it was put."""
    assert _claims_left([*first, put("b.org.", "SOA")], size=size, claims=1)
    assert _claims_left([put("c.org."), *first, put(".", "SOA")], size=size, claims=1)


def test_a_zone_of_our_own_claims_names_that_come_with_it() -> None:
    """These are not read ahead, so it is not known which there are."""
    soa = rdata.from_text(6, _SOA)
    own = [LocalRRset(wire_name("a.b.org."), 1, 60, (bytes(4),)), LocalRRset(wire_name("b.org."), 6, 60, (soa,))]
    with viewing.folder() as path, viewing.opened(path) as store:
        assert viewing.writer(store, claims_a_commit=0).set_local(own, 1).more


def test_a_name_that_went_before_its_zone_came_is_not_claimed() -> None:
    """Its node is there in the transaction, and has nothing."""
    events = [put("a.b.org."), put("a.b.org.", "MX", "1 a."), drop("a.b.org."), drop("a.b.org.", "MX")]
    assert not _claims_left([*events, put("b.org.", "SOA")], size=5, claims=0)
    check([*events, put("b.org.", "SOA"), put("a.b.org.")], size=6, claims=1000)


def test_the_names_of_an_event_that_was_rejected_are_not_taken_for_known() -> None:
    """Such an event is not among those whose keys were looked up before; nor are this instance's own records."""
    bad = Event(0, 0, "x.b.org.|A", "[1]")
    check([bad, put("b.org.", "SOA"), put("a.b.org.")], size=3, claims=1000)
