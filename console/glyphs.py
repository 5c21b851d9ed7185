"""What the fonts of the Linux console can show, and the letters that stand there for every other sign. Pure.

Such a font has 256 or 512 glyphs. The kernel's own has those of code page 437; the ones that Debian loads instead have
Latin letters and lack its half blocks. What both have can be relied on. Letters of other scripts are left as they are:
whether they are seen is up to the font that somebody chose for them.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from rich.cells import cell_len

#: What every such font has beside letters and Latin-1, as far as the console draws with it.
SHOWN: Final = frozenset("─│┌┐└┘├┤┬┴┼█▒░·←↑→↓▲▼")
#: Each with as many cells as what stands for it: signs of the console, and those of Textual's windows and bars.
_INSTEAD: Final = {
    "…": "~", "–": "-", "—": "-", "›": ">", "⏎": ">", "⟳": "o", "≠": "#", "×": "x", "“": '"', "”": '"', "•": "*",
    "●": "*", "✖": "X", "◌": "o", "🔎": "> ",
    "╭": "┌", "╮": "┐", "╰": "└", "╯": "┘", "┏": "┌", "┓": "┐", "┗": "└", "┛": "┘", "━": "─", "┃": "│", "▔": "─",
    "▏": "│", "▎": "│", "▍": "│", "▕": "│", "▌": "█", "▋": "█", "▊": "█", "▉": "█", "▐": "█",
    "▁": "_", "▂": "_", "▃": "_", "▄": "▒", "▅": "▒", "▆": "▒", "▇": "█", "▀": "▒", "▓": "▒",
}
#: For output that is no more than ASCII.
_IN_ASCII: Final = {
    **_INSTEAD, "─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+", "┤": "+", "┬": "+", "┴": "+",
    "┼": "+", "█": "#", "▒": "=", "░": "-", "·": ".", "←": "<", "↑": "^", "→": ">", "↓": "v", "▲": "^", "▼": "v",
}


class _Table(dict[int, str]):
    """For str.translate: what is not in the table is found out once."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        known = code < 0x100 or char in SHOWN or unicodedata.category(char)[0] not in "SP"
        found = self[code] = char if known else "?" * cell_len(char)
        return found


_TABLE: Final = _Table({ord(char): _INSTEAD[char] for char in _INSTEAD})
_ASCII_TABLE: Final = str.maketrans(_IN_ASCII)


def in_font(text: str) -> str:
    """The text in as many cells, with nothing but letters and what every font of the Linux console has."""
    return text if text.isascii() else text.translate(_TABLE)


def in_ascii(text: str) -> str:
    """The text with ASCII for all signs that the console draws; letters of names stay."""
    return text if text.isascii() else text.translate(_ASCII_TABLE)


def spelled(text: str) -> str:
    """A text that is not laid out yet with the names of keys in place of their signs."""
    return text.replace("⏎", "Enter")
