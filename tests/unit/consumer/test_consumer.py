"""The consumer in this process: with a real view, and a log that is a list in memory or a real file."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from streamdns.consumer.progress import Progress
from streamdns.errors import SourceError, SourceStalled, ViewCorrupt, ViewFull
from streamdns.events.batch import Batch, Record
from streamdns.metrics.registry import Registry
from streamdns.view.reader import Inspector
from streamdns.view.store import State, encode_state
from streamdns.view.view import View
from streamdns.view.writer import Writer
from tests.harness import viewing
from tests.harness.consuming import TOPIC, Bench, Memory, bench, record, until
from tests.harness.model import Data, wire_name


def test_it_follows_and_the_next_start_reads_on(tmp_path: pathlib.Path) -> None:
    log = Memory([record(number, f"n{number}.") for number in range(250)])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        assert (made.progress.view.records, made.progress.positions) == (250, {(TOPIC, 0): 250})
        assert made.progress.ready
        log.records.append(record(250, "late."))
        until(lambda: made.progress.view.records == 251, "the late one is applied")
        assert made.progress.timestamps == {(TOPIC, 0): 250}
    with bench(tmp_path, lambda: log) as made:
        assert made.progress.positions == {(TOPIC, 0): 251}
        made.follows()
    assert log.connects == [{}, {(TOPIC, 0): 251}]


def test_stop_ends_a_read_that_waits_at_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamdns.consumer import consumer
    from streamdns.sources.file import FileSource

    # A read waits for so long; nobody waits for that.
    monkeypatch.setattr(consumer, "_READ_TIMEOUT_S", 3600.0)
    log = tmp_path / "log.jsonl"
    log.touch()
    with bench(tmp_path / "view", lambda: FileSource(str(log))) as made:
        made.follows()
        made.stop()
        assert made.progress.state == "following"


def test_a_failure_of_the_log_is_a_state_and_passes(tmp_path: pathlib.Path) -> None:
    log = Memory([record(0, "a.")])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        log.fail = [SourceError("the broker is away")]
        until(lambda: made.progress.state == "reconnecting", "it is seen")
        assert made.progress.summary()["error"] == "the broker is away"
        assert made.progress.ready
        made.follows()
        assert made.progress.summary()["error"] == ""
        assert made.progress.last_alarm is None
        log.fail = [SourceStalled("nothing came")]  # More than an outage.
        until(lambda: made.progress.last_alarm is not None, "it is an alarm")
        made.follows()
        assert made.progress.summary()["alarm"]["reason"] == "nothing came"
    assert len(log.connects) == 3


def test_what_is_unwise_about_a_log_is_said_once(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    log = Memory([record(0, "a.")])

    def outage() -> None:
        connects = len(log.connects)
        log.fail = [SourceError("the broker is away")]
        until(lambda: len(log.connects) > connects, "it connects again")
        made.follows()

    def said() -> int:
        return sum(record.getMessage() == "consumer.log_unwise" for record in caplog.records)

    log.warnings = ["one copy"]
    with bench(tmp_path, lambda: log, backoff_max_s=0.05) as made:
        made.follows()
        outage()
        assert said() == 1
        log.warnings = ["one copy", "small messages"]
        outage()
        assert said() == 2
        log.warnings = []
        outage()
        log.warnings = ["one copy"]
        outage()
        assert said() == 3


def test_after_an_unexpected_exception_it_can_be_started_again(tmp_path: pathlib.Path) -> None:
    log = Memory([record(0, "a.")])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        log.fail = [RuntimeError("a fault")]
        assert made.greenlet is not None
        greenlet = made.greenlet
        until(lambda: greenlet.dead, "the fault ends it")
        assert isinstance(greenlet.exception, RuntimeError)
        made.stop()
        made.stop()
        log.records.append(record(1, "b."))
        made.start()
        until(lambda: made.progress.view.records == 2, "it goes on")


def test_another_log_is_an_alarm_and_a_rebuild_that_status_follows(tmp_path: pathlib.Path) -> None:
    log = Memory([record(number, f"n{number}.") for number in range(5)])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        old = made.view.store.path
    other = Memory([record(0, "other."), record(1, "second.")], identity="two")
    with bench(tmp_path, lambda: other) as made:
        until(lambda: made.view.store.path != old and made.progress.state == "following", "rebuilt")
        progress = made.progress
        assert (progress.view.records, progress.positions) == (2, {(TOPIC, 0): 2})
        assert progress.view.digest == made.view.store.state().digest
        assert progress.last_alarm is not None
        assert progress.last_alarm[1] == "the log is another one"
        assert not progress.rebuilding
        assert not pathlib.Path(old).exists()
        assert not (tmp_path / "rebuild").exists()


def test_an_empty_log_is_not_swapped_in(tmp_path: pathlib.Path) -> None:
    with bench(tmp_path, lambda: Memory([record(0, "a.")])) as made:
        made.follows()
        old = made.view.store.path
    empty = Memory([], identity="two")
    with bench(tmp_path, lambda: empty) as made:
        until(lambda: "the log is empty" in made.progress.error, "it waits")
        assert (made.view.store.path, made.progress.state, made.progress.view.records) == (old, "held", 1)
        empty.records.append(record(0, "b."))
        until(lambda: made.view.store.path != old, "it is swapped in")


def test_a_first_start_with_an_empty_log_is_complete(tmp_path: pathlib.Path) -> None:
    with bench(tmp_path, lambda: Memory([])) as made:
        assert not made.progress.ready
        made.follows()
        assert made.progress.ready
        assert made.view.store.state().complete


def test_local_records_are_written_at_start_and_into_a_rebuilt_view(tmp_path: pathlib.Path) -> None:
    own = viewing.local([((wire_name("own."), "A"), Data(5, (b"\x7f\0\0\1",)))])
    with bench(tmp_path, lambda: Memory([record(0, "a.")]), local=own) as made:
        made.follows()
        assert made.progress.view.records == 2
    with bench(tmp_path, lambda: Memory([record(0, "b.")], identity="two"), local=own) as made:
        until(lambda: made.progress.last_alarm and made.progress.state == "following", "rebuilt")
        assert set(viewing.found(made.view.store).served) == {(wire_name("own."), "A"), (wire_name("b."), "A")}
    with bench(tmp_path, lambda: Memory([record(0, "b.")], identity="two")) as made:
        made.follows()
        assert set(viewing.found(made.view.store).served) == {(wire_name("b."), "A")}


def test_claims_that_were_pending_at_the_end_are_made_at_the_start(tmp_path: pathlib.Path) -> None:
    view = View(str(tmp_path), max_bytes=1 << 28, holder="this test")
    count = 12_000  # more than one commit claims
    soa = record(count, "example.", "ns. host. 1 2 3 4 5", rdtype="SOA")
    records = [*(record(number, f"n{number}.example.") for number in range(count)), soa]
    to = viewing.writer(view.store, claims_a_commit=2)
    assert to.apply(Batch(records, {(TOPIC, 0): count + 1}, True), {(TOPIC, 0): "one"}, 1).more
    view.close()
    with bench(tmp_path, lambda: Memory(records)) as made:
        made.follows()
        assert made.view.store.state().pending_zones == []
        viewing.check_derived(made.view.store)


def test_a_full_view_waits_tells_and_goes_on(tmp_path: pathlib.Path) -> None:
    log = Memory([record(number, f"n{number}.", f'"{number:0250}"', rdtype="TXT") for number in range(5000)])
    with bench(tmp_path, lambda: log, max_bytes=1 << 20) as made:
        until(lambda: made.progress.state == "view-full", "it is full")
        assert made.progress.error.endswith("has reached its map size")
        assert made.progress.lag() > 0
        assert made.progress.behind_since_s is not None
        assert not made.progress.ready
        made.view.set_max_bytes(1 << 28)
        made.follows()
        assert made.progress.view.records == 5000
        assert made.progress.lag() == 0


def test_a_full_view_beside_does_not_show_as_the_one_that_serves(tmp_path: pathlib.Path) -> None:
    with bench(tmp_path, lambda: Memory([record(0, "a.")])) as made:
        made.follows()
    lines = [record(number, f"n{number}.", f'"{number:0250}"', rdtype="TXT") for number in range(5000)]
    with bench(tmp_path, lambda: Memory(lines, identity="two"), max_bytes=1 << 20) as made:
        until(lambda: made.progress.state == "view-full", "the rebuild is full")
        assert (made.progress.view.records, made.progress.rebuilding) == (1, True)
        made.view.set_max_bytes(1 << 28)
        until(lambda: made.progress.state == "rebuilding", "it goes on")
        assert made.progress.view.records == 1
        made.follows()
        assert made.progress.view.records == 5000


def test_stopping_while_full_is_quick_and_the_rest_comes_at_the_next_start(tmp_path: pathlib.Path) -> None:
    log = Memory([record(number, f"n{number}.", f'"{number:0250}"', rdtype="TXT") for number in range(5000)])
    with bench(tmp_path, lambda: log, max_bytes=1 << 20) as made:
        until(lambda: made.progress.state == "view-full", "it is full")
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        assert made.progress.view.records == 5000


def test_no_room_to_begin_a_rebuild_is_waited_for(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(tmp_path, lambda: Memory([record(0, "a.")])) as made:
        made.follows()
    begin, tries = View.begin_rebuild, []

    def full_once(view: View, reason: str, *rest: Any) -> Any:
        tries.append(reason)
        if len(tries) == 1:
            raise ViewFull("the disk of the view is full")
        return begin(view, reason, *rest)

    monkeypatch.setattr(View, "begin_rebuild", full_once)
    with bench(tmp_path, lambda: Memory([record(0, "b.")], identity="two")) as made:
        until(lambda: made.progress.state == "view-full", "there is no room")
        until(lambda: made.progress.state == "following", "then there is")
    assert tries == ["the log is another one"] * 2


@pytest.mark.parametrize("table", ["positions", "state", "quarantine"])
def test_rows_that_cannot_be_read_lead_to_a_rebuild(tmp_path: pathlib.Path, table: str) -> None:
    bad = Record(TOPIC, 0, 1, 1, b"a.|TXT", b"{")
    log = Memory([record(0, "a."), bad])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        store = made.view.store
        with store.begin(write=True) as txn:
            if table == "state":
                txn.put(b"state", b"\xc1", db=store.meta)
            else:
                with txn.cursor(store.tables[table]) as cursor:
                    assert cursor.first()
                    txn.put(cursor.key(), b"\xc1", db=store.tables[table])
        log.records.append(record(2, "a.", '"x"', rdtype="TXT"))
        if table == "positions":
            made.stop()
            made.start()
        until(lambda: made.view.store is not store and made.progress.state == "following", "rebuilt")
        assert made.progress.view.records == 2
        viewing.check_derived(made.view.store)
        assert made.progress.last_alarm is not None
        assert "is damaged" in made.progress.last_alarm[1]


def test_a_rebuild_made_with_another_default_ttl_is_begun_anew(tmp_path: pathlib.Path) -> None:
    with bench(tmp_path, lambda: Memory([record(0, "a.")])) as made:
        made.follows()
        rebuilding = made.view.begin_rebuild("because")
        Writer(rebuilding, default_ttl=7, journal_size=0, quarantine_size=1).apply(
            Batch([record(0, "a.")], {(TOPIC, 0): 1}, False), {(TOPIC, 0): "one"}, 1
        )
    with bench(tmp_path, lambda: Memory([record(0, "a.")])) as made:
        made.follows()
        assert made.view.rebuilding is None
        assert {data.ttl for data in viewing.found(made.view.store).served.values()} == {3600}


def test_the_damage_of_a_view_is_forgotten_once_it_is_rebuilt(tmp_path: pathlib.Path) -> None:
    log = Memory([record(0, "a.")])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        old = pathlib.Path(made.view.store.path)
    (old / "data.mdb").write_bytes(b"\xa5" * 9000)
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        path = made.view.store.path
        made.stop()
        made.start()
        made.follows()
        assert made.view.store.path == path
        assert made.registry.counter("consumer.rebuilds").value == 1


def test_corruption_at_the_first_look_is_no_reason_not_to_start(tmp_path: pathlib.Path) -> None:
    made = Bench(tmp_path, lambda: Memory([record(0, "a.")]))
    store = made.view.store
    with store.begin(write=True) as txn:
        txn.put(b"schema", b"0", db=store.meta)
        txn.put(b"state", encode_state(["an older schema"]), db=store.meta)
    made.view.close()
    with bench(tmp_path, lambda: Memory([record(0, "a.")])) as again:
        assert again.progress.view == State()
        again.follows()
        assert again.progress.view.records == 1


class _Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_stale_is_counted_from_the_last_contact_or_the_start() -> None:
    clock = _Clock()
    progress = Progress(Registry(), clock)
    progress.stale_after_s = 10
    progress.disconnected("away")
    assert not progress.stale
    clock.now_s += 11
    assert progress.stale
    progress.connected(Memory([]), {})
    progress.contact(Memory([]), caught_up=True)
    assert not progress.stale
    clock.now_s += 100
    progress.disconnected("away again")
    assert progress.stale
    assert progress.complete
    assert not progress.ready
    progress.connected(Memory([]), {})
    progress.full("the disk is full", None)
    assert not progress.stale
    clock.now_s += 11
    assert progress.stale
    progress.recovered()
    assert not progress.stale


def test_a_view_whose_log_is_gone_grows_stale_though_another_one_is_read(tmp_path: pathlib.Path) -> None:
    clock = _Clock()
    with bench(tmp_path, lambda: Memory([record(0, "a.")])) as made:
        made.follows()
    empty = Memory([], identity="two")
    with bench(tmp_path, lambda: empty, now_s=clock) as made:
        made.progress.stale_after_s = 10
        until(lambda: "the log is empty" in made.progress.error, "it waits")
        assert made.progress.ready
        clock.now_s += 11
        begun = empty.reads
        until(lambda: empty.reads > begun + 2, "reads come back")
        assert made.progress.stale
        assert not made.progress.ready
        empty.records.append(record(0, "b."))
        made.follows()
        assert not made.progress.stale


def test_lag_counts_from_when_the_view_last_had_everything() -> None:
    clock = _Clock()
    log = Memory([record(number, f"n{number}.") for number in range(10)])
    progress = Progress(Registry(), clock)
    progress.connected(log, {})
    assert (progress.lag_events(), progress.lag_bytes(), progress.lag_s()) == (10, 0, 0.0)
    log.unit = "octets"
    progress.connected(log, {})
    assert (progress.lag_events(), progress.lag_bytes(), progress.lag_s()) == (1, 10, 0.0)
    progress.contact(log, caught_up=False)
    clock.now_s += 3
    assert progress.lag_s() == 3.0
    progress.full("no room", log)
    assert progress.lag_s() == 3.0
    progress.positions[TOPIC, 0] = 10
    progress.contact(log, caught_up=True)
    assert (progress.lag(), progress.lag_events(), progress.lag_s()) == (0, 0, 0.0)


def test_what_cannot_be_known_is_not_zero() -> None:
    """While the log is out of reach nobody knows how far it went on."""
    clock = _Clock()
    log = Memory([record(0, "n.")])
    registry = Registry()
    progress = Progress(registry, clock)

    def shown(name: str) -> list[object]:
        return [value for metric, series in registry.collect() if metric.name == name for _, value in series]

    progress.connected(log, {})
    progress.positions[TOPIC, 0] = 1
    progress.contact(log, caught_up=True)
    assert (shown("consumer.lag_seconds"), shown("consumer.lag_events")) == ([0.0], [0])
    progress.disconnected("the broker is away")
    clock.now_s += 25
    assert progress.lag_s() == 25
    assert shown("consumer.lag_seconds") == [25.0]
    assert shown("consumer.lag_events") == shown("consumer.lag_bytes") == []
    progress.connected(log, {})
    progress.positions[TOPIC, 0] = 1
    progress.contact(log, caught_up=True)
    assert (shown("consumer.lag_seconds"), shown("consumer.lag_events")) == ([0.0], [0])


def test_a_view_that_is_damaged_raises_what_the_consumer_understands(tmp_path: pathlib.Path) -> None:
    with viewing.opened(tmp_path / "v") as store:
        with store.begin(write=True) as txn:
            txn.put(b"zones\0\0\0\0\0", b"\xc1", db=store.tables["positions"])
        with Inspector(store) as view, pytest.raises(ViewCorrupt, match="is damaged"):
            view.positions()
