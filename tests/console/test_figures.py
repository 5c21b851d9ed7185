"""Numbers, ages and moments as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from streamdns_console import format as fmt
from streamdns_console.lines import Span, apart, clip, fit, printable, rule, shorten, text_of, width_of, wrap


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (0.04, "0"),
        (0.3, "0.3"),
        (9.94, "9.9"),
        (9.96, "10"),
        (84, "84"),
        (999.4, "999"),
        (999.6, "1.0k"),
        (1234, "1.2k"),
        (18_449, "18.4k"),
        (99_960, "100k"),
        (104_000, "104k"),
        (2_100_000, "2.1M"),
    ],
)
def test_rates_have_three_digits(value: float | None, text: str) -> None:
    """A rate never takes more than five characters."""
    assert fmt.rate(value) == text


@given(st.floats(min_value=0, max_value=1e14))
def test_a_rate_is_at_most_five_characters(value: float) -> None:
    """Whatever it is."""
    assert len(fmt.rate(value)) <= 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (-5, "0.0 s"),
        (0.2, "0.2 s"),
        (9.99, "10 s"),
        (41, "41 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (12 * 86400 + 3 * 3600, "12 d 3 h"),
        (86400, "1 d"),
    ],
)
def test_spans(seconds: float | None, text: str) -> None:
    """One or two units."""
    assert fmt.span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.09e-3, "0.09"), (0.7e-3, "0.7"), (6.2e-3, "6.2"), (21e-3, "21"), (1.2, "1,200")]
)
def test_milliseconds(seconds: float, text: str) -> None:
    """Two digits that count."""
    assert fmt.millis(seconds) == text


def test_moments_are_in_utc_and_relative_within_an_hour() -> None:
    """As the server's log has them."""
    now = 1796008327.0
    assert fmt.exact(1796008327042) == "2026-11-30T03:12:07.042Z"
    assert fmt.when(now - 4, now) == "4 s ago"
    assert fmt.when(now - 7200, now) == "01:12:07"
    assert fmt.when(now - 3 * 86400, now) == "2026-11-27"
    assert fmt.since(now - 3480, now) == "02:14"
    assert fmt.when(1e18, now) == "now"


def test_octets_counts_and_shares() -> None:
    """With their units."""
    assert [fmt.octets(value) for value in (512, 4096, 412 << 20, 3 << 40)] == [
        "512 B",
        "4.0 KiB",
        "412 MiB",
        "3.0 TiB",
    ]
    assert fmt.count(1204551) == "1,204,551"
    assert [fmt.percent(value) for value in (0.041, 0.93, 1)] == ["4.1 %", "93 %", "100 %"]


@given(st.text(max_size=60), st.integers(1, 50), st.booleans(), st.booleans())
def test_text_is_fitted_to_cells(text: str, width: int, right: bool, middle: bool) -> None:
    """Wide letters count twice, and nothing is ever wider than it may be."""
    text = printable(text)
    assert cell_len(fit(text, width, right=right, middle=middle)) == width
    assert cell_len(shorten(text, width)) <= width


@given(st.lists(st.text(max_size=12), max_size=6), st.integers(1, 40))
def test_lines_are_clipped_to_cells(texts: list[str], width: int) -> None:
    """A line is exactly as wide as the terminal."""
    line = [Span(printable(text), "dim") for text in texts]
    assert width_of(clip(line, width)) == width


def test_what_cannot_be_printed_is_escaped() -> None:
    """Nothing that a name or a payload holds reaches the terminal as a command."""
    assert printable("a\x1b[31mb\u202e\n") == "a\\u{1b}[31mb\\u{202e}\\u{a}"
    assert printable("bücher 例え") == "bücher 例え"


def test_rules_and_columns() -> None:
    """Titles in rules, and two texts as far apart as they go."""
    assert text_of(rule("zones", 12)) == "── zones ───"
    assert text_of(apart([Span("left")], [Span("right")], 12)) == "left   right"
    assert text_of(apart([Span("left")], [Span("right")], 6)) == "left  "


@given(st.text(alphabet="ab 例", max_size=60), st.integers(2, 20))
def test_wrapped_text_is_whole(text: str, width: int) -> None:
    """Nothing is lost but spaces at the ends of lines."""
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
