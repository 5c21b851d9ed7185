"""How commands print: text that is safe on any terminal, JSON, moments, and a progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Self, TextIO

_BAR_WIDTH = 30


def printable(text: str) -> str:
    """Escape everything but printable ASCII with backslashes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join([char if " " <= char <= "~" else ascii(char)[1:-1] for char in text])


def printable_octets(octets: bytes) -> str:
    """Return octets as printable text: UTF-8 where it is valid, \\xNN where it is not."""
    return printable(octets.decode("utf-8", "backslashreplace"))


def print_json(content: object) -> None:
    """Print one JSON document."""
    print(json.dumps(content, indent=2))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def moment(time_ms: int) -> str:
    """Format milliseconds since 1970 as ISO 8601 in UTC; "no timestamp" for 0."""
    if time_ms == 0:
        return "no timestamp"
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"


def note(sentence: str) -> None:
    """Print one line for people to standard error."""
    print(f"streamdns: {printable(sentence)}", file=sys.stderr)


class Progress:
    """A progress bar on standard error, drawn only on a terminal; use it as a context manager."""

    def __init__(self, total: int, what: str, *, to: TextIO | None = None) -> None:
        self._to = sys.stderr if to is None else to
        self.total, self._what = total, what
        self._shown = self._to.isatty()
        self._drawn = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Remove the bar, to print a line of text or at the end."""
        if self._shown and self._drawn:
            self._to.write("\r\x1b[K")
            self._to.flush()
            self._drawn = ""

    def at(self, done: int) -> None:
        """Show that so much of the total is done."""
        if not self._shown:
            return
        percent = 100 * min(done, self.total) // self.total if self.total else 100
        bar = "#" * (_BAR_WIDTH * percent // 100)
        self._draw(f"{self._what} [{bar:<{_BAR_WIDTH}}] {percent:3d} %")

    def counted(self, done: int, what: str) -> None:
        """Show that so many are done, of nobody knows how many."""
        self._draw(f"{self._what}: {done} {what}")

    def _draw(self, text: str) -> None:
        if self._shown and text != self._drawn:
            self._to.write(f"\r{text}" + " " * (len(self._drawn) - len(text)))
            self._to.flush()
            self._drawn = text
