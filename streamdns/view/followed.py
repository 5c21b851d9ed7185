"""The view that another process writes: reads the generation that is served, and goes over to the next one in time."""

from __future__ import annotations

import os
from typing import Final

from streamdns.errors import ViewError
from streamdns.view.reader import KeptSnapshot, kept_snapshot
from streamdns.view.store import Store
from streamdns.view.view import current_generation

#: Memory is not taken by the size of a map, only addresses; the kernel has 128 TiB of them for a process.
_MOST_MAP_BYTES: Final = 1 << 44
_ATTEMPTS: Final = 3


class FollowedView:
    """Gives snapshots of the view in a directory for answers; nothing is written. Raises ViewError.

    The map is larger than the writer may make its own, so the writer may grow it unseen; where DNS_VIEW_MAX_BYTES was
    raised meanwhile, the new size is taken over between two batches of queries.
    """

    def __init__(self, path: str, *, max_bytes: int) -> None:
        self._path = path
        self._map_bytes = min(2 * max_bytes, _MOST_MAP_BYTES)
        self._store = self._open()

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

    def snapshot(self) -> KeptSnapshot:
        """Take a snapshot for one batch of queries, or for what is looked up meanwhile; raises ViewError.

        It is kept for the next batch as long as nothing is committed. Where the map has grown since a batch began, what
        is looked up meanwhile sees the view as the batch does.
        """
        return kept_snapshot(self._store)

    def let_go(self) -> None:
        """Let go of an old state of the view, for which nobody has asked since: the writer could use its pages again.

        To be called now and then, in a callback of the event loop.
        """
        self._store.let_go(outdated_alone=True)

    def follow(self) -> bool:
        """Answer from another generation from now on, where another one is served; False where there is none.

        To be called while no snapshot is open: between two batches. Raises ViewError, and then nothing has changed.
        """
        name = current_generation(self._path)
        if name is None or os.path.join(self._path, name) == self._store.path:
            return False
        self._store.let_go()
        if self._store.pinned:
            return False
        old, self._store = self._store, self._open()
        old.close()
        return True

    def close(self) -> None:
        """Close what is open."""
        self._store.close()
