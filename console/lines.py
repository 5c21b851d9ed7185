"""Lines of styled text: what every part of the console draws itself with, and what tests read.

A line is a list of spans, each a text and the name of a style (styles.py); widths are those of the terminal's cells, in
which an East Asian letter takes two. Pure.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size

from streamdns.admin.schema.places import position_text, topic_text

ELLIPSIS: Final = "…"
#: Categories of characters that control, hide or turn around what follows them.
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


class Span(NamedTuple):
    """A piece of text in one style; `action` is what a click on it does (an action of the application)."""

    text: str
    style: str = ""
    action: str = ""


Line = list[Span]


def printable(text: str) -> str:
    """The text as one line that cannot touch the terminal: control and invisible characters are escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{{{ord(char):x}}}" if unicodedata.category(char) in _HIDDEN else char for char in text)


def place(topic: str | None, partition: int | None, position: int | None, *, short: bool = False) -> str:
    """Where an event stands in the log, `short` where a column has room for it; a token of some zones is not told."""
    if topic is None or position is None:
        return "–"
    return f"{printable(topic_text(topic) if short else topic)}/{partition}:{position_text(topic, position)}"


def position(topic: str, at: int) -> str:
    """A position in a column of its own: a number with its thousands separated, or a message id of Pulsar."""
    text = position_text(topic, at)
    return f"{at:,}" if text == str(at) else text


def width_of(line: Iterable[Span]) -> int:
    """The number of cells of a line."""
    return sum(cell_len(span.text) for span in line)


def text_of(line: Iterable[Span]) -> str:
    """A line without its styles."""
    return "".join(span.text for span in line)


def shorten(text: str, width: int, *, middle: bool = False) -> str:
    """The text in at most `width` cells, with an ellipsis at its end or in its middle where something is missing."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return ELLIPSIS[: max(0, width)]
    if not middle:
        return set_cell_size(text, width - 1).rstrip() + ELLIPSIS
    head = (width - 1) // 2
    tail = text[::-1]
    tail = set_cell_size(tail, width - 1 - head)[::-1]
    return set_cell_size(text, head) + ELLIPSIS + tail


def fit(text: str, width: int, *, right: bool = False, middle: bool = False) -> str:
    """The text in exactly `width` cells."""
    text = shorten(text, width, middle=middle)
    padding = " " * (width - cell_len(text))
    return padding + text if right else text + padding


def clip(line: Sequence[Span], width: int) -> Line:
    """The line cut, with an ellipsis, or padded to exactly `width` cells."""
    used, cut = 0, []
    for number, span in enumerate(line):
        cells = cell_len(span.text)
        if used + cells > width or (used + cells == width and any(each.text for each in line[number + 1 :])):
            room = width - used
            if used + cells == width:
                text = shorten(span.text + " ", room)
            else:
                text = shorten(span.text, room)
            cut.append(Span(text, span.style, span.action))
            used += cell_len(text)
            break
        cut.append(span)
        used += cells
    if used < width:
        cut.append(Span(" " * (width - used)))
    return cut


def apart(left: Sequence[Span], right: Sequence[Span], width: int) -> Line:
    """Both in one line of `width` cells, as far apart as they go; the right one goes first where room is short."""
    room = width - width_of(left)
    if room <= width_of(right):
        return clip(left, width)
    return [*left, Span(" " * (room - width_of(right))), *right]


def rule(title: str, width: int, *, right: Sequence[Span] = (), style: str = "title") -> Line:
    """A rule across the width with a title in it, and more at its right end."""
    head: Line = [Span("──", "rule")]
    if title:
        head += [Span(f" {shorten(title, max(1, width - 4))} ", style)]
    tail: Line = [Span(" "), *right, Span(" "), Span("─", "rule")] if right else []
    room = width - width_of(head) - width_of(tail)
    if room < 1:
        tail, room = [], width - width_of(head)
    return clip([*head, Span("─" * max(0, room), "rule"), *tail], width)


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, broken at spaces where there are any."""
    width = max(1, width)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        text = paragraph.lstrip(" ")
        # What is indented stays so, as far as there is room.
        line = " " * min(len(paragraph) - len(text), width // 2)
        begun = False
        for word in text.split(" "):
            joined = f"{line} {word}" if begun else line + word
            if cell_len(joined) > width:
                if begun:
                    lines.append(line)
                while cell_len(word) > width:
                    piece = set_cell_size(word, width).rstrip() or word[:1]
                    lines.append(piece)
                    word = word[len(piece) :]
                joined = word
            line, begun = joined, True
        lines.append(line)
    return lines
