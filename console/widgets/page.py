"""A page of text that scrolls: as many lines as it has, drawn by whoever owns it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Size

from ..lines import Line
from .canvas import Canvas

Draw = Callable[[int], list[Line]]


class _Text(Canvas):
    """All lines of the page."""

    DEFAULT_CSS = "_Text { height: auto; width: 1fr; }"

    def __init__(self, draw: Draw) -> None:
        super().__init__()
        self._draw = draw

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are."""
        return max(1, len(self._draw(width)))

    def paint(self, width: int, height: int) -> list[Line]:
        """All of it."""
        return self._draw(width)


class Page(VerticalScroll, can_focus=True):
    """Lines that `draw` makes for a width; again() draws them anew, however many they are then."""

    DEFAULT_CSS = "Page { scrollbar-size-vertical: 1; scrollbar-background: $background; scrollbar-color: $rule; }"

    def __init__(self, draw: Draw, **options: Any) -> None:
        super().__init__(**options)
        self._text = _Text(draw)

    def compose(self) -> ComposeResult:
        """The text."""
        yield self._text

    def again(self) -> None:
        """What there is to say is something else now."""
        if self.is_mounted:
            self._text.refresh(layout=True)
            self._text.repaint()

    def repaint(self) -> None:
        """The same number of lines with other figures."""
        self._text.repaint()
