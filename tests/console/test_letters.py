"""On the Linux console: whatever is drawn, by us or by Textual, is in its font; keys are named; cells are kept."""

from __future__ import annotations

import re
import unicodedata

import pytest
from rich.cells import cell_len
from streamdns_console import glyphs
from streamdns_console.once import as_text
from textual.screen import Screen

from tests.console.driving import console, press, run, screen_lines, screen_text, settled
from tests.console.fake import FakeReader, snapshot
from tests.console.pictures import LARGE, SMALL, SUBJECTS

#: The kernel's own font: code page 437, whose first 32 places have glyphs, too.
KERNEL = frozenset(bytes(range(128, 256)).decode("cp437") + "☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼")
#: What of these the fonts lack that Debian's console-setup loads, such as Lat15-Fixed16.
DEBIAN_LACKS = frozenset("▄▀▌▐▓►◄√☺☻♥♣♠◘◙♂♀♪♫☼∟↨▬‼")
FONT = KERNEL - DEBIAN_LACKS


def not_in_font(lines: list[str]) -> set[str]:
    """Signs that such a terminal shows as nothing; letters of names are up to the font that somebody chose."""
    return {
        char for line in lines for char in line
        if ord(char) >= 0x80 and char not in FONT and unicodedata.category(char)[0] not in "LM"
    }


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_screen_keeps_to_the_font(name: str) -> None:
    """In the states and windows that there are pictures of, small and large, and no line is wider than the terminal."""

    async def test() -> None:
        subject = SUBJECTS[name]
        async with console(FakeReader(subject.shown, subject.answers), size=SMALL, plain=True) as (app, pilot):
            await press(pilot, *subject.keys)
            for size in (SMALL, LARGE):
                await pilot.resize_terminal(*size)
                await settled(pilot)
                lines = screen_lines(app)
                assert not not_in_font(lines)
                assert {cell_len(line) for line in lines} == {size[0]}
            # Otherwise the figures of a fleet would be compared by their colours.
            await press(pilot, "T")
            assert not not_in_font(screen_lines(app))

    run(test)


WINDOWS = {
    "palette": ("ctrl+p",),
    "palette, narrowed": ("ctrl+p", "f", "l", "e"),
    "filter": ("2", "slash"),
    "command line": ("colon",),
    "help of every list": ("2", "question_mark"),
    "JSON": ("y",),
    "told": ("c",),
    "told wrong": ("colon", *"dance", "enter"),
    "question": ("colon", *"wait 0:1", "enter"),
    "sign in": ("ctrl+l",),
    "sign in, typed": ("ctrl+l", *"ab", "tab", *"secret", "enter"),
    "several themes": ("ctrl+p", *"theme", "enter"),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_every_window_keeps_to_the_font(name: str) -> None:
    """Textual's borders, bars and signs, too."""

    async def test() -> None:
        reader = FakeReader(SUBJECTS["overview"].shown, SUBJECTS["zones"].answers)
        async with console(reader, plain=True) as (app, pilot):
            await pilot.press(*WINDOWS[name])
            await pilot.pause()
            assert not not_in_font(screen_lines(app))
            assert isinstance(app.screen, Screen)

    run(test)


def test_keys_have_names_where_the_font_has_no_signs_for_them() -> None:
    """At the bottom, in help, and where one types."""

    async def test() -> None:
        async with console(FakeReader(snapshot()), plain=True, size=(100, 60)) as (app, pilot):
            assert "── Enter go there" in screen_text(app)
            assert screen_lines(app)[0].rstrip().endswith("every 1 s")
            await press(pilot, "question_mark")
            assert re.search("Enter +go in", screen_text(app))
            await press(pilot, "escape", "ctrl+l")
            assert "Enter signs in" in screen_text(app)

    run(test)


@pytest.mark.parametrize("name", SUBJECTS)
def test_text_without_unicode_has_no_sign_beyond_ascii(name: str) -> None:
    """Whatever the state of the nodes."""
    text = as_text(SUBJECTS[name].shown, plain=True)
    assert {char for char in text if not char.isascii() and unicodedata.category(char)[0] not in "LM"} == set()


def test_letters_of_names_stay_and_unknown_signs_keep_their_cells() -> None:
    """A font for Cyrillic has Cyrillic letters; no font has a face."""
    assert glyphs.in_font("bücher импорт 例え €5 ½ «a»") == "bücher импорт 例え ?5 ½ «a»"
    assert glyphs.in_font("a😀b") == "a??b"
    assert all(cell_len(text) == cell_len(char) for char, text in glyphs._INSTEAD.items())
    assert frozenset("".join(glyphs._INSTEAD.values())) <= glyphs.SHOWN | set(map(chr, range(128)))
    assert glyphs.SHOWN <= FONT
