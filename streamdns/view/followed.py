"""The view that another process writes: reads the generation that is served, and goes over to the next one in time."""

from __future__ import annotations

import os
from typing import Final

import lmdb

from streamdns.errors import ViewError
from streamdns.view.reader import ViewSnapshot
from streamdns.view.store import Store, reported
from streamdns.view.view import current_generation

#: Memory is not taken by the size of a map, only addresses; the kernel has 128 TiB of them for a process.
_MOST_MAP_BYTES: Final = 1 << 44
_ATTEMPTS: Final = 3


class _Pinning(ViewSnapshot):
    """A snapshot that keeps the map in its place while it is open; within an outer one it shares its transaction."""

    __slots__ = ("_shares", "_store")

    def __init__(self, store: Store, outer: _Pinning | None) -> None:
        super().__init__(store, None if outer is None else outer._txn)  # noqa: SLF001 - one of its own class
        self._store, self._shares = store, outer is not None
        store.pinned += 1

    def close(self) -> None:
        """End the read transaction, or leave it to the outer one."""
        self._store.pinned -= 1
        if not self._shares:
            super().close()


class FollowedView:
    """Gives snapshots of the view in a directory for answers; nothing is written. Raises ViewError.

    The map is larger than the writer may make its own, so the writer may grow it unseen; where DNS_VIEW_MAX_BYTES was
    raised meanwhile, the new size is taken over between two batches of queries.
    """

    def __init__(self, path: str, *, max_bytes: int) -> None:
        self._path = path
        self._map_bytes = min(2 * max_bytes, _MOST_MAP_BYTES)
        self._store = self._open()
        self._outer: _Pinning | None = None

    @property
    def generation(self) -> str:
        """The path of the generation that answers come from."""
        return self._store.path

    def _open(self) -> Store:
        for _ in range(_ATTEMPTS):
            name = current_generation(self._path)
            if name is None:
                break
            try:
                return Store(
                    os.path.join(self._path, name), max_bytes=self._map_bytes, readonly=True,
                    first_map_bytes=self._map_bytes,
                )
            except ViewError:
                if current_generation(self._path) == name:  # else it was removed, for another one was swapped in
                    raise
        raise ViewError(f"there is no view in {self._path}")

    def snapshot(self) -> ViewSnapshot:
        """Take a snapshot for one batch of queries, or for what is looked up meanwhile; raises ViewError.

        Where the map has grown since the batch began, that sees the view as the batch does.
        """
        store, outer = self._store, self._outer
        if not store.pinned or outer is None:
            self._outer = made = _take(store, None)
            return made
        try:
            return _take(store, None)
        except ViewError:
            return _take(store, outer)

    def follow(self) -> bool:
        """Answer from another generation from now on, where another one is served; False where there is none.

        To be called while no snapshot is open: between two batches. Raises ViewError, and then nothing has changed.
        """
        name = current_generation(self._path)
        if name is None or os.path.join(self._path, name) == self._store.path or self._store.pinned:
            return False
        old, self._store = self._store, self._open()
        old.close()
        return True

    def close(self) -> None:
        """Close what is open."""
        self._store.close()


def _take(store: Store, outer: _Pinning | None) -> _Pinning:
    try:
        return _Pinning(store, outer)
    except lmdb.Error as err:
        with reported(store.path):
            raise err
        raise AssertionError from err
