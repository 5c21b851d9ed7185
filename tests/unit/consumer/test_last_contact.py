"""As of when a view had all of its log: the row, the clocks, and what a consumer makes of an absence."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping
from typing import Any

import gevent
import pytest

from streamdns.consumer.last_contact import SAVE_EVERY_S, LastContact, duration_text
from streamdns.errors import SourceError
from streamdns.events.batch import Batch, Partition
from streamdns.view import last_contact
from streamdns.view.store import Store
from streamdns.view.view import View
from tests.harness import viewing
from tests.harness.consuming import TOPIC, Bench, Memory, bench, record, until
from tests.harness.model import wire_name

KEEPS_S = 600.0
START_S = 1_600_000_000.0


class Clock:
    """Time that only a test moves on."""

    def __init__(self, now_s: float = START_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


class Compacting(Memory):
    """A log that keeps deletes for a while only, and says as of when all of it was read."""

    def __init__(self, *names: str, retention_s: float | None = KEEPS_S, identity: str = "one") -> None:
        super().__init__([record(number, name) for number, name in enumerate(names)], identity)
        self.retention_s = retention_s
        self.elapsed = time.monotonic
        self._asked_s: float | None = None

    def connect(self, positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]) -> None:
        super().connect(positions, fingerprints)
        self._asked_s = self.elapsed()

    def read(self, *, max_records: int, timeout_s: float) -> Batch:
        batch = super().read(max_records=max_records, timeout_s=timeout_s)
        if not batch.caught_up or self.retention_s is None:
            return batch
        asked_s, self._asked_s = self._asked_s, self.elapsed()
        return batch._replace(whole_s=asked_s)


def names(made: Bench) -> set[bytes]:
    return {owner for owner, _ in viewing.found(made.view.store).served}


def wires(*texts: str) -> set[bytes]:
    return {wire_name(text) for text in texts}


def filled(path: pathlib.Path, log: Memory, clock: Clock) -> None:
    """A view that has caught up at this time and has its row."""
    with bench(path, lambda: log, now_s=clock) as made:
        made.follows()


def row(path: pathlib.Path) -> float | None:
    view = View(str(path), max_bytes=1 << 28, holder="this test")
    try:
        return last_contact.load(view.store)
    finally:
        view.close()


def test_the_row_is_kept_and_another_is_not_taken_for_it(tmp_path: pathlib.Path) -> None:
    with viewing.opened(tmp_path / "v") as store:
        assert last_contact.load(store) is None
        last_contact.save(store, 1234.567)
        assert last_contact.load(store) == 1234.567
        last_contact.save(store, -5.0)
        assert last_contact.load(store) == 0.0
        with store.begin(write=True) as txn:
            txn.put(b"contact", b"x", db=store.meta)
        assert last_contact.load(store) is None
        viewing.check_derived(store)


def test_the_longer_of_two_clocks_counts_and_none_is_negative(tmp_path: pathlib.Path) -> None:
    now, elapsed = Clock(), Clock(50.0)
    with viewing.opened(tmp_path / "v") as store:
        known = LastContact(now, elapsed)
        known.watch(store)
        assert (known.absence_s(), known.pause_s(), known.save_due()) == (0.0, 0.0, False)
        known.applied(None)
        assert not known.save_due(), "a view without the row gets one when it has everything, not before"
        known.applied(48.0)
        assert (known.whole_s, known.absence_s(), known.pause_s()) == (START_S - 2, 2.0, 0.0)
        now.now_s -= 1000
        elapsed.now_s += 7
        assert (known.absence_s(), known.pause_s()) == (9.0, 7.0)
        now.now_s += 2000
        assert known.absence_s() == 1002.0
        known.save(store)
        again = LastContact(now, elapsed)
        again.watch(store)
        assert again.absence_s() == again.pause_s() == 1002.0
        now.now_s = START_S - 1e9
        assert again.absence_s() == again.pause_s() == 0.0


def test_the_row_is_written_now_and_then_and_only_when_it_is_another(tmp_path: pathlib.Path) -> None:
    now, elapsed = Clock(), Clock()
    with viewing.opened(tmp_path / "v") as store:
        known = LastContact(now, elapsed)
        known.watch(store)
        known.start_reading()
        written = []
        for _ in range(200):
            elapsed.now_s += 1
            now.now_s += 1
            known.applied(elapsed.now_s)
            if known.save_due():
                known.save(store)
                written.append(elapsed.now_s)
        assert len(written) == 1 + 199 // SAVE_EVERY_S
        elapsed.now_s += 1000
        known.applied(None)
        assert known.save_due() == (known.whole_s != last_contact.load(store))
        known.save(store)
        elapsed.now_s += 1000
        assert not known.save_due()


def test_another_view_has_its_own_row(tmp_path: pathlib.Path) -> None:
    now = Clock()
    with viewing.opened(tmp_path / "one") as one, viewing.opened(tmp_path / "two") as two:
        last_contact.save(one, START_S - 5)
        known = LastContact(now)
        known.watch(one)
        assert known.absence_s() == 5.0
        known.watch(two)
        assert known.whole_s is None
        known.watch(one)
        assert known.absence_s() == 5.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.25 s"), (179.0, "179 s"), (180.0, "3 minutes"), (86400.0, "24 hours"), (864000.0, "10 days")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize("away_s", [KEEPS_S - 60, KEEPS_S + 60])
def test_who_was_away_too_long_rebuilds_beside(tmp_path: pathlib.Path, away_s: float) -> None:
    clock = Clock()
    filled(tmp_path, Compacting("a.", "gone."), clock)
    clock.now_s += away_s
    log = Compacting("a.", "new.", "newer.")
    with bench(tmp_path, lambda: log, now_s=clock) as made:
        made.follows()
        if away_s < KEEPS_S:
            assert names(made) == wires("a.", "gone.", "newer.")
            assert made.progress.last_alarm is None
            assert log.connects == [{(TOPIC, 0): 2}]
            return
        until(lambda: names(made) == wires("a.", "new.", "newer."), "what the log says now")
        assert log.connects == [{(TOPIC, 0): 2}, {}, {(TOPIC, 0): 2}, {(TOPIC, 0): 3}]
        assert made.progress.last_alarm is not None
        sentence = made.progress.last_alarm[1]
        assert "11 minutes" in sentence
        assert "10 minutes" in sentence
        assert made.progress.last_rebuild is not None
        assert made.progress.last_rebuild.differences == (1, 1, 0, 0)
        assert made.registry.counter("consumer.rebuilds").value == 1
    assert row(tmp_path) == pytest.approx(clock.now_s, abs=30)


def test_it_serves_until_the_rebuilt_view_takes_over(tmp_path: pathlib.Path) -> None:
    clock = Clock()
    filled(tmp_path, Compacting("a.", "gone."), clock)
    clock.now_s += 2 * KEEPS_S
    log = Compacting("a.", "new.")
    log.fail = [SourceError("not yet")]
    with bench(tmp_path, lambda: log, now_s=clock) as made:
        until(lambda: made.progress.rebuilding and made.progress.state == "reconnecting", "the rebuild is held up")
        assert names(made) == wires("a.", "gone.")
        until(lambda: names(made) == wires("a.", "new."), "it is swapped in")


def test_an_absence_while_the_process_lives_counts_too(tmp_path: pathlib.Path) -> None:
    clock = Clock()
    log = Compacting("a.", "gone.")
    with bench(tmp_path, lambda: log, now_s=clock) as made:
        made.follows()
        log.records[1] = record(1, "other.")
        clock.now_s += KEEPS_S - 60
        log.fail = [SourceError("the broker is away")]
        until(lambda: len(log.connects) == 2, "it is back")
        made.follows()
        assert names(made) == wires("a.", "gone.")
        log.fail = [SourceError("the broker is away")]
        until(lambda: made.progress.state == "reconnecting", "it is away again")
        clock.now_s += KEEPS_S + 60
        until(lambda: names(made) == wires("a.", "other."), "rebuilt")
        made.follows()
        assert made.registry.counter("consumer.rebuilds").value == 1


@pytest.mark.parametrize("keeps_s", [0.0, 0.001, KEEPS_S])
def test_no_rebuild_follows_its_own(tmp_path: pathlib.Path, keeps_s: float) -> None:
    """Where deletes are kept for no time at all, a start rebuilds once and then follows."""
    filled(tmp_path, Compacting("a."), Clock())
    log = Compacting("a.", "b.", retention_s=keeps_s)
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        until(lambda: names(made) == wires("a.", "b."), "rebuilt")
        for number in range(2, 40):
            log.records.append(record(number, f"n{number}."))
            until(lambda: made.progress.positions == {(TOPIC, 0): len(log.records)}, "applied")
        log.fail = [SourceError("the broker is away")]
        until(lambda: len(log.connects) == 5, "it is back")
        made.follows()
        assert made.registry.counter("consumer.rebuilds").value == 1


@pytest.mark.parametrize("case", ["no row", "a row in the future", "the clock goes back"])
def test_what_is_no_absence(tmp_path: pathlib.Path, case: str) -> None:
    clock = Clock()
    log = Compacting("a.", retention_s=None if case == "no row" else KEEPS_S)
    filled(tmp_path, log, clock)
    assert (row(tmp_path) is None) == (case == "no row")
    clock.now_s += 1e6 if case == "no row" else -1e6
    log = Compacting("a.", "b.")
    with bench(tmp_path, lambda: log, now_s=clock) as made:
        made.follows()
        until(lambda: names(made) == wires("a.", "b."), "it reads on")
        if case == "the clock goes back":
            clock.now_s -= 1e6
            log.fail = [SourceError("the broker is away")]
            until(lambda: len(log.connects) == 2, "it is back")
        made.follows()
        until(lambda: row_in(made) is not None and abs(row_in(made) - START_S) > 1e5, "the row is of this clock")
        assert made.registry.counter("consumer.rebuilds").value == 0
        assert made.progress.last_alarm is None


def row_in(made: Bench) -> Any:
    return last_contact.load(made.view.store)


def test_a_first_reading_that_is_slow_is_told_and_not_begun_again(tmp_path: pathlib.Path) -> None:
    clock = Clock()

    class Slow(Compacting):
        def read(self, *, max_records: int, timeout_s: float) -> Batch:
            if self._at == 1:
                clock.now_s += 2 * KEEPS_S
            return super().read(max_records=1, timeout_s=timeout_s)

    log = Slow("a.", "b.", "c.")
    with bench(tmp_path, lambda: log, now_s=clock) as made:
        made.follows()
        assert made.registry.counter("consumer.rebuilds").value == 0
        assert made.progress.last_alarm is not None
        assert "may still be there" in made.progress.last_alarm[1]


def test_a_first_reading_that_stood_still_is_begun_again(tmp_path: pathlib.Path) -> None:
    """As when the disk was full for days."""
    elapsed = Clock(0.0)

    class Halting(Compacting):
        def read(self, *, max_records: int, timeout_s: float) -> Batch:
            if self._at == 1 and elapsed.now_s == 0.0:
                self.records[0] = record(0, "other.")
                elapsed.now_s = 2 * KEEPS_S
            return super().read(max_records=1, timeout_s=timeout_s)

    log = Halting("gone.", "b.", "c.")
    log.elapsed = elapsed
    with bench(tmp_path, lambda: log, now_s=Clock(), elapsed_s=elapsed) as made:
        made.follows()
        until(lambda: names(made) == wires("other.", "b.", "c."), "read again")
        assert log.connects[:2] == [{}, {}]


def test_a_rebuild_that_was_interrupted_for_too_long_is_begun_again(tmp_path: pathlib.Path) -> None:
    clock = Clock()
    filled(tmp_path, Compacting("a."), clock)

    class Held(Compacting):
        def read(self, *, max_records: int, timeout_s: float) -> Batch:
            while self._at == 1 and self._open:
                gevent.sleep(0.001)
            return super().read(max_records=1, timeout_s=timeout_s)

    held = Held("gone.", "b.", identity="two")
    with bench(tmp_path, lambda: held, now_s=clock) as made:
        until(lambda: made.view.rebuilding is not None and _first(made.view.rebuilding) is not None, "it has begun")
    clock.now_s += 2 * KEEPS_S
    log = Compacting("other.", "b.", identity="two")
    with bench(tmp_path, lambda: log, now_s=clock) as made:
        until(lambda: names(made) == wires("other.", "b."), "the log as it is now")
        assert log.connects[:2] == [{(TOPIC, 0): 1}, {}]


def _first(store: Store) -> float | None:
    return last_contact.load(store)
