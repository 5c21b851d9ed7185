"""Many deletes within minutes: counted by zone and in all, warned of once, marked in the journal, and applied."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Iterator

import pytest

from streamdns.events.batch import Batch, Record
from streamdns.view.delete_guard import DeleteGuard
from streamdns.view.journal import mark_of
from streamdns.view.reader import Inspector
from streamdns.view.store import Store
from streamdns.view.writer import Applied, Writer
from tests.harness import viewing

QUARTER, WINDOW_MS = 0.25, 600_000
MINUTE_MS, NOW_MS = 60_000, 1_700_000_000_000
SOA = "ns. host. 1 2 3 4 5"


class Log:
    """Events of one partition, and a writer with a guard that applies them."""

    def __init__(self, store: Store, guard: DeleteGuard) -> None:
        self.store, self._position = store, 0
        self.writer: Writer = viewing.writer(store, delete_guard=guard)

    def commit(self, *events: tuple[str, str, str | None], at_ms: int = NOW_MS, event_ms: int | None = None) -> Applied:
        """One commit at a time; its events have that timestamp unless another is given."""
        records = []
        for owner, rdtype, content in events:
            value = None if content is None else json.dumps([{"name": owner, "type": rdtype, "content": content}])
            records.append(Record("zones", 0, self._position, at_ms if event_ms is None else event_ms,
                                  f"{owner}|{rdtype}".encode(), None if value is None else value.encode()))
            self._position += 1
        return self.writer.apply(Batch(records, {("zones", 0): self._position}, True), {}, at_ms)

    def marks(self) -> list[str]:
        with Inspector(self.store) as view:
            return [mark for entry in view.journal() if (mark := mark_of(entry)) is not None]


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Iterator[Store]:
    with viewing.opened(tmp_path) as made:
        yield made


def zone(apex: str, count: int) -> list[tuple[str, str, str | None]]:
    return [(apex, "SOA", SOA), *((f"n{each}.{apex}", "A", "192.0.2.1") for each in range(count))]


def gone(apex: str, *numbers: int) -> list[tuple[str, str, str | None]]:
    return [(f"n{each}.{apex}", "A", None) for each in numbers]


def filled(store: Store, *zones: tuple[str, int], guard: DeleteGuard | None = None) -> Log:
    """A view with these zones, of so many names each; the fill itself, deletes and all, is never warned of."""
    log = Log(store, guard or DeleteGuard(QUARTER, WINDOW_MS))
    events = [each for apex, count in zones for each in zone(apex, count)]
    first = log.commit(*events, *zone("gone.", 20), *gone("gone.", *range(20)), ("gone.", "SOA", None))
    assert not first.warnings
    return log


def test_a_share_of_a_zone_is_warned_of_once_and_applied(store: Store) -> None:
    log = filled(store, ("a.", 40), ("b.", 400))
    assert not log.commit(*gone("a.", *range(10))).warnings  # 10 of 41
    (warned,) = log.commit(*gone("a.", 10)).warnings
    assert warned.owner == b"\1a\0"
    assert warned.sentence == "within 10 minutes 11 RRsets of a. were deleted, 30 are left (DNS_DELETE_GUARD is 25%)"
    assert log.marks() == [warned.sentence]
    applied = log.commit(*gone("a.", *range(11, 40)))
    assert not applied.warnings
    assert applied.state.rrsets == 1 + 401
    viewing.check_derived(store)


def test_a_share_of_everything_is_one_warning(store: Store) -> None:
    log = filled(store, *((f"z{number}.", 9) for number in range(20)))
    deletes = [each for number in range(20) for each in gone(f"z{number}.", 0, 1, 2)]
    (warned,) = log.commit(*deletes).warnings
    assert warned.owner == b"\0"
    assert warned.sentence.startswith("within 10 minutes 60 RRsets and 0 zones were deleted, 140 RRsets in 20 zones ")
    more = [each for number in range(20) for each in gone(f"z{number}.", *range(3, 9))]
    assert not log.commit(*more).warnings
    assert len(log.marks()) == 1


def test_a_zone_whose_soa_goes_first_has_lost_all(store: Store) -> None:
    log = filled(store, ("a.", 40), ("b.", 400))
    (warned,) = log.commit(("a.", "SOA", None), *gone("a.", *range(40))).warnings
    assert (warned.owner, "RRsets of a. were deleted, 0 are left" in warned.sentence) == (b"\1a\0", True)


def test_what_went_with_its_zone_counts_once_in_all(store: Store) -> None:
    log = filled(store, ("a.", 40), ("b.", 130))
    (warned,) = log.commit(("a.", "SOA", None)).warnings
    assert warned.owner == b"\1a\0"
    assert not log.commit(*gone("a.", *range(40))).warnings  # 41 of 172
    (warned,) = log.commit(*gone("b.", 0, 1, 2)).warnings
    assert (warned.owner, "44 RRsets and 1 zones" in warned.sentence) == (b"\0", True)


def test_a_zone_that_is_made_anew_at_once_has_lost_nothing(store: Store) -> None:
    log = filled(store, ("a.", 40), ("b.", 130))
    assert not log.commit(("a.", "SOA", None), ("a.", "SOA", SOA)).warnings


def test_zones_that_lose_nothing_but_their_soa_count(store: Store) -> None:
    log = filled(store, *((f"z{number}.", 20) for number in range(10)), ("big.", 2000))
    (warned,) = log.commit(*((f"z{number}.", "SOA", None) for number in range(4))).warnings
    assert "and 4 zones were deleted" in warned.sentence


def test_few_deletes_are_nobodys_mistake(store: Store) -> None:
    log = filled(store, ("a.", 12), ("b.", 400))
    assert not log.commit(*gone("a.", *range(9))).warnings


def test_what_is_set_again_does_not_count(store: Store) -> None:
    log = filled(store, ("a.", 40), ("b.", 400))
    for _ in range(5):
        assert not log.commit(*gone("a.", *range(9))).warnings
        assert not log.commit(*((f"n{each}.a.", "A", "192.0.2.2") for each in range(9))).warnings


def test_what_is_set_again_in_the_same_commit_does_not_count(store: Store) -> None:
    log = filled(store, ("a.", 40), ("x.b.", 40), ("b.", 400))
    again = [(f"n{each}.a.", "A", "192.0.2.2") for each in range(20)]
    assert not log.commit(*gone("a.", *range(20)), *again).warnings
    assert not log.commit(*gone("a.", *range(20)), *again[:11]).warnings, "nine are gone"
    (warned,) = log.commit(*gone("a.", 20, 21)).warnings
    assert "11 RRsets of a. were deleted, 30 are left" in warned.sentence
    deep = [(f"n{each}.x.b.", "A", "192.0.2.2") for each in range(20)]
    assert not log.commit(*gone("x.b.", *range(20)), *deep).warnings


def test_what_is_changed_is_not_deleted(store: Store) -> None:
    log = filled(store, ("a.", 40), ("b.", 130))
    for content in ("192.0.2.2", "192.0.2.3"):
        assert not log.commit(("a.", "SOA", SOA.replace("1 2", "2 2")),
                              *((f"n{each}.a.", "A", content) for each in range(40))).warnings


def test_all_that_a_zone_had_goes_with_it(store: Store) -> None:
    """Whether its names were deleted before its SOA in the same commit, or after, or not at all."""
    for order in (0, 1, 2):
        with viewing.folder() as path, viewing.opened(path) as other:
            log = filled(other, ("a.", 12), ("b.", 400))
            some = gone("a.", *range(6))
            events = ([*some, ("a.", "SOA", None)], [("a.", "SOA", None), *some], [("a.", "SOA", None)])[order]
            (warned,) = log.commit(*events).warnings
            assert "13 RRsets of a. were deleted, 0 are left" in warned.sentence, order


def test_what_is_older_than_the_window_does_not_count(store: Store) -> None:
    log = filled(store, ("a.", 40), ("b.", 400))
    for number in range(20):
        assert not log.commit(*gone("a.", number), at_ms=NOW_MS + number * 2 * MINUTE_MS).warnings


def test_a_node_that_catches_up_counts_by_the_time_of_the_events(store: Store) -> None:
    log = filled(store, ("a.", 40), ("b.", 400))
    for number in range(20):
        event_ms = NOW_MS - (100 - number * 2) * MINUTE_MS
        assert not log.commit(*gone("a.", number), event_ms=event_ms).warnings


@pytest.mark.parametrize("event_ms", [0, 1 << 60])
def test_timestamps_that_are_wrong_keep_neither_the_window_open_nor_shut(store: Store, event_ms: int) -> None:
    log = filled(store, ("a.", 40), ("b.", 400))
    for number in range(9):
        assert not log.commit(*gone("a.", number), at_ms=NOW_MS + number * 2 * MINUTE_MS, event_ms=event_ms).warnings
    late_ms = NOW_MS + 60 * MINUTE_MS
    assert not log.commit(*gone("a.", 9), at_ms=late_ms, event_ms=event_ms).warnings
    assert log.commit(*gone("a.", *range(10, 25)), at_ms=late_ms + 1, event_ms=event_ms).warnings


def test_after_the_window_it_is_warned_again(store: Store) -> None:
    log = filled(store, ("a.", 100), ("b.", 400))
    assert log.commit(*gone("a.", *range(30))).warnings
    assert log.commit(*gone("a.", *range(30, 60)), at_ms=NOW_MS + 11 * MINUTE_MS).warnings
    assert len(log.marks()) == 2


@pytest.mark.plain
def test_a_commit_that_failed_counts_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamdns.errors import ViewFull
    from streamdns.view import transaction

    log = filled(store, ("a.", 40), ("b.", 400))
    commit = transaction.WriteTransaction.commit
    monkeypatch.setattr(transaction.WriteTransaction, "commit", lambda txn: (_ for _ in ()).throw(ViewFull("full")))
    batch = Batch([Record("zones", 0, 999 + each, NOW_MS, f"n{each}.a.|A".encode(), None) for each in range(8)],
                  {("zones", 0): 2000}, True)
    for _ in range(3):
        with pytest.raises(ViewFull):
            log.writer.apply(batch, {}, NOW_MS)
    monkeypatch.setattr(transaction.WriteTransaction, "commit", commit)
    assert not log.writer.apply(batch, {}, NOW_MS).warnings


def test_off_warns_of_nothing(store: Store) -> None:
    log = filled(store, ("a.", 40), guard=DeleteGuard(math.inf, WINDOW_MS))
    assert not log.commit(*gone("a.", *range(40))).warnings
    assert log.marks() == []
