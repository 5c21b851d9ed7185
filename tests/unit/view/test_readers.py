"""Processes that read a view beside the one that writes it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import lmdb
import pytest

from streamdns.errors import ViewError
from streamdns.view.keys import node_key
from streamdns.view.reader import Inspector, kept_snapshot, snapshot
from streamdns.view.view import open_readonly
from tests.harness import ROOT, viewing
from tests.harness.process import clean_environment
from tests.unit.view.test_store import BIG, event, view_of

_READER = """
import sys
from streamdns.view.reader import Inspector
from streamdns.view.view import open_readonly
store = open_readonly(sys.argv[1])
for _ in sys.stdin:
    with Inspector(store) as view:
        print(view.state.records, sum(1 for _ in view.walk()), store.map_bytes(), flush=True)
"""


def test_another_process_reads_on_while_the_writer_makes_the_map_larger(tmp_path: pathlib.Path) -> None:
    view = view_of(tmp_path, max_bytes=1 << 20)
    to, reading = viewing.writer(view.store), viewing.Reading()
    to.apply(reading.batch([event(0)]), {}, 1)
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(tmp_path)],
        env=clean_environment({"PYTHONPATH": str(ROOT)}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )

    def look() -> list[int]:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
        return [int(word) for word in reader.stdout.readline().split()]

    try:
        assert look() == [1, 1, 1 << 20]
        view.set_max_bytes(BIG)
        for number in range(1, 40):
            viewing.apply_growing(to, reading.batch([event(number, size=200)]))
            assert look() == [1 + 200 * number, number + 1, view.store.map_bytes()]
        assert view.store.map_bytes() >= 2 << 20
    finally:
        reader.kill()
        reader.communicate()
    view.close()


def test_readers_that_died_are_forgotten(tmp_path: pathlib.Path) -> None:
    view = view_of(tmp_path)
    viewing.apply(viewing.writer(view.store), [event(0)])
    code = _READER.replace("print(", "import os; print(").replace("flush=True)", "flush=True); os._exit(0)")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], input="\n", capture_output=True, text=True, check=True,
        env=clean_environment({"PYTHONPATH": str(ROOT)}), timeout=60,
    )
    assert done.stdout.startswith("1 1 ")

    def foreign() -> list[str]:
        return [line for line in view.store.env.readers().splitlines()[1:] if line.split()[0] != str(os.getpid())]

    assert len(foreign()) == 1
    view.store.check_readers()
    assert foreign() == []
    view.close()


def test_reading_without_a_view_says_so(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ViewError, match="there is no view in"):
        open_readonly(str(tmp_path))
    view_of(tmp_path).close()
    store = open_readonly(str(tmp_path))
    with Inspector(store) as view:
        assert view.state.records == 0
    found = snapshot(store)
    assert (found.ready, found.node(b"org\0")) == (False, None)
    found.close()
    store.close()


# -- the snapshot that is kept between batches of queries


def test_a_snapshot_is_kept_until_something_is_written(tmp_path: pathlib.Path) -> None:
    view = view_of(tmp_path)
    write, key = viewing.writer(view.store), node_key(b"\2n1\7example\3org\0")
    viewing.apply(write, [event(0)])
    first = kept_snapshot(view.store)
    first.close()
    assert kept_snapshot(view.store) is first
    assert first.node(key) is None
    first.close()
    viewing.apply(write, [event(0), event(1)])
    second = kept_snapshot(view.store)
    assert second is not first
    assert second.node(key)
    second.close()
    assert kept_snapshot(view.store) is second
    second.close()
    with pytest.raises(lmdb.Error):
        first.node(key)  # its transaction was ended, so that its pages can be used again
    view.close()


def test_a_snapshot_that_is_in_use_outlives_a_commit(tmp_path: pathlib.Path) -> None:
    """A batch of queries is answered while the writing thread commits, and what is looked up meanwhile is new."""
    view = view_of(tmp_path)
    write, key = viewing.writer(view.store), node_key(b"\2n1\7example\3org\0")
    viewing.apply(write, [event(0)])
    batch = kept_snapshot(view.store)
    viewing.apply(write, [event(0), event(1)])
    for _ in range(2):
        inside = kept_snapshot(view.store)
        assert inside is not batch
        assert inside.node(key)
        assert batch.node(key) is None
        inside.close()
    assert batch.node(node_key(b"\2n0\7example\3org\0"))
    batch.close()
    with pytest.raises(lmdb.Error):
        batch.node(key)
    view.close()
    assert view.store.pinned == 0


def test_a_commit_is_seen_before_the_writing_thread_goes_on(tmp_path: pathlib.Path) -> None:
    """Others see the commit at once, so whoever was told of it and asks then must not get the old answer."""
    view = view_of(tmp_path)
    store, key = view.store, node_key(b"\2n0\7example\3org\0")

    def found() -> bytes | None:
        taken = kept_snapshot(store)
        try:
            return taken.node(key)
        finally:
            taken.close()

    assert found() is None
    with store.writing():
        with store.begin(write=True) as txn:
            assert found() is None
            txn.put(key, b"a node", db=store.nodes)
            assert found() is None
        assert found() == b"a node"
    assert found() == b"a node"
    view.close()


def test_a_snapshot_taken_in_the_moment_of_a_commit_is_not_taken_for_the_newest(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LMDB writes the number of a commit first and lets others begin with it a moment later."""
    view = view_of(tmp_path)
    store, number = view.store, view.store.last_commit()
    monkeypatch.setattr(store, "last_commit", lambda: number + 1)
    first = kept_snapshot(store)
    first.close()
    second = kept_snapshot(store)
    assert second is not first
    second.close()
    view.close()


def test_the_number_of_the_last_commit_is_that_of_lmdb(tmp_path: pathlib.Path) -> None:
    view = view_of(tmp_path)
    write, reading = viewing.writer(view.store), viewing.Reading()
    seen = set()
    for number in range(5):
        write.apply(reading.batch([event(number)]), {}, 1)
        assert view.store.last_commit() == view.store.env.info()["last_txnid"]
        seen.add(view.store.last_commit())
    assert len(seen) == 5
    view.close()


def test_what_is_kept_is_let_go_where_something_was_written_since(tmp_path: pathlib.Path) -> None:
    view = view_of(tmp_path)
    write = viewing.writer(view.store)
    viewing.apply(write, [event(0)])
    first = kept_snapshot(view.store)
    first.close()
    view.store.let_go(outdated_alone=True)
    assert kept_snapshot(view.store) is first
    first.close()
    viewing.apply(write, [event(0), event(1)])
    view.store.let_go(outdated_alone=True)
    assert view.store.kept is None
    view.close()


def test_a_snapshot_that_is_kept_hinders_nothing(tmp_path: pathlib.Path) -> None:
    """The map grows, the environment is opened anew, swapped and closed, as if none were there."""
    view = view_of(tmp_path, max_bytes=BIG)
    reading, write = viewing.Reading(), viewing.writer(view.store)
    write.apply(reading.batch([event(0)]), {}, 1)
    before = view.store.map_bytes()
    for step in (view.store.grow, view.store.make_durable):
        kept = kept_snapshot(view.store)
        assert kept.ready is False
        kept.close()
        step()
        assert view.store.kept is None, step
    assert view.store.map_bytes() == 2 * before
    write = viewing.writer(view.store)
    write.apply(reading.batch([event(1)]), {}, 2)
    served = view.store
    kept_snapshot(served).close()
    view.begin_rebuild("tried")
    view.swap()
    assert served.kept is None
    found = kept_snapshot(view.store)
    assert found.node(node_key(b"\2n1\7example\3org\0")) is None
    found.close()
    view.close()
    assert view.store.kept is None
