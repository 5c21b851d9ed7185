"""The view that another process writes: its map grows, and another generation takes its place, while it is read."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import lmdb
import pytest

from streamdns.dns.name import from_text, key
from streamdns.errors import ViewError
from streamdns.view.followed import FollowedView
from tests.harness import ROOT

_MIB = 1 << 20
# Another process: the same LMDB environment may be opened once only in each.
_WRITER = """
import json, sys
from streamdns.view.view import View
from tests.harness import viewing
from tests.harness.model import Event
view = View(sys.argv[1], max_bytes=1 << 20, holder="a test")
reading = {id(view.store): viewing.Reading()}
def fill(store, names):
    batch = reading.setdefault(id(store), viewing.Reading()).batch([
        Event(0, 1, f"{name}|TXT", json.dumps([{"name": name, "type": "TXT", "content": '"' + "x" * 200 + '"'}]))
        for name in names
    ], caught_up=True)
    viewing.apply_growing(viewing.writer(store), batch)
for line in sys.stdin:
    word, *names = json.loads(line)
    if word == "fill":
        fill(view.store, names)
    elif word == "grow":
        view.set_max_bytes(1 << 30)
    elif word == "swap":
        fill(view.begin_rebuild("a test"), names)
        view.swap()
        view.remove_others()
    print(view.store.map_bytes(), flush=True)
"""


class Other:
    """The process that writes the view in a directory."""

    def __init__(self, path: pathlib.Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )

    def does(self, *words: str) -> int:
        """Have it do something; the size of its map after that."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def other(tmp_path: pathlib.Path) -> Iterator[Other]:
    made = Other(tmp_path / "view")
    made.does("fill", "first.example.")
    with made.process:
        yield made
        assert made.process.stdin is not None
        made.process.stdin.close()


@pytest.fixture
def view(other: Other, tmp_path: pathlib.Path) -> Iterator[FollowedView]:
    made = FollowedView(str(tmp_path / "view"), max_bytes=_MIB)
    yield made
    made.close()


def lookup_key(name: str) -> bytes:
    return key(from_text(name))


def has(view: FollowedView, name: str) -> bool:
    snapshot = view.snapshot()
    try:
        return snapshot.node(lookup_key(name)) is not None
    finally:
        snapshot.close()


def names(part: int) -> list[str]:
    return [f"n{part}x{number}.example." for number in range(2000)]


def test_what_is_committed_is_there_at_once(other: Other, view: FollowedView) -> None:
    assert has(view, "first.example.")
    assert not has(view, "second.example.")
    other.does("fill", "second.example.")
    assert has(view, "second.example.")


def test_a_snapshot_is_kept_until_the_other_process_commits(other: Other, view: FollowedView) -> None:
    first = view.snapshot()
    first.close()
    again = view.snapshot()
    assert again is first
    other.does("fill", "second.example.")
    assert again.node(lookup_key("second.example.")) is None
    after = view.snapshot()
    assert after is not first
    assert after.node(lookup_key("second.example.")) is not None
    for each in (after, again):
        each.close()
    second = view.snapshot()
    assert second is after
    second.close()


def test_an_old_state_is_let_go_though_nobody_asks(other: Other, view: FollowedView) -> None:
    """Its pages could not be used again, and the file would grow with each commit."""
    kept = view.snapshot()
    view.let_go()
    assert kept.node(lookup_key("first.example.")) is not None, "it is in use"
    kept.close()
    view.let_go()
    other.does("fill", "second.example.")
    view.let_go()
    with pytest.raises(lmdb.Error):
        kept.node(lookup_key("first.example."))


def test_a_map_that_grew_beyond_this_one_is_taken_over(other: Other, view: FollowedView) -> None:
    other.does("grow")
    for part in range(4):
        other.does("fill", *names(part))
        assert has(view, names(part)[-1])
    assert other.does("fill", "last.example.") >= 4 * _MIB, "beyond the two MiB that were mapped"


def test_memory_that_a_snapshot_reads_is_not_taken_away(other: Other, view: FollowedView) -> None:
    """A second snapshot that is taken meanwhile sees the same as the first one; those after them see everything."""
    snapshot = view.snapshot()
    second = view.snapshot()
    second.close()
    other.does("grow")
    for part in range(4):
        other.does("fill", *names(part))
    for _ in range(2):
        second = view.snapshot()
        assert second.version() == snapshot.version()
        for each in (second, snapshot):
            assert each.node(lookup_key("first.example.")) is not None
            assert each.node(lookup_key(names(0)[0])) is None
        second.close()
    snapshot.close()
    assert has(view, names(3)[-1])


def test_another_generation_is_followed(other: Other, view: FollowedView) -> None:
    assert not view.follow()
    first, snapshot = view.generation, view.snapshot()
    before = snapshot.version()
    other.does("swap", "second.example.")
    assert not view.follow(), "a snapshot is open"
    assert snapshot.node(lookup_key("first.example.")) is not None
    snapshot.close()
    assert has(view, "first.example.")
    assert view.follow()
    assert view.generation != first
    assert (has(view, "first.example."), has(view, "second.example.")) == (False, True)
    after = view.snapshot()
    assert after.version() != before
    after.close()
    assert not view.follow()


def test_where_there_is_no_view_it_is_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ViewError, match="there is no view in"):
        FollowedView(str(tmp_path), max_bytes=_MIB)
