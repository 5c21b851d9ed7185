"""The request for a rebuild, the room it needs, and what the consumer makes of it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

import gevent
import pytest

from streamdns.consumer.serving_view import Reader, align
from streamdns.errors import SourceError, ViewError
from streamdns.events.batch import Batch, Partition
from streamdns.view import rebuild_request
from streamdns.view.reader import Inspector
from streamdns.view.rebuild_request import Request
from streamdns.view.view import Room, View, room_for
from streamdns.view.writer import Writer
from tests.harness import viewing
from tests.harness.consuming import TOPIC, Memory, bench, record, until
from tests.harness.model import wire_name


def ask(path: pathlib.Path) -> Request:
    return rebuild_request.ask(str(path), by="me@here", now_ms=5)


def test_a_request_is_there_until_it_is_taken_away(tmp_path: pathlib.Path) -> None:
    assert rebuild_request.pending(str(tmp_path)) is None
    first = ask(tmp_path)
    assert (first.by, first.time_ms, len(first.id)) == ("me@here", 5, 16)
    assert rebuild_request.pending(str(tmp_path)) == first
    assert rebuild_request.ask(str(tmp_path), by="another", now_ms=6) == first, "one rebuild does for both"
    assert os.listdir(tmp_path) == ["rebuild-request"]
    rebuild_request.withdraw(str(tmp_path))
    rebuild_request.withdraw(str(tmp_path))
    assert rebuild_request.pending(str(tmp_path)) is None
    assert ask(tmp_path).id != first.id


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": 5}', b"\xff" * 9000])
def test_any_file_of_that_name_is_a_request(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "rebuild-request").write_bytes(content)
    assert rebuild_request.pending(str(tmp_path)) == Request("", "somebody", 0)
    assert ask(tmp_path).by == "me@here"


def test_a_place_where_nothing_can_be_left_is_one_sentence(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ViewError, match="cannot be used: no such file or directory"):
        ask(tmp_path / "none")


def test_room_is_what_the_view_uses_and_some_more(tmp_path: pathlib.Path) -> None:
    assert room_for(str(tmp_path), 0).need_bytes == 0
    room = room_for(str(tmp_path), 1 << 62)
    assert room.need_bytes > 1 << 62
    assert 0 < room.free_bytes < 1 << 62
    assert room.missing("here") == (
        f"a rebuild of the view in here may need {room.need_bytes / (1 << 20):.1f} MiB on the disk and "
        f"{room.free_bytes / (1 << 20):.1f} MiB are free there"
    )
    assert room_for(str(tmp_path), 4096).missing("here") == ""
    with pytest.raises(ViewError):
        room_for(str(tmp_path / "none"), 1)


def test_what_was_asked_for_is_done_and_told(tmp_path: pathlib.Path) -> None:
    log = Memory([record(0, "a."), record(1, "b.")])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        old = made.view.store.path
        log.records[1] = record(1, "c.")
        asked = ask(tmp_path)
        until(lambda: made.progress.last_rebuild is not None, "rebuilt")
        last = made.progress.last_rebuild
        assert last is not None
        assert (last.reason, last.request, last.differences) == ("asked for by me@here", asked.id, (1, 1, 0, 0))
        assert made.progress.last_alarm is None
        assert made.view.store.path != old
        made.follows()
        assert set(viewing.found(made.view.store).served) == {(wire_name("a."), "A"), (wire_name("c."), "A")}
        assert rebuild_request.pending(str(tmp_path)) is None
        assert made.registry.counter("consumer.rebuilds").value == 1


class Gated(Memory):
    """A log that is read from its beginning only as far as `gate` says; all sources of it share the records."""

    def __init__(self, log: Memory, gate: list[int]) -> None:
        super().__init__([], log.identity)
        self.records, self._gate, self._fresh = log.records, gate, False

    def connect(self, positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]) -> None:
        super().connect(positions, fingerprints)
        self._fresh = not positions

    def read(self, *, max_records: int, timeout_s: float) -> Batch:
        while self._fresh and self._open and self._at >= self._gate[0]:
            gevent.sleep(0.001)
            if timeout_s < 5:  # A read that found nothing: what is beside has its turn.
                return Batch([], {}, False)
        return super().read(max_records=min(max_records, 1) if self._fresh else max_records, timeout_s=timeout_s)


def test_the_view_that_serves_is_kept_up_to_date_while_it_is_rebuilt(tmp_path: pathlib.Path) -> None:
    """What comes meanwhile is answered at once, and is no difference in the end."""
    log, gate = Memory([record(0, "a."), record(1, "b.")]), [0]
    with bench(tmp_path, lambda: Gated(log, [10**9])) as made:
        made.follows()
    with bench(tmp_path, lambda: Gated(log, gate)) as made:
        made.follows()
        old = made.view.store
        log.records[1] = record(1, "c.")
        ask(tmp_path)
        until(lambda: made.view.rebuilding is not None, "it rebuilds")
        for number in range(2, 50):
            log.records.append(record(number, f"n{number}."))
        until(lambda: made.progress.view.records == 50, "the view that serves has what came")
        assert made.view.store is old
        assert made.progress.state == "rebuilding"
        viewing.check_derived(old)
        log.records += [record(number, f"n{number}.") for number in range(50, 60)]
        gate[0] = 1000
        until(lambda: made.progress.last_rebuild is not None, "rebuilt")
        assert made.progress.last_rebuild is not None
        assert made.progress.last_rebuild.differences == (1, 1, 0, 0)
        made.follows()
        assert made.progress.view.records == 60
        assert made.progress.positions == {(TOPIC, 0): 60}
        viewing.check_derived(made.view.store)


def test_another_log_is_not_read_into_the_view_that_serves(tmp_path: pathlib.Path) -> None:
    log = Memory([record(0, "a.")])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
    other = Memory([record(0, "b."), record(1, "c.")], identity="two")
    gate = [1]
    with bench(tmp_path, lambda: Gated(other, gate)) as made:
        until(lambda: made.view.rebuilding is not None and made.view.rebuilding.state().records == 1, "half of it")
        ask(tmp_path)
        assert set(viewing.found(made.view.store).served) == {(wire_name("a."), "A")}
        gate[0] = 1000
        until(lambda: made.progress.last_rebuild is not None, "rebuilt")
        assert set(viewing.found(made.view.store).served) == {(wire_name("b."), "A"), (wire_name("c."), "A")}


def test_two_readers_are_brought_to_the_same_positions(tmp_path: pathlib.Path) -> None:
    log = [record(number, f"n{number}.") for number in range(30)]
    with viewing.opened(tmp_path / "new") as new, viewing.opened(tmp_path / "old") as old:
        readers = []
        for store, start in ((new, 3), (old, 17)):
            source = Memory(log)
            source.connect({(TOPIC, 0): start}, {})
            readers.append(Reader(source, viewing.writer(store), {(TOPIC, 0): start}, _apply))
        align(*readers, max_records=4)
        assert [reader.positions for reader in readers] == [{(TOPIC, 0): 17}] * 2
        with Inspector(new) as view:
            assert view.positions()[TOPIC, 0].next == 17
            assert view.state.records == 14
        assert old.state().records == 0


def _apply(writer: Writer, batch: Batch, fingerprints: dict[Partition, str]) -> None:
    writer.apply(batch, fingerprints, 1)


def test_a_request_waits_for_a_server_and_for_its_log(tmp_path: pathlib.Path) -> None:
    log = Memory([record(0, "a.")])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
    asked = ask(tmp_path)
    log.fail = [SourceError("the broker is away")]
    with bench(tmp_path, lambda: log) as made:
        until(lambda: made.progress.state == "reconnecting", "the log is out of reach")
        assert rebuild_request.pending(str(tmp_path)) == asked
        until(lambda: made.progress.last_rebuild is not None, "rebuilt")
        made.follows()
        assert rebuild_request.pending(str(tmp_path)) is None


def test_a_rebuild_that_is_under_way_is_what_is_asked_for(tmp_path: pathlib.Path) -> None:
    with bench(tmp_path, lambda: Memory([record(0, "a.")])) as made:
        made.follows()
    log = Memory([], identity="two")
    with bench(tmp_path, lambda: log) as made:
        until(lambda: made.view.rebuilding is not None, "it rebuilds")
        asked = ask(tmp_path)
        log.records.append(record(0, "b."))
        until(lambda: made.progress.last_rebuild is not None, "rebuilt")
        assert made.progress.last_rebuild is not None
        assert made.progress.last_rebuild.request == asked.id
        made.follows()
        assert made.registry.counter("consumer.rebuilds").value == 1
        assert rebuild_request.pending(str(tmp_path)) is None


def test_a_request_that_is_honoured_already_is_not_honoured_again(tmp_path: pathlib.Path) -> None:
    """Killed between the swap and what comes behind it."""
    view = View(str(tmp_path), max_bytes=1 << 28, holder="this test")
    asked = ask(tmp_path)
    view.begin_rebuild("reason", 1, asked.id)
    view.swap()
    assert rebuild_request.pending(str(tmp_path)) is None
    view.close()
    (tmp_path / "rebuild-request").write_text(f'{{"id": "{asked.id}", "by": "x", "time_ms": 1}}')
    view = View(str(tmp_path), max_bytes=1 << 28, holder="this test")
    assert rebuild_request.pending(str(tmp_path)) is None
    assert view.rebuilding is None
    view.close()


def test_without_room_a_request_is_refused_and_the_log_read_on(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(View, "room", lambda view: Room(3 << 30, 1 << 20))
    log = Memory([record(0, "a.")])
    with bench(tmp_path, lambda: log) as made:
        made.follows()
        asked = ask(tmp_path)
        until(lambda: made.progress.last_refusal is not None, "refused")
        assert made.progress.last_refusal is not None
        refused, why = made.progress.last_refusal
        assert refused == asked.id
        assert "3072.0 MiB" in why
        assert "1.0 MiB are free" in why
        log.records.append(record(1, "b."))
        until(lambda: made.progress.view.records == 2, "it reads on")
        assert rebuild_request.pending(str(tmp_path)) is None
        assert made.registry.counter("consumer.rebuilds").value == 0


def test_without_room_another_log_waits_for_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(tmp_path, lambda: Memory([record(0, "a.")])) as made:
        made.follows()
    free = [1 << 20]
    monkeypatch.setattr(View, "room", lambda view: Room(3 << 30, free[0]))
    with bench(tmp_path, lambda: Memory([record(0, "b.")], identity="two")) as made:
        until(lambda: made.progress.state == "view-full", "it waits")
        assert "3072.0 MiB" in made.progress.error
        assert made.progress.last_alarm is not None
        assert made.progress.last_alarm[1].startswith("the log is another one; a rebuild of the view in ")
        assert sorted(os.listdir(tmp_path)) == ["current", "lock", "view-000001"]
        assert made.progress.view.records == 1
        free[0] = 4 << 30
        until(lambda: made.progress.last_rebuild is not None, "rebuilt")
        made.follows()
        assert set(viewing.found(made.view.store).served) == {(wire_name("b."), "A")}
