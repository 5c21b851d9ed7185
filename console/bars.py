"""The bars around a screen: state of the node at the top, where one is, what keys do, and the eight screens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from . import format as fmt
from .glyphs import spelled
from .lines import Line, Span, apart, clip, fit, printable, rule, shorten, width_of
from .model import Link, Snapshot
from .overview import header
from .panes.pane import Host, Key
from .widgets.canvas import Canvas

#: The eight screens: key, name in the footer, and the name that go() knows.
SCREENS: Final = (
    ("1", "overview"),
    ("2", "zones"),
    ("3", "log"),
    ("4", "refused"),
    ("5", "changes"),
    ("6", "resolver"),
    ("7", "metrics"),
    ("8", "fleet"),
)

#: With fewer cells than this a reason says nothing.
_LEAST_REASON: Final = 24


class Header(Canvas):
    """The first line."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def paint(self, width: int, height: int) -> list[Line]:
        """State of the node."""
        return [header(self._host.snapshot, width, plain=self._host.plain_signs())]


class Band(Canvas):
    """A line across the screen while the node does not answer or wants a token: since when, why, what next."""

    DEFAULT_CSS = "Band { display: none; }"

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def update(self) -> None:
        """Show it where it is needed."""
        link = self._host.snapshot.node.connection.link
        self.display = link in (Link.LOST, Link.SIGNED_OUT)
        if self.display:
            self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        """What is the matter, in one sentence."""
        return [[Span(band_text(self._host.snapshot, width), "band")]]


def band_text(snapshot: Snapshot, width: int) -> str:
    """The sentence of the band in exactly `width` cells; where room is short the cause gives way."""
    connection = snapshot.node.connection
    if connection.link is Link.SIGNED_OUT:
        begin, end = " signed out: ", " — ctrl+l signs in"
    else:
        next_s = (connection.next_try_s or snapshot.at_s) - snapshot.at_s
        when = fmt.span(round(next_s)) if next_s >= 10 else f"{next_s:.0f} s"
        begin = f" disconnected since {fmt.clock(connection.since_s)}: "
        end = " — retrying now" if next_s < 1 else f" — retrying in {when}"
    cause = shorten(printable(connection.cause), max(8, width - len(begin) - len(end)))
    return fit(begin + cause + end, width)


class Crumbs(Canvas):
    """Where one is, in a rule."""

    def __init__(self) -> None:
        super().__init__()
        self._titles: tuple[str, ...] = ()
        self._right: Line = []

    def at(self, titles: Sequence[str], right: Line) -> None:
        """The way here, and what stands at the other end."""
        self._titles, self._right = tuple(titles), right
        self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        """The way here, its last part last."""
        room = width - 6 - (width_of(self._right) + 3 if self._right else 0)
        text = " › ".join(self._titles)
        if len(text) > room and len(self._titles) > 1:
            text = "… › " + self._titles[-1]
        line = rule(shorten(text, max(4, room), middle=True), width, right=self._right)
        # A click goes back, as escape does.
        return [[span._replace(action="app.back") if span.style == "title" else span for span in line]]


class Keys(Canvas):
    """What keys do on this screen, in a rule; a key that may not be pressed is dim, and in brackets."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self._keys: tuple[Key, ...] = ()

    def say(self, keys: Sequence[Key]) -> None:
        """Other keys."""
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        """As many as there is room for, and why one may not be pressed; a click presses it."""
        line: Line = [Span("──", "rule")]
        for key in self._keys:
            action = f"app.simulate_key('{key.pressed}')" if key.pressed else ""
            begin, end = ("(", ")") if key.refused else (" ", " ")
            name = spelled(key.key) if self._host.plain_signs() else key.key
            more: Line = [
                Span(begin, "dim" if key.refused else ""),
                Span(name, "dim" if key.refused else "key", action),
                Span(f" {key.what}{end}", "dim", action),
            ]
            if width_of(line) + width_of(more) + 1 > width:
                break
            line += more
        room = width - width_of(line)
        why = next((key for key in self._keys if key.refused), None)
        if why is not None and room > _LEAST_REASON:
            reason = shorten(f"{why.key}: {why.refused}", room - 5)
            line += [Span("─" * (room - len(reason) - 4), "rule"), Span(f" {reason} ", "stale"), Span("──", "rule")]
        return [[*line, Span("─" * max(0, width - width_of(line)), "rule")]]


class Footer(Canvas):
    """The eight screens and their keys."""

    def __init__(self) -> None:
        super().__init__()
        self._here = "overview"

    def at(self, screen: str) -> None:
        """The screen that is shown."""
        if screen != self._here:
            self._here = screen
            self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        """All screens; where there is no room, short names, then numbers."""
        right: Line = [
            Span("? ", "key", "app.help"),
            Span("help  ", "dim", "app.help"),
            Span("^p ", "key", "app.command_palette"),
            Span("all ", "dim", "app.command_palette"),
        ]
        short: Line = [
            Span("?", "key", "app.help"),
            Span(" "),
            Span("^p", "key", "app.command_palette"),
            Span(" "),
            Span("q", "key", "app.quit"),
        ]
        for letters, gap, tail in (
            (99, 2, right),
            (99, 2, short),
            (99, 1, short),
            (5, 1, short),
            (3, 1, []),
            (0, 1, []),
        ):
            line = self._screens(letters, gap)
            if width_of(line) + width_of(tail) + 1 <= width:
                return [apart(line, tail, width)]
        return [clip(line, width)]

    def _screens(self, letters: int, gap: int) -> Line:
        line: Line = [Span(" ")] if gap > 1 else []
        for key, name in SCREENS:
            here = name == self._here
            action = f"app.go('{name}')"
            line += [Span(key, "here" if here else "key", action)]
            if letters:
                line += [Span(f" {name[:letters]}", "strong" if here else "dim", action)]
            line.append(Span(" " * gap))
        return line[:-1]
