"""The sign that goes with each meaning, so that no meaning is in a colour alone. Pure."""

from __future__ import annotations

from typing import Final

from .lines import Span
from .model import Meaning

_SIGNS: Final = {
    Meaning.OK: "●",
    Meaning.NOTICE: "!",
    Meaning.WARNING: "▲",
    Meaning.ALARM: "✖",
    Meaning.STALE: "◌",
}
#: For terminals whose font has nothing but letters, as the Linux console.
_PLAIN_SIGNS: Final = {
    Meaning.OK: "*",
    Meaning.NOTICE: "!",
    Meaning.WARNING: "^",
    Meaning.ALARM: "X",
    Meaning.STALE: "o",
}


def sign(meaning: Meaning, *, plain: bool = False) -> Span:
    """The sign of a meaning in its colour."""
    return Span((_PLAIN_SIGNS if plain else _SIGNS)[meaning], meaning.value)
