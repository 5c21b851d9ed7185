"""Widgets that are drawn as lines of spans, of which only the cells that changed are sent to the terminal."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from .. import themes
from ..lines import Line, Span, clip, printable

#: So many cells that did not change are not sent again: going past them takes fewer octets.
_WORTH_A_MOVE: Final = 10


class Drawn(Widget):
    """Draws itself as lines of spans in the theme's colours; repaint() sends what differs from the last time."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(themes.COMPONENT_CLASSES)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._styles_cache_key: Any = None
        self._resolved: dict[tuple[str, str], Style] = {}
        self._painted: list[Line] = []
        self._painted_size = (0, 0)

    def painting(self, width: int, height: int) -> list[Line]:
        """What is to be seen now: at most `height` lines of exactly `width` cells."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Paint anew, and have what changed shown."""
        if not self.is_mounted:
            return
        width, height = self.size
        before, again = self._painted, self._painted_size == (width, height)
        self._painted, self._painted_size = self.painting(width, height), (width, height)
        if not again:
            self.refresh()
        elif regions := changed_regions(before, self._painted, width):
            self.refresh(*regions)

    def line_at(self, y: int) -> Line:
        """One line of the painting, which is made now where the size is another than before."""
        width, height = self.size
        if self._painted_size != (width, height):
            self._painted, self._painted_size = self.painting(width, height), (width, height)
        return self._painted[y] if y < len(self._painted) else []

    def lines(self) -> list[Line]:
        """What it shows now."""
        return self._painted

    def style_of(self, style: str, under: str = "") -> Style:
        """The terminal's style for a span's, with the background of `under` where that is given."""
        theme = self.app.theme, self.app.native_ansi_color, self.background_colors
        if theme != self._styles_cache_key:
            self._styles_cache_key = theme
            self._resolved.clear()
        known = self._resolved.get((style, under))
        if known is None:
            known = self.rich_style
            if under:
                known += self._component(under)
            if style:
                part = self._component(style)
                known += (
                    Style(
                        color=part.color,
                        bold=part.bold or None,
                        underline=part.underline or None,
                        reverse=part.reverse or None,
                    )
                    if under
                    else part
                )
            self._resolved[style, under] = known
        return known

    def strip_of(self, line: Line, width: int, *, under: str = "") -> Strip:
        """A line as the terminal gets it."""
        segments = []
        # Whatever was forgotten on the way here: nothing that a terminal takes for a command gets to it.
        safe = [span if span.text.isprintable() else Span(printable(span.text), *span[1:]) for span in line]
        for span in clip(safe, width):
            style = self.style_of(span.style, under)
            if span.action:
                style += Style.from_meta({"@click": span.action})
            segments.append(Segment(span.text, style))
        return Strip(segments, width)

    def _component(self, style: str) -> Style:
        return self.get_component_rich_style(themes.CLASS_PREFIX + style)


class Canvas(Drawn):
    """A widget that paints all of its lines."""

    DEFAULT_CSS = themes.component_css("Canvas") + "\nCanvas { height: 1; }"

    def paint(self, width: int, height: int) -> list[Line]:
        """At most `height` lines of at most `width` cells."""
        raise NotImplementedError

    def painting(self, width: int, height: int) -> list[Line]:
        """The lines of paint(), cut to size."""
        return [clip(line, width) for line in self.paint(width, height)[:height]] if width and height else []

    def render_line(self, y: int) -> Strip:
        """One line."""
        return self.strip_of(self.line_at(y), self.size.width)


def changed_regions(before: list[Line], after: list[Line], width: int) -> list[Region]:
    """Where two paintings differ, as pieces of lines."""
    regions = []
    for y in range(max(len(before), len(after))):
        old = before[y] if y < len(before) else []
        new = after[y] if y < len(after) else []
        if old != new:
            regions += [Region(first, y, last - first, 1) for first, last in _differing(old, new, width)]
    return regions


def _differing(old: Line, new: Line, width: int) -> list[tuple[int, int]]:
    """The pieces that differ, each its first cell and the one behind its last; what is between two of them is longer
    than what it takes to go to another place. All of the line where letters are wider than a cell.
    """
    was, now = _cells(old), _cells(new)
    if was is None or now is None or len(was) != len(now):
        return [(0, width)]
    pieces: list[tuple[int, int]] = []
    for at, (before, after) in enumerate(zip(was, now, strict=True)):
        if before == after:
            continue
        if pieces and at - pieces[-1][1] < _WORTH_A_MOVE:
            pieces[-1] = pieces[-1][0], at + 1
        else:
            pieces.append((at, at + 1))
    return pieces


def _cells(line: Line) -> list[tuple[str, str, str]] | None:
    cells = []
    for span in line:
        if not span.text.isascii() and not _narrow(span):
            return None
        cells += [(char, span.style, span.action) for char in span.text]
    return cells


def _narrow(span: Span) -> bool:
    # Everything that the console itself draws is in these blocks; names in other scripts redraw their line.
    return all(char < "\u0300" or "\u2010" <= char <= "\u27ff" or "\u2800" <= char <= "\u28ff" for char in span.text)
