"""The store and the directory of a view: growth, limits, schemas, damage, locks, and other processes beside it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import lmdb
import pytest

from streamdns.errors import ViewCorrupt, ViewError, ViewFull, ViewLocked, ViewTooNew
from streamdns.events.batch import Batch, Record
from streamdns.view.reader import Inspector
from streamdns.view.store import SCHEMA, MapFull, Store
from streamdns.view.view import View, current_generation, holder_of, open_rebuild_readonly
from tests.harness import ROOT, viewing
from tests.harness.model import Event, fold
from tests.harness.process import clean_environment

BIG = 1 << 30


def event(number: int, *, size: int = 1, partition: int = 0) -> Event:
    """One RRset of TXT records, each of about 200 octets."""
    name = f"n{number}.example.org."
    records = [{"name": name, "type": "TXT", "content": f'"{each:0200}"', "ttl": 60} for each in range(size)]
    return Event(partition, number, f"{name}|TXT", json.dumps(records))


def view_of(path: pathlib.Path, *, max_bytes: int = BIG) -> View:
    return View(str(path), max_bytes=max_bytes, holder="this test")


# -- growth and limits


def test_the_map_grows_from_a_small_one_and_nothing_is_lost(tmp_path: pathlib.Path) -> None:
    events = [event(number, size=50) for number in range(100)]
    with viewing.opened(tmp_path / "v", max_bytes=BIG, first_map_bytes=64 << 10) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        grown: list[int] = []
        for at in range(0, len(events), 10):
            grown += viewing.apply_growing(to, reading.batch(events[at : at + 10]))
        assert grown == [128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20][: len(grown)]
        assert len(grown) >= 4
        assert store.used_bytes() <= store.map_bytes()
        viewing.check(store, fold(events))


def test_a_view_at_its_limit_is_full_says_so_and_is_as_it_was(tmp_path: pathlib.Path) -> None:
    with viewing.opened(tmp_path / "v", max_bytes=1 << 20, first_map_bytes=64 << 10) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        done = 0

        def fill() -> None:
            nonlocal done
            while True:
                try:
                    to.apply(reading.batch([event(done, size=100)]), {}, 1)
                    done += 1
                except MapFull:
                    if not store.grow():
                        raise

        with pytest.raises(ViewFull, match="has reached its map size"):
            fill()
        assert store.map_bytes() == 1 << 20
        assert done > 5
        viewing.check(store, fold([event(number, size=100) for number in range(done)]))
        store.max_bytes = 4 << 20
        assert store.grow()
        reading.positions[viewing.TOPIC, 0] = done
        to.apply(reading.batch([event(done, size=100)]), {}, 1)
        viewing.check(store, fold([event(number, size=100) for number in range(done + 1)]))


def test_a_batch_that_does_not_fit_is_applied_whole_or_not_at_all(tmp_path: pathlib.Path) -> None:
    first, second = [event(1)], [event(number, size=100) for number in range(2, 60)]
    with viewing.opened(tmp_path / "v", max_bytes=BIG, first_map_bytes=256 << 10) as store:
        to, reading = viewing.writer(store), viewing.Reading()
        to.apply(reading.batch(first), {}, 1)
        batch = reading.batch(second)
        with pytest.raises(MapFull):
            to.apply(batch, {}, 1)
        viewing.check(store, fold(first))
        with Inspector(store) as view:
            assert {position.next for position in view.positions().values()} == {1}
        viewing.apply_growing(to, batch)
        viewing.check(store, fold(first + second))


_LIMITED = """
import resource, sys
from streamdns.errors import ViewFull
from streamdns.view.store import MapFull
from tests.harness import viewing
from tests.unit.view.test_store import event
import pathlib
with viewing.opened(pathlib.Path(sys.argv[1])) as store:
    to, reading = viewing.writer(store), viewing.Reading()
    viewing.apply(to, [event(0)], reading=reading)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    batch = reading.batch([event(number, size=50) for number in range(1, 60)])
    for _ in range(3):
        try:
            to.apply(batch, {}, 1)
        except ViewFull as err:
            print(isinstance(err, MapFull), err)
            viewing.check_derived(store)
            assert store.state().records == 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    to.apply(batch, {}, 1)
    viewing.check_derived(store)
    print(store.state().records)
"""


def test_a_write_that_is_cut_short_means_full_and_works_when_there_is_room(tmp_path: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path / "v")], capture_output=True, text=True, check=False, timeout=60,
        env=clean_environment({"PYTHONPATH": str(ROOT)}), cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    *full, records = done.stdout.splitlines()
    assert len(full) == 3
    assert all(each.startswith(f"False the disk of the view in {tmp_path}/v is full or fails: ") for each in full)
    assert records == "2951"


def test_an_event_of_the_largest_size_goes_in_and_comes_out(tmp_path: pathlib.Path) -> None:
    name = "big.example.org."
    many = json.dumps([
        {"name": name, "type": "A", "content": f"10.0.{n >> 8}.{n & 255}", "ttl": 1} for n in range(4062)
    ])
    texts = json.dumps([
        {"name": name, "type": "TXT", "content": " ".join(f'"{n:03}{part:0252}"' for part in range(2)), "ttl": 1}
        for n in range(124)
    ])
    too_large = json.dumps([
        {"name": name, "type": "TXT", "content": " ".join(f'"{n:03}{part:0252}"' for part in range(2)), "ttl": 1}
        for n in range(126)
    ])
    events = [Event(0, 1, f"{name}|A", many), Event(0, 2, f"{name}|TXT", texts), Event(0, 3, f"{name}|MX", "[]")]
    with viewing.opened(tmp_path / "v") as store:
        to, reading = viewing.writer(store), viewing.Reading()
        assert not to.apply(reading.batch(events), {}, 1).rejections
        viewing.check(store, fold(events))
        refused = to.apply(reading.batch([Event(0, 4, f"{name}|TXT", too_large)]), {}, 1).rejections
        assert [each.reason for each in refused] == ["the RRset is longer than 65000 octets in wire form"]
        assert viewing.found(store).served == fold(events).served


# -- schema and damage


def test_a_newer_schema_is_refused_and_an_older_one_is_marked(tmp_path: pathlib.Path) -> None:
    for number, schema in enumerate((SCHEMA + 1, SCHEMA - 1)):
        path = tmp_path / f"v{number}"
        with viewing.opened(path) as store, store.begin(write=True) as txn:
            txn.put(b"schema", b"%d" % schema, db=store.meta)
        if schema > SCHEMA:
            with pytest.raises(ViewTooNew, match=f"has schema {schema}, this version knows up to {SCHEMA}"):
                Store(str(path), max_bytes=BIG)
        else:
            with viewing.opened(path) as store:
                assert store.outdated


@pytest.mark.parametrize("garbage", [b"\xa5" * 8192, b"not a database at all", b"\0" * 65536])
def test_a_damaged_file_is_set_aside_for_an_empty_view(tmp_path: pathlib.Path, garbage: bytes) -> None:
    view = view_of(tmp_path)
    viewing.apply(viewing.writer(view.store), [event(1)])
    damaged = pathlib.Path(view.store.path)
    view.close()
    (damaged / "data.mdb").write_bytes(garbage)
    view = view_of(tmp_path)
    assert view.damaged is not None
    assert str(damaged) in view.damaged
    assert view.store.path != str(damaged)
    assert view.store.state().records == 0
    view.begin_rebuild(view.damaged)
    viewing.apply(viewing.writer(view.rebuilding), [event(1)])  # type: ignore[arg-type]
    view.swap()
    view.remove_others()
    assert view.damaged is None
    assert not damaged.exists()
    view.close()


@pytest.mark.parametrize("state", [b"\xc1garbage", b"", b"\x93\x01\x02"])
def test_counters_that_cannot_be_read_are_damage_too(tmp_path: pathlib.Path, state: bytes) -> None:
    view = view_of(tmp_path)
    viewing.apply(viewing.writer(view.store), [event(1)])
    with view.store.begin(write=True) as txn:
        txn.put(b"state", state, db=view.store.meta)
    with pytest.raises(ViewCorrupt, match="its counters cannot be read"):
        view.store.state()
    with pytest.raises(ViewCorrupt, match="its counters cannot be read"):
        viewing.apply(viewing.writer(view.store), [event(2)])
    with pytest.raises(ViewCorrupt), Inspector(view.store):
        pass
    view.close()
    view = view_of(tmp_path)
    assert view.damaged is not None
    view.close()


# -- one process at a time


def test_a_second_holder_is_told_who_the_first_is(tmp_path: pathlib.Path) -> None:
    view = View(str(tmp_path), max_bytes=BIG, holder="streamdns one (pid 1)")
    with pytest.raises(ViewLocked, match=r"is in use by streamdns one \(pid 1\)$"):
        view_of(tmp_path)
    assert holder_of(str(tmp_path)) == "streamdns one (pid 1)"
    view.close()
    assert holder_of(str(tmp_path)) is None
    view_of(tmp_path).close()


def test_a_shorter_name_of_the_holder_replaces_a_longer_one(tmp_path: pathlib.Path) -> None:
    View(str(tmp_path), max_bytes=BIG, holder="a very long name of a holder").close()
    view = View(str(tmp_path), max_bytes=BIG, holder="short")
    assert holder_of(str(tmp_path)) == "short"
    view.close()


def test_one_environment_opened_twice_in_a_process_is_an_error_and_harms_nothing(tmp_path: pathlib.Path) -> None:
    with viewing.opened(tmp_path / "v") as store:
        viewing.apply(viewing.writer(store), [event(1)])
        with pytest.raises(ViewError, match="already open in this process"):
            Store(str(tmp_path / "v"), max_bytes=BIG)
        # The locks of the first one still hold: another process must wait with its write.
        with store.begin(write=True):
            code = "import lmdb,sys; lmdb.open(sys.argv[1], max_dbs=10).begin(write=True); print('written')"
            other = subprocess.Popen(
                [sys.executable, "-c", code, str(tmp_path / "v")], stdout=subprocess.PIPE, text=True
            )
            with pytest.raises(subprocess.TimeoutExpired):
                other.wait(0.5)
        assert other.communicate(timeout=20)[0] == "written\n"
        viewing.check(store, fold([event(1)]))


def test_a_store_is_left_open_while_a_thread_writes(tmp_path: pathlib.Path) -> None:
    store = Store(str(tmp_path / "v"), max_bytes=BIG)
    with store.writing():
        store.close()
        viewing.apply(viewing.writer(store), [event(1)])
        with store.begin() as txn:
            assert txn.stat(store.nodes)["entries"] == 1
    store.close()
    with pytest.raises(lmdb.Error):
        store.begin()


# -- generations


def test_a_rebuild_is_filled_beside_swapped_in_and_the_old_one_removed(tmp_path: pathlib.Path) -> None:
    view = view_of(tmp_path)
    viewing.apply(viewing.writer(view.store), [event(1)])
    old = view.store.path
    rebuilding = view.begin_rebuild("the log was replaced")
    viewing.apply(viewing.writer(rebuilding), [event(2)])
    view.close()
    view = view_of(tmp_path)
    assert (view.store.path, view.rebuild_reason) == (old, "the log was replaced")
    assert view.rebuilding is not None
    viewing.check(view.rebuilding, fold([event(2)]))
    view.swap()
    view.remove_others()
    viewing.check(view.store, fold([event(2)]))
    assert sorted(os.listdir(tmp_path)) == ["current", "lock", os.path.basename(view.store.path)]
    view.close()
    view = view_of(tmp_path)
    assert view.rebuilding is None
    viewing.check(view.store, fold([event(2)]))
    view.close()


def test_what_a_kill_leaves_between_the_steps_of_a_swap_is_cleaned_up(tmp_path: pathlib.Path) -> None:
    view = view_of(tmp_path)
    viewing.apply(viewing.writer(view.store), [event(1)])
    viewing.apply(viewing.writer(view.begin_rebuild("reason")), [event(2)])
    view.swap()  # and killed before remove_others(): the old one and the mark of the rebuild are still there
    assert (tmp_path / "rebuild").exists()
    view.close()
    view = view_of(tmp_path)
    assert view.rebuilding is None
    assert sorted(os.listdir(tmp_path)) == ["current", "lock", os.path.basename(view.store.path)]
    viewing.check(view.store, fold([event(2)]))
    view.close()


@pytest.mark.parametrize("damage", ["no data", "garbage", "newer", "outside", "no json"])
def test_a_rebuild_that_cannot_be_gone_on_with_is_discarded(tmp_path: pathlib.Path, damage: str) -> None:
    view = view_of(tmp_path)
    viewing.apply(viewing.writer(view.store), [event(1)])
    store = view.begin_rebuild("reason")
    if damage == "newer":
        with store.begin(write=True) as txn:
            txn.put(b"schema", b"9", db=store.meta)
    data = pathlib.Path(store.path, "data.mdb")
    view.close()
    if damage == "no data":
        data.unlink()
    elif damage == "garbage":
        data.write_bytes(b"\xa5" * 9000)
    elif damage == "outside":
        (tmp_path / "rebuild").write_text('{"generation": "../elsewhere", "reason": "x"}')
    elif damage == "no json":
        (tmp_path / "rebuild").write_text("{")
    view = view_of(tmp_path)
    assert view.rebuilding is None
    assert sorted(os.listdir(tmp_path)) == ["current", "lock", os.path.basename(view.store.path)]
    assert not (tmp_path.parent / "elsewhere").exists()
    viewing.check(view.store, fold([event(1)]))
    view.close()


def test_a_mark_without_a_generation_begins_anew(tmp_path: pathlib.Path) -> None:
    view_of(tmp_path).close()
    (tmp_path / "current").write_text("nonsense")
    assert current_generation(str(tmp_path)) is None
    view = view_of(tmp_path)
    assert current_generation(str(tmp_path)) == os.path.basename(view.store.path)
    view.close()


def test_no_link_is_followed_and_no_pipe_waited_for(tmp_path: pathlib.Path) -> None:
    """Who owns the directory may put them there for commands of root's."""
    view_of(tmp_path).close()
    lock, current, target = tmp_path / "lock", tmp_path / "current", tmp_path / "target"
    current.rename(target)
    current.symlink_to(target)
    with pytest.raises(ViewError, match="is a symbolic link"):
        current_generation(str(tmp_path))
    current.unlink()
    os.mkfifo(current)
    assert current_generation(str(tmp_path)) is None
    rebuild = tmp_path / "rebuild"
    rebuild.symlink_to(target)
    with pytest.raises(ViewError, match="there is no rebuild in"):
        open_rebuild_readonly(str(tmp_path))
    rebuild.unlink()
    rebuild.write_text('{"generation": "view-1/../../elsewhere", "reason": "x"}')
    with pytest.raises(ViewError, match="there is no rebuild in"):
        open_rebuild_readonly(str(tmp_path))
    lock.unlink()
    lock.symlink_to(target)
    assert holder_of(str(tmp_path)) is None


def test_the_identity_of_each_partition_is_kept_with_its_position(tmp_path: pathlib.Path) -> None:
    with viewing.opened(tmp_path / "v") as store:
        to = viewing.writer(store)
        to.apply(Batch([], {("a", 0): 10, ("b", 7): 20}, False), {("a", 0): "x"}, 1)
        to.apply(Batch([Record("a", 0, 10, 99, None, None)], {("a", 0): 30}, True), {("b", 7): "y"}, 1)
        with Inspector(store) as view:
            assert {key: tuple(getattr(each, name) for name in ("next", "fingerprint", "timestamp"))
                    for key, each in view.positions().items()} == {("a", 0): (30, "x", 99), ("b", 7): (20, "", 0)}
            assert view.state.complete


def test_a_view_that_is_filled_waits_for_the_disk_when_it_is_made_durable() -> None:
    with viewing.folder() as path:
        mark = path / "unsynced"
        with viewing.opened(path) as store:
            assert (store.unsynced, store.env.flags()["sync"], mark.exists()) == (True, False, True)
            viewing.apply(viewing.writer(store), [event(1)])
            before = viewing.found(store)
        with viewing.opened(path) as store:  # The process ended, the machine did not.
            assert store.unsynced
            store.make_durable()
            assert (store.unsynced, store.env.flags()["sync"], mark.exists()) == (False, True, False)
            assert viewing.found(store) == before
            viewing.apply(viewing.writer(store), [event(2)])
            store.make_durable()
        with viewing.opened(path) as store:
            assert (store.unsynced, store.state().records) == (False, 2)


def test_a_view_that_was_filled_when_the_machine_went_down_is_given_up() -> None:
    with viewing.folder() as path:
        with viewing.opened(path):
            pass
        (path / "unsynced").write_text("another boot")
        with pytest.raises(ViewCorrupt, match="when the machine went down"), viewing.opened(path):
            pass
