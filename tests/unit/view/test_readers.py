"""Processes that read a view beside the one that writes it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from streamdns.errors import ViewError
from streamdns.view.reader import Inspector, snapshot
from streamdns.view.store import MapFull
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
            batch = reading.batch([event(number, size=200)])
            while True:
                try:
                    to.apply(batch, {}, 1)
                    break
                except MapFull:
                    assert view.store.grow()
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
