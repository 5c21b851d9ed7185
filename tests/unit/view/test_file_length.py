"""Files of views that were cut, which LMDB would map and read past their ends."""

from __future__ import annotations

import json
import os
import pathlib

import lmdb
import pytest

from streamdns.errors import ViewCorrupt
from streamdns.view.file_length import check_whole
from streamdns.view.store import Store
from streamdns.view.view import View
from tests.harness import viewing
from tests.harness.model import Event

BIG = 1 << 30


def event(number: int) -> Event:
    """One RRset of a TXT record of about 200 octets."""
    name = f"n{number}.example.org."
    record = {"name": name, "type": "TXT", "content": f'"{number:0200}"', "ttl": 60}
    return Event(0, number, f"{name}|TXT", json.dumps([record]))


def view_of(path: pathlib.Path) -> View:
    return View(str(path), max_bytes=BIG, holder="this test")


def grown(tmp_path: pathlib.Path) -> pathlib.Path:
    """The file of a closed view of more than 2 MiB."""
    view = view_of(tmp_path)
    writer = viewing.writer(view.store)
    number = 0
    while view.store.used_bytes() < 3 << 20:
        viewing.apply(writer, [event(each) for each in range(number, number + 2000)])
        number += 2000
    path = pathlib.Path(view.store.path, "data.mdb")
    view.close()
    return path


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_a_file_that_was_cut_is_set_aside(tmp_path: pathlib.Path, share: float) -> None:
    """LMDB would read past its end, which ends the process."""
    file = grown(tmp_path)
    os.truncate(file, max(8192, int(file.stat().st_size * share)))
    with pytest.raises(ViewCorrupt, match=r"its file has \d+ of \d+ bytes"):
        Store(str(file.parent), max_bytes=BIG, readonly=True)
    view = view_of(tmp_path)
    assert view.damaged is not None
    assert "its file has" in view.damaged
    assert view.store.state().records == 0
    view.close()


def free_at_the_end(tmp_path: pathlib.Path) -> pathlib.Path:
    """The file of a view whose last pages are in its list of free ones: they were used once, and no more."""
    env = lmdb.open(str(tmp_path / "v"), map_size=BIG, max_dbs=8)
    with env.begin(write=True) as txn:
        txn.put(b"kept", b"value")
    for _ in range(2):
        with env.begin(write=True) as txn:
            txn.put(b"big", b"x" * (3 << 20))
        with env.begin(write=True) as txn:
            txn.delete(b"big")
    with env.begin(write=True) as txn:
        txn.put(b"small", b"value")
    env.close()
    return tmp_path / "v" / "data.mdb"


def test_free_pages_at_the_end_may_be_missing(tmp_path: pathlib.Path) -> None:
    """LMDB does not write pages that are free again before a commit; nobody reads them."""
    file = free_at_the_end(tmp_path)
    size = file.stat().st_size
    os.truncate(file, size - (1 << 20))
    check_whole(str(file.parent))
    env = lmdb.open(str(file.parent), map_size=BIG, max_dbs=8)
    with env.begin(write=True) as txn:
        assert txn.get(b"kept") == b"value"
        txn.put(b"big", b"y" * (2 << 20))
    with env.begin() as txn:
        assert txn.get(b"big") == b"y" * (2 << 20)
    env.close()


@pytest.mark.parametrize("pages", [1, 2, 3, 10, 100])
def test_a_file_that_lacks_a_few_pages_in_use_is_damaged(tmp_path: pathlib.Path, pages: int) -> None:
    """LMDB itself would abort, or the kernel end the process."""
    file = grown(tmp_path)
    check_whole(str(file.parent))
    os.truncate(file, file.stat().st_size - pages * 4096)
    with pytest.raises(ViewCorrupt, match="its file has"):
        check_whole(str(file.parent))


@pytest.mark.parametrize("octets", [b"", b"\0" * 100, b"x" * 20_000])
def test_what_is_no_environment_is_left_to_lmdb(tmp_path: pathlib.Path, octets: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(octets)
    check_whole(str(tmp_path))
    check_whole(str(tmp_path / "nowhere"))
