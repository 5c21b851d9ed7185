"""What is sent to the terminal: only cells that changed, no colour twice, and all looks as if everything had been."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from streamdns_console.lines import Line, Span
from streamdns_console.widgets.canvas import changed_regions
from streamdns_console.widgets.sparing import Pen

COLOURS = st.sampled_from([None, "#d3dce6", "#4fd6be", "red", "default"])
STYLES = st.builds(
    Style,
    color=COLOURS,
    bgcolor=COLOURS,
    bold=st.sampled_from([None, False, True]),
    dim=st.sampled_from([None, True]),
    underline=st.sampled_from([None, True]),
    reverse=st.sampled_from([None, True]),
)
PIECES = st.tuples(st.sampled_from(["a", "bc", " ", "   ", "é"]), st.none() | STYLES)
SEGMENTS = st.lists(PIECES.map(lambda piece: Segment(*piece)), max_size=12)
Look = tuple[str, frozenset[str], str, str]


def looks(sequence: str) -> list[Look]:
    """Each letter with its attributes, colour and background, as a terminal shows it."""
    ends = {"22": "12", "23": "3", "24": "4", "27": "7"}
    attributes: set[str] = set()
    colour, background = "39", "49"
    shown: list[Look] = []
    for codes, text in re.findall(r"\x1b\[([\d;]*)m|([^\x1b]+)", sequence):
        for char in text:
            seen = colour if char != " " or attributes & {"4", "7"} else ""
            shown.append((char, frozenset(attributes), seen, background))
        wanted = codes.split(";") if codes else []
        while wanted:
            code = wanted.pop(0)
            if code in ("38", "48"):
                taken = 4 if wanted[0] == "2" else 2
                code = ";".join([code, *wanted[:taken]])
                del wanted[:taken]
            if code == "0":
                attributes, colour, background = set(), "39", "49"
            elif code in ends:
                attributes -= set(ends[code])
            elif code in "123457":
                attributes.add(code)
            elif code.startswith(("38", "3", "9")):
                colour = code
            else:
                background = code
    return shown


@given(SEGMENTS)
def test_a_terminal_shows_the_same_as_if_every_piece_had_all_of_its_style(segments: list[Segment]) -> None:
    """Attributes that end together, colours that stay, spaces without letters."""
    pen = Pen(ColorSystem.TRUECOLOR)
    sparing = pen.written(segments) + pen.end()
    plain = "".join((style or Style()).render(text, color_system=ColorSystem.TRUECOLOR) for text, style, _ in segments)
    assert looks(sparing) == looks(plain)
    assert not segments or sparing.endswith("\x1b[0m")


def test_no_colour_is_sent_twice() -> None:
    """A row of four pieces on one background: that is sent once, and bold ends without a reset of all."""
    dim, text = Style(color="#7f8b97", bgcolor="#0e1318"), Style(color="#d3dce6", bgcolor="#0e1318")
    pen = Pen(ColorSystem.TRUECOLOR)
    sent = pen.written(
        [Segment("03:12:07 ", dim), Segment("www", text), Segment("  ", dim), Segment("→", text + Style(bold=True))]
    )
    assert sent == (
        "\x1b[38;2;127;139;151;48;2;14;19;24m03:12:07 \x1b[38;2;211;220;230mwww  \x1b[1m→"
    )


def line(text: str) -> Line:
    """A line without styles."""
    return [Span(text)]


def test_only_what_differs_is_drawn() -> None:
    """Pieces that lie far from each other go by themselves; close ones together; nothing where nothing differs."""
    before = [line("03:12:07 www.shop.example. A 192.0.2.7"), line("same"), line("⟳ 1 s")]
    after = [line("03:12:08 www.shop.example. A 192.0.2.9"), [Span("sa"), Span("me")], line("⟳ 2 s")]
    found = [(region.x, region.y, region.width) for region in changed_regions(before, after, 38)]
    assert found == [(7, 0, 1), (37, 0, 1), (2, 2, 1)]
    assert [region.width for region in changed_regions([line("a1b2c")], [line("a3b4c")], 5)] == [3]


def test_a_line_with_wide_letters_is_drawn_whole() -> None:
    """Their cells cannot be counted by letters."""
    (region,) = changed_regions([line("例え.example. 1")], [line("例え.example. 2")], 15)
    assert (region.x, region.width) == (0, 15)
