"""Lookups in the tables of a snapshot: both ways, straight in the map and by py-lmdb, find the same."""

from __future__ import annotations

import pathlib
import random
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager

import lmdb
import pytest

from streamdns.view.lookups import NOT_COMPILED, Lookups, PlainLookups, in_map, reads_map

NODES, EMPTY = b"nodes", b"cuts"
_MAP_BYTES = 1 << 28
#: Octets of keys: so few that many keys begin with others, and the lowest and the highest one.
_OCTETS = b"\0\1abc\xff"
#: Sizes of values: with and without pages of their own, and with many.
_SIZES = (0, 1, 60, 1500, 4080, 4081, 70_000)
_PAGE = 4096


@pytest.fixture(params=["in the map", "by py-lmdb"])
def way(request: pytest.FixtureRequest) -> str:
    """One way or the other."""
    if request.param == "in the map" and NOT_COMPILED:
        pytest.skip(f"not compiled here: {NOT_COMPILED}")
    return str(request.param)


def opened(folder: pathlib.Path, *, lib_version: int = 0) -> lmdb.Environment:
    """An environment with two tables."""
    env = lmdb.open(str(folder), max_dbs=4, map_size=_MAP_BYTES, sync=False, lib_version=lib_version)
    for name in (NODES, EMPTY):
        env.open_db(name)
    return env


@contextmanager
def looking(env: lmdb.Environment, name: bytes, way: str) -> Iterator[Lookups]:
    """Look up in one table in one way."""
    if way == "by py-lmdb":
        with env.begin() as txn:
            yield PlainLookups(txn, env.open_db(name, txn=txn, create=False))
    else:
        with env.begin(buffers=True) as mapped:
            found = in_map(mapped, name)
            yield found
            found.close()


def filled(env: lmdb.Environment, count: int, *, longest: int, sizes: tuple[int, ...]) -> dict[bytes, bytes]:
    """Keys and values that were put into a table in a random order, and of which a third was deleted again."""
    rng = random.Random(count)
    rows: dict[bytes, bytes] = {}
    for _ in range(3):
        with env.begin(db=env.open_db(NODES), write=True) as txn:
            for _ in range(count):
                key = bytes(rng.choices(_OCTETS, k=rng.randint(1, longest)))
                rows[key] = rng.randbytes(rng.choice(sizes))
                txn.put(key, rows[key])
            for key in rng.sample(sorted(rows), len(rows) // 3):
                txn.delete(key)
                del rows[key]
    return rows


@pytest.mark.parametrize(
    ("count", "longest", "sizes"), [(1, 4, _SIZES), (40, 6, _SIZES), (1500, 12, (0, 60)), (400, 511, (0, 200))],
    ids=["a leaf", "values with pages of their own", "short keys", "long keys"],
)
def test_what_is_found_is_what_is_stored(
    tmp_path: pathlib.Path, way: str, count: int, longest: int, sizes: tuple[int, ...]
) -> None:
    """Keys that are there, those that are not, and the neighbours of both."""
    rng = random.Random(18)
    with opened(tmp_path) as env:
        rows = filled(env, count, longest=longest, sizes=sizes)
        order = sorted(rows)
        others = [bytes(rng.choices(_OCTETS, k=rng.randint(1, longest))) for _ in range(count)]
        with looking(env, NODES, way) as table:
            for key in (*order, *others, b"\0", b"\xff" * 511):
                place = bisect_left(order, key)
                assert table.get(key) == rows.get(key)
                assert table.after(key) == (order[place] if place < len(order) else None)
                assert table.before(key) == (order[place - 1] if place else None)


def test_an_empty_table_has_nothing(tmp_path: pathlib.Path, way: str) -> None:
    with opened(tmp_path) as env, looking(env, EMPTY, way) as table:
        assert (table.get(b"a"), table.after(b"a"), table.before(b"a")) == (None, None, None)


def test_a_snapshot_stays_as_it_is_while_pages_are_used_again(tmp_path: pathlib.Path, way: str) -> None:
    """What is written meanwhile, many times over, uses no page of the snapshot."""
    with opened(tmp_path) as env:
        rows = filled(env, 300, longest=12, sizes=(60, 5000))
        with looking(env, NODES, way) as table:
            for number in range(20):
                with env.begin(db=env.open_db(NODES), write=True) as txn:
                    for key in rows:
                        txn.put(key, bytes([number]) * 100)
            assert all(table.get(key) == value for key, value in rows.items())
        with looking(env, NODES, way) as table:
            assert all(table.get(key) == b"\x13" * 100 for key in rows)


def test_nothing_is_read_after_the_end(tmp_path: pathlib.Path, way: str) -> None:
    """The pages may hold something else then, or be gone."""
    with opened(tmp_path) as env:
        filled(env, 1, longest=4, sizes=(1,))
        with looking(env, NODES, way) as table:
            pass
        for look in (table.get, table.after, table.before):
            with pytest.raises(lmdb.Error):
                look(b"a")


@pytest.mark.skipif(bool(NOT_COMPILED), reason=f"not compiled here: {NOT_COMPILED}")
def test_damaged_pages_are_an_error(tmp_path: pathlib.Path) -> None:
    """Whatever stands in a page: an error of LMDB's or some answer, and no memory is read that is not there.

    py-lmdb's own lookups end the process with some of these.
    """
    with opened(tmp_path) as env:
        rows = filled(env, 400, longest=12, sizes=(60, 5000))
        env.sync(True)
    whole = (tmp_path / "data.mdb").read_bytes()
    rng = random.Random(5)
    errors = 0
    for number in range(20):
        damaged = bytearray(whole)
        for page in range(2 * _PAGE, len(whole), _PAGE):
            if rng.random() < 0.5:
                damaged[page + rng.randrange(64)] = rng.randrange(256)
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "data.mdb").write_bytes(damaged)
        try:
            with lmdb.open(str(folder), max_dbs=4, readonly=True, lock=False) as env, env.begin(buffers=True) as txn:
                table = in_map(txn, NODES)
                for key in rows:
                    for look in (table.get, table.after, table.before):
                        try:
                            look(key)
                        except lmdb.CorruptedError:
                            errors += 1
        except (lmdb.Error, ValueError):
            errors += 1
    assert errors > 20


@pytest.mark.skipif(bool(NOT_COMPILED), reason=f"not compiled here: {NOT_COMPILED}")
def test_only_what_is_known_is_read_in_the_map(tmp_path: pathlib.Path) -> None:
    """Not tables of another order, nor those with many values of a key, nor the format of LMDB 1.0."""
    with opened(tmp_path / "0.9") as env:
        env.open_db(b"many", dupsort=True)
        with env.begin(buffers=True) as txn:
            found = {name: reads_map(txn, name) for name in (NODES, b"many", b"none")}
        assert found == {NODES: True, b"many": False, b"none": False}
        with env.begin(buffers=True) as txn, pytest.raises(ValueError, match="not a view"):
            in_map(txn, b"none")
    with opened(tmp_path / "1.0", lib_version=1) as env, env.begin(buffers=True) as txn:
        assert not reads_map(txn, NODES)
