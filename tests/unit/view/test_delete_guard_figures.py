"""Figures at which the guard of deletes warns: shares, numbers of zones, and both clocks, to the millisecond."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from streamdns.dns import name
from streamdns.view.delete_guard import DeleteGuard, Deletes, Warned
from streamdns.view.keys import node_key

WINDOW_MS, NOW_MS = 600_000, 1_700_000_000_000
QUARTER = 0.25
#: Commits closer together than this are counted as one.
TOGETHER_MS = WINDOW_MS // 20


def key(apex: str) -> bytes:
    return node_key(name.from_text(apex))


class Guard:
    """A guard, and what its view has left."""

    def __init__(self, share: float = QUARTER) -> None:
        self.guard = DeleteGuard(share, WINDOW_MS)

    def commit(
        self, rrsets: Mapping[Any, int] | None = None, gone: Mapping[str, int] | None = None, *,
        left: Mapping[str, int] | None = None, all_left: int = 1_000_000, zones_left: int = 1_000_000,
        event_ms: int = NOW_MS, now_ms: int = NOW_MS, take: bool = True,
    ) -> list[Warned]:
        deletes = Deletes(
            {None if apex is None else key(apex): count for apex, count in (rrsets or {}).items()},
            {key(apex): count for apex, count in (gone or {}).items()},
            {key(apex): count for apex, count in (left or {}).items()}, all_left, zones_left,
        )
        warned = self.guard.judge(deletes, event_ms, now_ms)
        if take:
            self.guard.take(deletes, event_ms, now_ms)
        return warned


def owners(warned: list[Warned]) -> list[str]:
    return sorted(name.to_text(each.owner) for each in warned)


@pytest.mark.parametrize(("deleted", "left", "warns"), [
    (9, 0, False), (10, 0, True), (10, 29, True), (10, 30, False), (10, 31, False), (300, 900, False), (300, 899, True),
])
def test_the_share_of_a_zone(deleted: int, left: int, warns: bool) -> None:
    """More than a quarter of what there was, and ten at least; by deletes, by its SOA, or by both."""
    for rrsets, gone in (({"a.": deleted}, {}), ({}, {"a.": deleted}), ({"a.": deleted - 4}, {"a.": 4})):
        assert bool(Guard().commit(rrsets, gone, left={"a.": left})) is warns, (rrsets, gone)
    at = Guard()
    assert not at.commit({"a.": deleted - 1}, left={"a.": 1_000_000})
    assert bool(at.commit({"a.": 1}, left={"a.": left})) is warns
    assert not at.commit({"b.": 1}, left={"b.": 0}), "another zone has its own figures"


@pytest.mark.parametrize(("deleted", "left", "warns"), [(9, 0, False), (10, 29, True), (10, 30, False)])
def test_the_share_of_all(deleted: int, left: int, warns: bool) -> None:
    """What went with zones, or what was deleted, whichever is more; deletes of no zone count, too."""
    for rrsets, gone in (
        ({None: deleted}, {}), ({None: 3, "a.": deleted - 3}, {"b.": 2}), ({"a.": 1}, {"b.": deleted - 1, "c.": 1}),
    ):
        big = {"a.": 1_000_000, "b.": 1_000_000, "c.": 1_000_000}
        warned = Guard().commit(rrsets, gone, left=big, all_left=left)
        assert owners(warned) == (["."] if warns else []), (rrsets, gone)
    at = Guard()
    assert not at.commit({}, {"a.": deleted - 1}, left={"a.": 1_000_000})
    assert bool(at.commit({}, {"b.": 1}, left={"b.": 1_000_000}, all_left=left)) is warns, "over several commits"


@pytest.mark.parametrize(("gone", "left", "warns"), [
    (2, 0, False), (3, 0, True), (3, 8, True), (3, 9, False), (9, 26, True),
])
def test_the_share_of_zones(gone: int, left: int, warns: bool) -> None:
    """Three at least; in one commit or in several, and none counts for longer than the window."""
    zones = {f"z{number}.": 1 for number in range(gone)}
    big = dict.fromkeys(zones, 1_000_000)
    assert bool(Guard().commit({}, zones, left=big, zones_left=left)) is warns
    at = Guard()
    for number, apex in enumerate(zones):
        warned = at.commit({}, {apex: 1}, left=big, zones_left=left if number == gone - 1 else 1_000_000,
                           now_ms=NOW_MS + number, event_ms=NOW_MS + number)
    assert bool(warned) is warns
    if warns:
        assert warned[0].sentence.startswith(f"within 10 minutes {gone} RRsets and {gone} zones were deleted, ")
    at = Guard()
    assert not at.commit({}, {"first.": 1}, left={"first.": 1_000_000})
    later_ms = NOW_MS + WINDOW_MS + 1
    rest = dict.fromkeys(list(zones)[1:], 1)
    assert not at.commit({}, rest, left=big, zones_left=left, now_ms=later_ms, event_ms=later_ms)


@pytest.mark.parametrize("which", ["event", "now", "both"])
@pytest.mark.parametrize(("later_ms", "counts"), [(WINDOW_MS, True), (WINDOW_MS + 1, False)])
def test_how_long_a_delete_counts(which: str, later_ms: int, counts: bool) -> None:
    """As long as the window by the time of the events, and no longer by that of the commits either."""
    at = Guard()
    begin_ms = NOW_MS - 10 * WINDOW_MS if which == "event" else NOW_MS
    assert not at.commit({"a.": 9}, {"z.": 1, "y.": 1}, left={"a.": 1_000_000, "z.": 1_000_000, "y.": 1_000_000},
                         event_ms=begin_ms, now_ms=NOW_MS)
    event_ms = begin_ms + (later_ms if which != "now" else 0)
    now_ms = NOW_MS + (later_ms if which != "event" else 0)
    assert bool(at.commit({"a.": 1}, left={"a.": 0}, event_ms=event_ms, now_ms=now_ms, take=False)) is counts
    assert bool(at.commit({}, {"x.": 1}, left={"x.": 1_000_000}, zones_left=0, event_ms=event_ms, now_ms=now_ms,
                          take=False)) is counts
    assert bool(at.commit({"b.": 1}, left={"b.": 1_000_000}, all_left=0, event_ms=event_ms, now_ms=now_ms)) is counts


@pytest.mark.parametrize("which", ["event", "now"])
@pytest.mark.parametrize(("apart_ms", "one"), [(TOGETHER_MS - 1, True), (TOGETHER_MS, False)])
@pytest.mark.parametrize("counts", [(1, 9), (9, 9)])
def test_what_is_counted_together_ends_together(
    which: str, apart_ms: int, one: bool, counts: tuple[int, int],
) -> None:
    """Deletes of a twentieth of the window are one figure; what comes later is another, by either clock."""
    at = Guard()
    begin_ms = NOW_MS - 10 * WINDOW_MS
    event_ms, now_ms = (begin_ms + apart_ms, NOW_MS) if which == "event" else (begin_ms, NOW_MS + apart_ms)
    assert not at.commit({"a.": counts[0]}, left={"a.": 1_000_000}, event_ms=begin_ms, now_ms=NOW_MS)
    assert not at.commit({"a.": counts[1]}, left={"a.": 1_000_000}, event_ms=event_ms, now_ms=now_ms)
    later_ms = WINDOW_MS + 1
    event_ms, now_ms = (begin_ms + later_ms, NOW_MS) if which == "event" else (begin_ms, NOW_MS + later_ms)
    assert bool(at.commit({"a.": 1}, left={"a.": 0}, event_ms=event_ms, now_ms=now_ms)) is not one


@pytest.mark.parametrize(("later_ms", "counts"), [(999, True), (1000, False)])
def test_what_is_over_is_let_go_once_a_second(later_ms: int, counts: bool) -> None:
    at = Guard()
    assert not at.commit({"a.": 9}, left={"a.": 1_000_000})
    looked_ms = NOW_MS + WINDOW_MS
    assert not at.commit({"b.": 1}, left={"b.": 1_000_000}, event_ms=looked_ms, now_ms=looked_ms)
    now_ms = looked_ms + later_ms
    assert bool(at.commit({"a.": 1}, left={"a.": 0}, event_ms=now_ms, now_ms=now_ms)) is counts


def test_a_warning_is_repeated_when_the_window_is_over() -> None:
    for later_ms, again in ((WINDOW_MS, False), (WINDOW_MS + 1, True)):
        at = Guard()
        assert owners(at.commit({"a.": 20}, left={"a.": 0})) == ["a."]
        assert not at.commit({"a.": 20}, left={"a.": 0}, now_ms=NOW_MS + 5_000, event_ms=NOW_MS + 5_000)
        warned = at.commit({"a.": 20}, left={"a.": 0}, now_ms=NOW_MS + later_ms, event_ms=NOW_MS + later_ms)
        assert bool(warned) is again
        assert owners(at.commit({"b.": 20}, left={"b.": 0}, now_ms=NOW_MS + later_ms)) == ["b."], "each of its own"


def test_what_was_only_judged_is_neither_counted_nor_told() -> None:
    at = Guard()
    for _ in range(3):
        assert not at.commit({"a.": 9}, left={"a.": 0}, take=False)
    for _ in range(2):
        assert owners(at.commit({"a.": 20}, left={"a.": 0}, take=False)) == ["a."]
    assert owners(at.commit({"a.": 20}, left={"a.": 0})) == ["a."]
    assert not at.commit({"a.": 20}, left={"a.": 0})


def test_five_zones_are_named_and_of_all_nothing_else_is_said() -> None:
    zones = {f"z{number}.": 20 for number in range(7)}
    left = dict.fromkeys(zones, 0)
    at = Guard()
    assert len(at.commit(zones, left=left)) == 5
    assert not at.commit(zones, left=left), "the other two are not told later either"
    at = Guard()
    assert at.commit(zones, left=left, all_left=7, zones_left=7) == [Warned(
        b"\0", "within 10 minutes 140 RRsets and 0 zones were deleted, 7 RRsets in 7 zones are left "
        "(DNS_DELETE_GUARD is 25%)"
    )]
    assert not at.commit({"other.": 20}, left={"other.": 0}), "that was said of all of them"


def test_deletes_of_no_zone_hide_none_of_a_zone() -> None:
    for seed in range(12):
        zones = {f"z{number}.s{seed}.": 20 for number in range(5)}
        warned = Guard().commit({None: 3, **zones}, left=dict.fromkeys(zones, 0))
        assert owners(warned) == sorted(zones)


def test_the_share_is_that_of_the_setting() -> None:
    for share, left, warns in ((0.5, 9, True), (0.5, 10, False), (0.0, 1_000_000, True), (1.0, 0, False)):
        warned = Guard(share).commit({"a.": 10}, left={"a.": left}, all_left=10**9)
        assert bool(warned) is warns, (share, left)
    (told,) = Guard(0.125).commit({"a.": 10}, left={"a.": 1})
    assert told.sentence.endswith("10 RRsets of a. were deleted, 1 are left (DNS_DELETE_GUARD is 12.5%)")


def test_a_node_that_has_caught_up_lets_old_deletes_go_at_once() -> None:
    """Its commits are milliseconds apart, their events were hours."""
    at = Guard()
    assert not at.commit({"a.": 9}, left={"a.": 1_000_000}, event_ms=NOW_MS - 10 * WINDOW_MS)
    assert not at.commit({"a.": 9}, left={"a.": 0}, now_ms=NOW_MS + 10)
    assert at.commit({"a.": 1}, left={"a.": 0}, now_ms=NOW_MS + 20)


@pytest.mark.parametrize(("window_ms", "said"), [(600_000, "10"), (90_000, "1.5"), (82_500, "1.38")])
def test_the_window_is_said_in_minutes(window_ms: int, said: str) -> None:
    guard = DeleteGuard(QUARTER, window_ms)
    (told,) = guard.judge(Deletes({key("a."): 10}, {}, {}, 1_000_000, 1), NOW_MS, NOW_MS)
    assert told.sentence.startswith(f"within {said} minutes 10 RRsets of a. were deleted, 0 are left ")
