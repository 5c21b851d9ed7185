"""The list that every screen uses: the same keys everywhere, the cursor stays with its row when rows come and go."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, Final, Protocol

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from .. import themes
from ..lines import Line, Span, clip, text_of
from .canvas import Drawn
from .columns import Column, head_line, layout, row_line

_MARK: Final = "›"
_MARGIN: Final = 2


class Source(Protocol):
    """Rows that need not all be there: row() is None for one that has to be fetched first, and has it fetched."""

    def __len__(self) -> int:
        """How many there are, as far as is known."""

    def row(self, index: int) -> Any | None:
        """One of them."""

    def to_end(self) -> None:
        """Have the last one fetched, wherever it is."""


class Rows(ScrollView, Drawn, can_focus=True):
    """A list of rows in columns. `key` says which row is the same one later; `nothing` is shown where there is none.

    A list that `follows` gets new rows above the others: the cursor stays on the first row while it is there, and on
    another one it stays, and so does what is in sight.
    """

    DEFAULT_CSS = (
        themes.component_css("Rows")
        + """
    Rows { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; height: 1fr;
        scrollbar-background: $background; scrollbar-color: $rule; }
    """
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = set(themes.COMPONENT_CLASSES)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("pagedown,ctrl+f,space", "page(1)", show=False),
        Binding("g,home", "first", show=False),
        Binding("G,end", "last", show=False),
        Binding("enter", "choose", "open", show=False),
        Binding("left", "column(-1)", show=False),
        Binding("right", "column(1)", show=False),
        Binding("s", "sort_chosen", "sort", show=False),
    ]

    class Chosen(Message):
        """A row was opened."""

        def __init__(self, rows: Rows, row: Any) -> None:
            super().__init__()
            self.rows, self.row = rows, row

        @property
        def control(self) -> Rows:
            """The list that it is of."""
            return self.rows

    class Moved(Message):
        """The cursor is on another row, or its row is another."""

        def __init__(self, rows: Rows, row: Any | None) -> None:
            super().__init__()
            self.rows, self.row = rows, row

        @property
        def control(self) -> Rows:
            """The list that it is of."""
            return self.rows

    class SortWanted(Message):
        """Rows that come in pages are to be sorted, for which all of them have to be fetched first."""

        def __init__(self, rows: Rows, title: str) -> None:
            super().__init__()
            self.rows, self.title = rows, title

        @property
        def control(self) -> Rows:
            """The list that it is of."""
            return self.rows

    class Edge(Message):
        """Somebody wants to go on above the first row (-1) or below the last one (1)."""

        def __init__(self, rows: Rows, step: int) -> None:
            super().__init__()
            self.rows, self.step = rows, step

    def __init__(
        self,
        columns: Sequence[Column[Any]],
        *,
        key: Callable[[Any], Hashable],
        head: bool = True,
        nothing: str = "nothing here",
        needle: Callable[[Any], str] | None = None,
        follows: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.columns, self._key, self._head, self.nothing = columns, key, int(head), nothing
        self._follows = follows
        self._needle = needle or (lambda row: " ".join(_plain(column.cell(row)) for column in columns))
        self._all: Sequence[Any] = ()
        self.rows: Sequence[Any] = ()
        self.source: Source | None = None
        self.cursor = 0
        self.filter = ""
        self.sorted_by, self.reverse, self.chosen = "", False, next((c.title for c in columns if c.order), "")
        self.columns_shown: list[tuple[Column[Any], int]] = []
        self._laid_out_for = -1
        self.dimmed = False
        #: The row that the cursor was on when a list was emptied for one of another node.
        self._left: Any | None = None

    # -- what is shown

    def show(self, rows: Sequence[Any]) -> None:
        """Show these rows; the cursor stays on its row while that is among them."""
        here, back = self.row, None
        if here is None and rows:
            here, back, self._left = self._left, self._left, None
        self._all = rows
        self._arrange(here)
        if back is not None:
            self._keep_in_sight()

    def empty(self, nothing: str) -> None:
        """Show none until others come, which are not of the same node: the cursor goes back to its row there."""
        self._left = self.row or self._left
        self.nothing = nothing
        self.show(())

    def show_sorted(self, rows: Sequence[Any], title: str) -> None:
        """Show rows that came in pages until now, all of them, sorted by a column."""
        here, self.source = self.row, None
        self._all, self.sorted_by, self.reverse = rows, title, False
        self._arrange(here)
        self._keep_in_sight()

    def show_source(self, source: Source) -> None:
        """Show rows that are fetched as they come into sight, in the order in which they come."""
        self.source, self.sorted_by, self.reverse = source, "", False
        self.cursor = 0
        self.scroll_home(animate=False)
        self.again()

    def again(self) -> None:
        """What the rows show may have changed."""
        self._resize()
        self.repaint()

    def renumber(self, first: int, by: int) -> None:
        """The rows from one on have numbers that are greater by so many now; what is in sight stays there."""
        top = int(self.scroll_y)
        moved = by if self.cursor >= first else 0
        scrolled = by if moved or top >= first else 0
        self.cursor += moved
        self._resize()
        if scrolled:
            self.scroll_to(y=max(0, top + scrolled), animate=False, immediate=True)
        self._keep_in_sight()
        self.again()

    def narrow(self, text: str) -> None:
        """Only rows that hold this text from now on, whatever their case."""
        here = self.row
        self.filter = text
        self._arrange(here)

    def dim(self, dimmed: bool) -> None:
        """Whether rows are shown as old."""
        if dimmed != self.dimmed:
            self.dimmed = dimmed
            self.repaint()

    @property
    def row(self) -> Any | None:
        """The row that the cursor is on."""
        return self._at(self.cursor)

    @property
    def count(self) -> int:
        """How many rows there are to see."""
        return len(self.source) if self.source is not None else len(self.rows)

    def in_sight(self) -> list[Any]:
        """The rows that are seen; None for one that is still on its way."""
        return [self._at(index) for index in self._indices(self.size.height)]

    def _indices(self, height: int) -> range:
        first = int(self.scroll_y)
        return range(first, max(first, min(self.count, first + height - self._head)))

    def _at(self, index: int) -> Any | None:
        if self.source is not None:
            return self.source.row(index) if 0 <= index < len(self.source) else None
        return self.rows[index] if 0 <= index < len(self.rows) else None

    def _arrange(self, here: Any | None) -> None:
        rows = self._all
        if self.filter:
            wanted = self.filter.casefold()
            rows = [row for row in rows if wanted in self._needle(row).casefold()]
        order = next((column.order for column in self.columns if column.title == self.sorted_by), None)
        if order is not None:
            rows = sorted(rows, key=order, reverse=self.reverse)
        self.rows = rows
        if here is not None:
            key = self._key(here)
            found = next((number for number, row in enumerate(rows) if self._key(row) == key), None)
            if found is not None and (self.cursor or self.scroll_y or not self._follows):
                # A row that stays in sight stays in its line.
                moved = found - self.cursor
                self.cursor = found
                if moved and (self.scroll_y > 0 or self._follows):
                    self._resize()
                    self.scroll_to(y=max(0, self.scroll_y + moved), animate=False, immediate=True)
        self.again()
        self._tell(here)

    def _tell(self, before: Any | None) -> None:
        row = self.row
        if row is not before and row != before:
            self.post_message(self.Moved(self, row))

    def _resize(self) -> None:
        self.cursor = max(0, min(self.cursor, self.count - 1))
        size = Size(self.size.width, self.count + self._head)
        if size != self.virtual_size:
            self.virtual_size = size

    # -- drawing

    def render_line(self, y: int) -> Strip:
        """One line in sight."""
        line = self.line_at(y)
        at_cursor = bool(line) and line[0].style == "cursor"
        return self.strip_of(line, self.size.width, under="cursor" if at_cursor and self.has_focus else "")

    def painting(self, width: int, height: int) -> list[Line]:
        """The head, and the rows in sight."""
        if width < 2 or height < 1:
            return []
        if self._laid_out_for != width:
            self.columns_shown, self._laid_out_for = layout(self.columns, width - 2), width
        lines: list[Line] = []
        if self._head:
            head = head_line(self.columns_shown, sorted_by=self.sorted_by, reverse=self.reverse, chosen=self.chosen)
            lines.append(clip([Span(" "), *head], width))
        if not self.count:
            what = f"nothing here holds “{self.filter}”" if self.filter and self._all else self.nothing
            return [*lines, clip([Span("  "), Span(what, "dim")], width)][:height]
        return [*lines, *(clip(self._line(index), width) for index in self._indices(height))]

    def _line(self, index: int) -> Line:
        row = self._at(index)
        marked = index == self.cursor and self.has_focus
        mark = Span(_MARK, "cursor") if marked else Span(" ")
        if row is None:
            return [mark, Span("…", "dim")]
        line = row_line(row, self.columns_shown)
        if self.dimmed:
            line = [Span(span.text, "stale", span.action) for span in line]
        return [mark, *line]

    def watch_scroll_y(self, old: float, new: float) -> None:
        """What is in sight is other rows."""
        super().watch_scroll_y(old, new)
        self._painted_size = (0, 0)
        self.refresh()

    def on_resize(self) -> None:
        """Another size has room for other rows."""
        self._painted_size = (0, 0)
        self._resize()
        self._keep_in_sight()

    def watch_has_focus(self, has_focus: bool) -> None:
        """The cursor is seen where the keys go."""
        super().watch_has_focus(has_focus)
        self.repaint()

    # -- keys and mouse

    def move_to(self, index: int) -> None:
        """Put the cursor on a row."""
        before = self.row
        self.cursor = max(0, min(index, self.count - 1))
        self._keep_in_sight()
        self.repaint()
        self._tell(before)

    def _keep_in_sight(self) -> None:
        room = max(1, self.size.height - self._head)
        first = int(self.scroll_y)
        if self.cursor < first:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= first + room:
            self.scroll_to(y=self.cursor - room + 1, animate=False, immediate=True)

    def action_move(self, step: int) -> None:
        """One row up or down; beyond the end the screen may go on elsewhere."""
        if 0 <= self.cursor + step < self.count:
            self.move_to(self.cursor + step)
        else:
            self.post_message(self.Edge(self, step))

    def action_page(self, step: int) -> None:
        """As many rows as are in sight, without one."""
        self.move_to(self.cursor + step * max(1, self.size.height - self._head - 1))

    def action_first(self) -> None:
        """To the first row."""
        self.move_to(0)

    def action_last(self) -> None:
        """To the last row."""
        if self.source is not None:
            self.source.to_end()
        self.move_to(self.count - 1)

    def action_choose(self) -> None:
        """Open the row."""
        if (row := self.row) is not None:
            self.post_message(self.Chosen(self, row))

    def action_column(self, step: int) -> None:
        """Choose the next column that rows can be sorted by."""
        titles = [column.title for column, _ in self.columns_shown if column.order is not None]
        if titles:
            at = titles.index(self.chosen) if self.chosen in titles else 0
            self.chosen = titles[(at + step) % len(titles)]
            self.repaint()

    def action_sort_chosen(self) -> None:
        """Sort by the chosen column; when that is so already, the other way round; then as they come."""
        if not self.chosen:
            self.app.bell()
            return
        if self.source is not None:
            self.post_message(self.SortWanted(self, self.chosen))
            return
        here = self.row
        if self.sorted_by != self.chosen:
            self.sorted_by, self.reverse = self.chosen, False
        elif not self.reverse:
            self.reverse = True
        else:
            self.sorted_by, self.reverse = "", False
        self._arrange(here)
        self._keep_in_sight()

    def action_sort(self, number: int) -> None:
        """Sort by a column of the title line."""
        if number < len(self.columns_shown):
            self.chosen = self.columns_shown[number][0].title
            self.action_sort_chosen()

    def on_click(self, event: events.Click) -> None:
        """A click goes to a row, a second one opens it."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self._head:
            return
        index = int(self.scroll_y) + offset.y - self._head
        if index < self.count:
            again = index == self.cursor and event.chain >= 2
            self.move_to(index)
            if again:
                self.action_choose()


def _plain(content: str | Line) -> str:
    return content if isinstance(content, str) else text_of(content)
