"""Keeps to the glyphs that the Linux console's fonts have, whatever draws: our widgets and Textual's own."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from ..glyphs import in_font


class LettersOnly(LineFilter):
    """Puts letters and blocks in place of signs that such a font lacks, cell by cell."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, spelled with what the font has."""
        return [Segment(in_font(text), style, control) for text, style, control in segments]
