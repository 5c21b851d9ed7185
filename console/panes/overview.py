"""The first screen: is DNS answered, is the data fresh, is everybody the same, what needs me."""

from __future__ import annotations

from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Size

from streamdns.admin.schema.data import Change

from .. import format as fmt
from ..attention import Attention, attention_of
from ..changes import change_line
from ..lines import ELLIPSIS, Line, Span, printable, rule, shorten, wrap
from ..model import Snapshot
from ..overview import WIDE, figures, plot_lines
from ..signs import sign
from ..widgets.canvas import Canvas
from ..widgets.columns import Column
from ..widgets.rows import Rows
from .pane import Host, Key, Pane

_CHANGES = 60
#: The longest name of a screen behind ⏎.
_WHERE = 11
#: With fewer lines than this there is room for two figures only.
_LOW = 12


class Figures(Canvas):
    """The four lines, or plots, at the top."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def paint(self, width: int, height: int) -> list[Line]:
        """The figures of now."""
        return figures(self._host.snapshot, width, self._host.drawing, plots=max(0, height - 4), low=height < 4)


class Title(Canvas):
    """A rule with a title."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._style = "title"

    def name_it(self, text: str, style: str = "title") -> None:
        """Another title."""
        if (text, style) != (self._text, self._style):
            self._text, self._style = text, style
            self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        """The rule."""
        return [rule(self._text, width, style=self._style)]


class _Rest(Canvas):
    """A sentence that the list above has no room for, all of it where there are several; not there where it has."""

    DEFAULT_CSS = "_Rest { height: auto; max-height: 4; display: none; }"

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def say(self, text: str, room: int, *, alone: bool) -> None:
        """Another sentence; `room` is the number of cells of the list, in which it may be alone."""
        begun = shorten(text, room)
        rest = ELLIPSIS + text[len(begun) - 1 :] if alone else f"› {text}"
        text = "" if begun == text or room <= 0 else rest
        if text != self._text:
            self._text = text
            self.display = bool(text)
            self.refresh(layout=True)
            self.repaint()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as it takes."""
        return len(self.paint(width, 4))

    def paint(self, width: int, height: int) -> list[Line]:
        """Under the sentence's beginning."""
        return [[Span(f"   {line}", "dim")] for line in wrap(self._text, max(8, width - 4))]


class Overview(Pane):
    """Figures, what needs attention, and the last changes."""

    DEFAULT_CSS = """
    Overview Figures { height: 4; margin: 0 0 1 0; }
    Overview #lists { height: 1fr; layout: vertical; }
    Overview .part { height: 1fr; }
    Overview #needs { height: auto; max-height: 50%; }
    Overview #needs Rows { height: auto; min-height: 1; max-height: 8; }
    Overview.wide #lists { layout: horizontal; }
    Overview.wide #needs { height: 1fr; max-height: 100%; width: 1fr; margin: 0 2 0 0; }
    Overview.wide #needs Rows { height: 1fr; max-height: 100%; }
    Overview.wide #last { width: 1fr; }
    """
    help = (
        "The first screen answers four questions, from the top down: is DNS answered, is the data fresh, do all nodes "
        "hold the same, and what needs you.\n"
        "answers and recursion are queries a second; p50 and p99 are the time within which half, and 99 of 100, of the "
        "answers of the last minute were given. lag is what of the log is not in the answers yet. propagation is how "
        "long a change took from being written until it could be answered.\n"
        "What needs attention stands worst first; ⏎ leads to the screen that helps. Nothing there is good news."
    )
    narrows = False

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._figures = Figures(host)
        self._needs_title, self._last_title = Title("needs attention"), Title("last changes")
        self.needs = Rows(
            [Column(title="what", cell=self._attention), Column(title="where", cell=_where, width=_WHERE, right=True)],
            key=lambda row: row.key,
            head=False,
            nothing="nothing needs attention",
        )
        self._rest = _Rest()
        self.last = Rows(
            [Column(title="change", cell=self._change)],
            key=lambda row: row.id,
            head=False,
            nothing="no changes yet",
            follows=True,
        )

    def compose(self) -> ComposeResult:
        """Figures above two lists."""
        yield self._figures
        with Container(id="lists"):
            with Container(id="needs", classes="part"):
                yield self._needs_title
                yield self.needs
                yield self._rest
            with Container(id="last", classes="part"):
                yield self._last_title
                yield self.last

    def title(self) -> str:
        """Its name."""
        return "overview"

    def key_hints(self) -> list[Key]:
        """What a list does."""
        return [Key("⏎", "go there"), Key("c", "copy"), Key("y", "JSON")]

    def show(self, snapshot: Snapshot) -> None:
        """The figures of now."""
        self._figures.repaint()
        needs = attention_of(snapshot)
        worst = needs[0].meaning.value if needs else "ok"
        self._needs_title.name_it(
            f"needs attention ({len(needs)})" if needs else "nothing needs attention", worst if needs else "title"
        )
        self.needs.nothing = "" if needs else "all is well: answered, fresh, and the same everywhere"
        if snapshot.node.status is None and not needs:
            self.needs.nothing = "asking the node …"
        self.needs.show(needs)
        self._say_rest()
        changes = snapshot.node.changes
        denied = snapshot.node.denied.get("journal")
        self._last_title.name_it("last changes" + ("" if changes.live or not changes.at_s else " (asked each second)"))
        self.last.nothing = denied or "no changes yet"
        self.last.dim(not snapshot.node.live)
        self.last.show(changes.rows[:_CHANGES])

    def as_of(self, snapshot: Snapshot) -> float | None:
        """The first line tells it."""
        return None

    def on_resize(self) -> None:
        """A wide terminal has plots, and the lists beside each other."""
        low = self.size.height < _LOW
        self._figures.styles.height = 2 if low else 4 + plot_lines(self.size.width, self.app.size.height)
        self._figures.styles.margin = (0, 0, 0 if low else 1, 0)
        self.set_class(self.size.width >= WIDE, "wide")
        self.call_after_refresh(self._say_rest)

    def focus_first(self) -> None:
        """Where there is something to do."""
        (self.needs if self.needs.count or not self.last.count else self.last).focus()

    @on(Rows.Edge)
    def _other_list(self, event: Rows.Edge) -> None:
        if event.rows is self.needs and event.step > 0 and self.last.count:
            self.last.focus()
        elif event.rows is self.last and event.step < 0 and self.needs.count:
            self.needs.focus()

    @on(Rows.Moved)
    def _moved(self) -> None:
        self._say_rest()

    def _say_rest(self) -> None:
        row = self.needs.row
        # What is left of the list's width for a sentence behind its mark, its sign, and in front of the screen's name.
        room = self.needs.size.width - 6 - _WHERE
        self._rest.say(row.text if row is not None else "", room, alone=self.needs.count == 1)

    @on(Rows.Chosen)
    def _open(self, event: Rows.Chosen) -> None:
        if isinstance(event.row, Attention):
            self.host.go(event.row.screen)
        elif isinstance(event.row, Change):
            self.host.open_name(event.row.name, event.row.type)

    def to_copy(self) -> str:
        """The text of a line."""
        rows = self.rows()
        row = rows.row if rows is not None else None
        if isinstance(row, Attention):
            return row.text
        return f"{row.name} {row.type}" if isinstance(row, Change) else ""

    def to_json(self) -> Any | None:
        """The status of the node, or the change that the cursor is on."""
        if self.last.has_focus and self.last.row is not None:
            return self.last.row
        status = self.host.snapshot.node.status
        return status.value if status is not None else None

    def _attention(self, row: Attention) -> Line:
        return [sign(row.meaning, plain=self.host.plain_signs()), Span(f" {row.text}")]

    def _change(self, row: Change) -> Line:
        return change_line(row, self.last.columns_shown[0][1], self.host.snapshot)


def _where(row: Attention) -> Line:
    return [Span("⏎ ", "dim"), Span(row.screen, "key")]


def attention_lines(snapshot: Snapshot, width: int) -> list[Line]:
    """The list of what needs attention as plain lines."""
    return [
        [Span(" "), sign(each.meaning), Span(f" {shorten(printable(each.text), width - 3)}")]
        for each in attention_of(snapshot)
    ]


def moment_of(change: Change) -> str:
    """When a change was applied."""
    return fmt.clock(change.time / 1000)
