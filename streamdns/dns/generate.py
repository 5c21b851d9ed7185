"""$GENERATE of zone files: many records from one line, with the modifiers that BIND has. Pure.

`$GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE CONTENT`: in OWNER and CONTENT each `$` is the counter, and
`${OFFSET,WIDTH,BASE}` is the counter plus OFFSET, with zeros to WIDTH, in BASE d, o, x, X, or n, N (nibbles, the lowest
first, with dots between). What is not understood is an error, never text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_GENERATED = 1 << 20
_MAX_NUMBER = 0x7FFFFFFF
_MAX_WIDTH = 255

_range = re.compile(r"([0-9]{1,10})-([0-9]{1,10})(?:/([0-9]{1,10}))?", re.ASCII).fullmatch
_words = re.compile(r'"(?:\\.|[^"\\])*"|(?:\\.|[^ \t"\\])+', re.DOTALL).findall
_counter = re.compile(r"\\.|\$\$|\$\{[^}]*\}?|\$", re.DOTALL)
_modifier = re.compile(r"\$\{([+-]?[0-9]{1,10})(?:,([0-9]{1,3})(?:,([doxXnN]))?)?\}", re.ASCII).fullmatch


def generate(text: str) -> Iterator[str]:
    """The lines of records that the text behind $GENERATE stands for; raises ValueError."""
    words = _words(text)
    numbers = _numbers(words[0] if words else "")
    if len(words) < 4:
        raise ValueError("$GENERATE is written $GENERATE START-STOP OWNER [TTL] [CLASS] TYPE CONTENT")
    # BIND wants quotes around content of several fields; where they stand around all of it, they are not its own.
    if len(words) > 3 and words[-1].startswith('"') and _is_head(words[2:-1]):
        words[-1] = words[-1][1:-1].replace('\\"', '"')
    template = " ".join(words[1:])
    for number in numbers:
        yield _counted(template, number)


def _is_head(words: list[str]) -> bool:
    """Whether these words are all that stands before the content: TTL, class and type."""
    types = [word for word in words if not word[0].isdigit() and word.upper() not in ("IN", "CLASS1")]
    return len(types) == 1 and words[-1] == types[0] and '"' not in types[0]


def _numbers(text: str) -> range:
    match = _range(text)
    if match is None:
        raise ValueError("$GENERATE needs a range START-STOP or START-STOP/STEP")
    start, stop, step = int(match[1]), int(match[2]), int(match[3] or 1)
    if start > stop or step < 1 or max(start, stop, step) > _MAX_NUMBER:
        raise ValueError(f"the range of $GENERATE goes up, by 1 or more, within 0 to {_MAX_NUMBER}")
    numbers = range(start, stop + 1, step)
    if len(numbers) > MAX_GENERATED:
        raise ValueError(f"$GENERATE makes more than {MAX_GENERATED} records")
    return numbers


def _counted(template: str, number: int) -> str:
    """The template with the counter in place of each $."""

    def counter(match: re.Match[str]) -> str:
        found = match[0]
        if found == "$$":
            return "$"
        if found.startswith("\\"):
            return found
        if found == "$":
            return str(number)
        modifier = _modifier(found)
        if modifier is None:
            raise ValueError(f"{found} is not ${{OFFSET,WIDTH,BASE}} with a BASE of d, o, x, X, n, N")
        value, width = number + int(modifier[1]), int(modifier[2] or 0)
        if not 0 <= value <= _MAX_NUMBER:
            raise ValueError("$GENERATE gives a negative number" if value < 0 else "$GENERATE gives too large a number")
        if width > _MAX_WIDTH:
            raise ValueError(f"the width in {found} is greater than {_MAX_WIDTH}")
        base = modifier[3] or "d"
        return _nibbles(value, width, base) if base in "nN" else format(value, f"0{width}{base}" if width else base)

    return _counter.sub(counter, template)


def _nibbles(value: int, width: int, base: str) -> str:
    """Hexadecimal digits, the lowest first, with dots between; `width` counts digits and dots."""
    digits = "0123456789abcdef" if base == "n" else "0123456789ABCDEF"
    shown = ""
    while True:
        shown += digits[value & 15]
        value >>= 4
        width = max(0, width - 1)
        if not width and not value:
            return shown
        shown += "."
        width = max(0, width - 1)
        if not width and not value:
            return shown
