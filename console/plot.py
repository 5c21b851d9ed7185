"""Sparklines and plots out of characters: braille where the terminal has it, shaded blocks where it has not. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .lines import Line, Span

Points = Sequence[float | None]

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
#: Fonts of the Linux console have no half blocks: one that is half as high is half as dark.
_HALVES: Final = " ▒█"
#: The dots of one braille character, from the top down, in its left and its right column.
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BRAILLE: Final = 0x2800
#: What ends of axes may be: 1, 2 or 5 with zeros.
_STEPS: Final = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot: its points from old to new (None: nothing is known), and the style that draws it."""

    points: tuple[float | None, ...]
    style: str


def ceiling(highest: float) -> float:
    """The round number at or above a value that an axis ends with."""
    if not highest > 0 or not math.isfinite(highest):
        return 1.0
    unit = 10.0 ** math.floor(math.log10(highest))
    return next((step * unit for step in _STEPS if step * unit >= highest), highest)


class Scale:
    """The upper end of an axis that follows its values with hysteresis: up at once, down only when much smaller."""

    def __init__(self, least: float = 0.0) -> None:
        self.top = self._least = least

    def follow(self, points: Points) -> float:
        """The end of the axis for these points."""
        wanted = ceiling(max((value for value in points if value is not None), default=0.0))
        if wanted > self.top or wanted * 3 < self.top:
            self.top = max(wanted, self._least)
        return self.top


def sparkline(points: Points, top: float, *, blocks: str = _BLOCKS) -> str:
    """One character a point, as high as its share of `top`; more than nothing is seen, what is unknown is blank."""
    steps = len(blocks) - 1
    drawn = []
    for value in points:
        if value is None:
            drawn.append(" ")
        elif value <= 0 or top <= 0:
            drawn.append(blocks[1])
        else:
            drawn.append(blocks[max(1, min(steps, math.ceil(value / top * steps)))])
    return "".join(drawn)


def spark_blocks(*, plain: bool) -> str:
    """The characters of sparklines: eight heights, or two where the terminal has no more."""
    return _HALVES if plain else _BLOCKS


def columns_of(width: int, *, plain: bool) -> int:
    """How many points fit beside each other into `width` characters."""
    return width if plain else 2 * width


def plot(
    curves: Sequence[Curve], width: int, height: int, top: float, *, filled: bool = False, plain: bool = False
) -> list[Line]:
    """The curves over each other, later ones on top, in `height` lines; `filled` draws the area below each."""
    if plain:
        return _blocks(curves, width, height, top)
    cells: list[list[int]] = [[0] * width for _ in range(height)]
    styles = [[""] * width for _ in range(height)]
    for curve in curves:
        _draw(curve, cells, styles, top, filled=filled)
    return [
        _joined([(chr(_BRAILLE + dots) if dots else " ", style) for dots, style in zip(row, styled, strict=True)])
        for row, styled in zip(cells, styles, strict=True)
    ]


def _draw(curve: Curve, cells: list[list[int]], styles: list[list[str]], top: float, *, filled: bool) -> None:
    height, width = len(cells), len(cells[0]) if cells else 0
    rows = height * 4
    points = curve.points[-2 * width :]
    offset = 2 * width - len(points)
    before: int | None = None
    for number, value in enumerate(points):
        if value is None:
            before = None
            continue
        share = min(1.0, max(0.0, value / top)) if top > 0 else 0.0
        level = min(rows - 1, round(share * (rows - 1)))
        low, high = (0, level) if filled else (level, level)
        if not filled and before is not None:
            # A line without holes: down or up to where the point before was.
            low, high = min(level, before + (before < level)), max(level, before - (before > level))
        before = level
        column = offset + number
        for dot in range(low, high + 1):
            y = rows - 1 - dot
            cells[y // 4][column // 2] |= _DOTS[column % 2][y % 4]
            styles[y // 4][column // 2] = curve.style


def _blocks(curves: Sequence[Curve], width: int, height: int, top: float) -> list[Line]:
    grid = [[(" ", "")] * width for _ in range(height)]
    for curve in curves:
        points = curve.points[-width:]
        for number, value in enumerate(points, width - len(points)):
            if value is None:
                continue
            halves = round(min(1.0, max(0.0, value / top)) * height * 2) if top > 0 else 0
            for row in range(height):
                filled = max(0, min(2, halves - 2 * (height - 1 - row)))
                if filled:
                    grid[row][number] = _HALVES[filled], curve.style
    return [_joined(row) for row in grid]


def stacked(layers: Sequence[Points]) -> list[tuple[float | None, ...]]:
    """Each layer with all before it added, so that they are drawn one above the other."""
    found: list[tuple[float | None, ...]] = []
    for layer in layers:
        if not found:
            found.append(tuple(layer))
            continue
        found.append(
            tuple(
                None if value is None and below is None else (value or 0.0) + (below or 0.0)
                for value, below in zip(layer, found[-1], strict=True)
            )
        )
    return found


def bar(share: float, width: int, *, plain: bool = False) -> str:
    """A bar of `width` characters of which a share is full."""
    share = min(1.0, max(0.0, share))
    if plain:
        full = round(share * width)
        return "#" * full + "-" * (width - full)
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    partial = " ▏▎▍▌▋▊▉"[rest] if rest else ""
    return ("█" * full + partial).ljust(width, "░") if full + bool(rest) < width else "█" * full + partial


def _joined(cells: Sequence[tuple[str, str]]) -> Line:
    line: list[Span] = []
    for text, style in cells:
        style = style if text != " " else ""
        if line and line[-1].style == style:
            line[-1] = Span(line[-1].text + text, style)
        else:
            line.append(Span(text, style))
    return line
