"""Rows of a list that the API gives in pages: fetched as they come into sight, forgotten when far from it."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

_KEPT_PAGES: Final = 16
#: To a row that is farther away than this it takes so long that it is told.
_FAR: Final = 1_000

#: Gives the rows of a page and the cursor of the next one, None behind the last.
Fetch = Callable[[str], Awaitable[tuple[Sequence[Any], str | None]]]


class PagedRows:
    """All rows of a list that may have a million. `spawn` runs a coroutine, `changed` is told what came.

    A page is found by the cursor in the one before it, so a jump far ahead walks the pages between; the cursors stay.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        spawn: Callable[[Awaitable[None]], object],
        changed: Callable[[], None],
        total: int | None = None,
        failed: Callable[[Exception], None],
    ) -> None:
        self._fetch, self._spawn, self._changed, self._failed = fetch, spawn, changed, failed
        self._starts, self._cursors = [0], [""]
        self._loaded: OrderedDict[int, Sequence[Any]] = OrderedDict()
        self._total, self._ended = total, False
        self._target = -1
        self._working = False
        self.problem = ""

    def __len__(self) -> int:
        if self._ended or self._total is not None:
            return self._total or 0
        # One more than is known: going there fetches more.
        return self._starts[-1] + 1

    @property
    def on_the_way(self) -> int | None:
        """How many rows were gone past so far on the way to one that lies pages ahead; None where nobody goes."""
        return self._starts[-1] if self._working and self._target > self._starts[-1] + _FAR else None

    def row(self, index: int) -> Any | None:
        """A row, or None for one that is on its way."""
        page = bisect_right(self._starts, index) - 1
        rows = self._loaded.get(page)
        if rows is not None and index - self._starts[page] < len(rows):
            self._loaded.move_to_end(page)
            return rows[index - self._starts[page]]
        if not self._ended or page < len(self._starts) - 1 or index < len(self):
            self._want(index)
        return None

    def _want(self, index: int) -> None:
        self._target = index
        if not self._working and not self.problem:
            self._working = True
            self._spawn(self._work())

    async def _work(self) -> None:
        try:
            while (page := self._missing()) is not None:
                wanted = self._target
                rows, following = await self._fetch(self._cursors[page])
                self._take(page, rows, following)
                if wanted == self._target and self._missing() is None:
                    break
                if page % 10 == 0:
                    self._changed()
        except Exception as problem:  # noqa: BLE001 # whatever the reader raises is shown, and asked again by hand
            self.problem = str(problem)
            self._failed(problem)
        finally:
            self._working = False
            self._changed()

    def _missing(self) -> int | None:
        """The page to fetch next on the way to the row that is wanted; None where it is here."""
        page = bisect_right(self._starts, self._target) - 1
        if page in self._loaded and self._target < self._starts[page] + len(self._loaded[page]):
            return None
        return None if self._ended and self._target >= (self._total or 0) else page

    def _take(self, page: int, rows: Sequence[Any], following: str | None) -> None:
        self._loaded[page] = rows
        self._loaded.move_to_end(page)
        while len(self._loaded) > _KEPT_PAGES:
            self._loaded.popitem(last=False)
        end = self._starts[page] + len(rows)
        if following is None:
            self._total, self._ended = end, True
            del self._starts[page + 1 :], self._cursors[page + 1 :]
        elif page + 1 == len(self._starts):
            self._starts.append(end)
            self._cursors.append(following)
            if self._total is not None and end >= self._total:
                self._total = end + 1
