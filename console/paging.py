"""Rows of a list that the API gives in pages: fetched as they come into sight, forgotten when far from it.

A page is found by the cursor that came with the one beside it, so rows are reached from either end of the list.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Final

_KEPT_PAGES: Final = 16
#: To a row that is farther away than this it takes so long that it is told.
_FAR: Final = 1_000

#: Gives the rows of the page at a cursor, or backwards of the one before it, and the cursor to go on with, None behind
#: the last. Backwards the last row comes first.
Fetch = Callable[[str, bool], Awaitable[tuple[Sequence[Any], str | None]]]


class _End:
    """What is known from one end of the list on: where each page begins, counted from that end, and its cursor."""

    def __init__(self) -> None:
        self.starts, self.cursors = [0], [""]
        #: The key of the known row that is farthest from this end.
        self.edge: Hashable = None

    @property
    def known(self) -> int:
        """How many rows are known."""
        return self.starts[-1]

    def page_of(self, place: int) -> int:
        """The page that has a row, or has to be fetched on the way to it."""
        return bisect_right(self.starts, place) - 1

    def take(self, page: int, rows: int, following: str) -> bool:
        """A page has so many rows, and the next one this cursor; False where that ends what was known behind it."""
        end = self.starts[page] + rows
        known = self.starts[page + 1 :]
        if known and known[0] == end and self.cursors[page + 1] == following:
            return True
        del self.starts[page + 1 :], self.cursors[page + 1 :]
        self.starts.append(end)
        self.cursors.append(following)
        return not known

    def forget(self) -> None:
        """Nothing is known."""
        self.starts, self.cursors, self.edge = [0], [""], None


class PagedRows:
    """All rows of a list that may have a million. `spawn` runs a coroutine, `changed` is told what came.

    Between what is known from the front and from the back lies a gap, of one row where nobody knows how many there are.
    `moved` is told from which row on rows have other numbers now, and by how much: rows that are known from the back
    move when there turn out to be more or fewer than was thought.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        key: Callable[[Any], Hashable],
        spawn: Callable[[Awaitable[None]], object],
        changed: Callable[[], None],
        moved: Callable[[int, int], None] = lambda first, by: None,
        total: int | None = None,
        failed: Callable[[Exception], None],
    ) -> None:
        self._fetch, self._key, self._spawn = fetch, key, spawn
        self._changed, self._moved, self._failed = changed, moved, failed
        self._front, self._back = _End(), _End()
        self._loaded: OrderedDict[tuple[bool, int], Sequence[Any]] = OrderedDict()
        self._total, self._whole = total or 0, False
        self._target, self._end_wanted = -1, False
        #: From which end the row is known that was shown last.
        self._near = False
        self._working = False
        self.problem = ""

    def __len__(self) -> int:
        known = self._front.known + self._back.known
        # One more than is known: going there fetches more.
        return known if self._whole else max(self._total, known + 1)

    @property
    def on_the_way(self) -> int | None:
        """How many rows were gone past so far on the way to one that lies pages ahead; None where nobody goes."""
        if not self._working or not self._missing():
            return None
        backwards, place = self._side(self._target)
        known = (self._back if backwards else self._front).known
        return known if place > known + _FAR else None

    def row(self, index: int) -> Any | None:
        """A row, or None for one that is on its way."""
        backwards, place = self._side(index)
        found = self._at(backwards, place)
        if found is not None:
            self._near = backwards
        elif 0 <= index < len(self):
            self._target = index
            self._go()
        return found

    def to_end(self) -> None:
        """Have the last rows fetched, however far they are, and also where nobody knows how many rows there are."""
        if not self._whole and not self._back.known:
            self._end_wanted = True
            self._go()

    def _side(self, index: int) -> tuple[bool, int]:
        """From which end a row is known, or nearer to what is known (True: from the back); its place from that end."""
        behind = len(self) - 1 - index
        ahead, left = index - self._front.known, behind - self._back.known
        if ahead < 0 or left < 0:
            backwards = ahead >= 0
        elif ahead == left:
            backwards = self._near
        else:
            backwards = left < ahead
        return backwards, behind if backwards else index

    def _at(self, backwards: bool, place: int) -> Any | None:
        end = self._back if backwards else self._front
        page = end.page_of(place)
        rows = self._loaded.get((backwards, page))
        if rows is None or not 0 <= place - end.starts[page] < len(rows):
            return None
        self._loaded.move_to_end((backwards, page))
        return rows[place - end.starts[page]]

    def _missing(self) -> bool:
        return 0 <= self._target < len(self) and self._at(*self._side(self._target)) is None

    def _go(self) -> None:
        if not self._working and not self.problem:
            self._working = True
            self._spawn(self._work())

    async def _work(self) -> None:
        pages = 0
        try:
            while self._end_wanted or self._missing():
                backwards, place = (True, 0) if self._end_wanted else self._side(self._target)
                end = self._back if backwards else self._front
                page = end.page_of(place)
                rows, following = await self._fetch(end.cursors[page], backwards)
                self._take(backwards, page, rows, following)
                self._end_wanted = self._end_wanted and not self._whole and not self._back.known
                pages += 1
                if pages % 10 == 0:
                    self._changed()
        except Exception as problem:  # noqa: BLE001 # whatever the reader raises is shown, and asked again by hand
            self.problem = str(problem)
            self._failed(problem)
        finally:
            self._working = False
            self._changed()

    def _take(self, backwards: bool, page: int, rows: Sequence[Any], following: str | None) -> None:
        """Keep a page, and find out whether both ends met."""
        size, first = len(self), self._front.known if backwards else len(self) - self._back.known
        end, other = (self._back, self._front) if backwards else (self._front, self._back)
        if self._whole and page == len(end.starts) - 2 and len(rows) >= end.known - end.starts[page]:
            # Where the ends met, the page goes on with rows that are known from the other one.
            rows, following = rows[: end.known - end.starts[page]], end.cursors[-1]
        elif following is None:
            other.forget()
            self._forget(not backwards, 0)
            self._whole, following = True, ""
        elif page == len(end.starts) - 1 and other.known:
            met = next((number for number, row in enumerate(rows) if self._key(row) == other.edge), None)
            if met is not None:
                self._whole, rows = True, rows[:met]
        if not end.take(page, len(rows), following):
            # What was known behind this page is not so any more.
            self._whole = self._whole and not following
            self._forget(backwards, page + 1)
        if rows and page == len(end.starts) - 2:
            end.edge = self._key(rows[-1])
        self._loaded[backwards, page] = rows
        self._loaded.move_to_end((backwards, page))
        while len(self._loaded) > _KEPT_PAGES:
            self._loaded.popitem(last=False)
        grown = len(self) - size
        if grown:
            if self._target >= first:
                self._target += grown
            self._moved(first, grown)

    def _forget(self, backwards: bool, page: int) -> None:
        for each in [each for each in self._loaded if each[0] == backwards and each[1] >= page]:
            del self._loaded[each]
