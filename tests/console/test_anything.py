"""Whatever a node may answer is drawn at any size, without an exception and without a line that is too wide."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamdns_console.attention import attention_of
from streamdns_console.changes import change_line
from streamdns_console.lines import Line, text_of, width_of
from streamdns_console.once import as_json, as_text
from streamdns_console.overview import Drawing, Scales, figures, header, plot_lines
from streamdns_console.panes import log, resolver
from streamdns_console.panes.fleet import fleet_rows
from streamdns_console.panes.metrics import metric_rows
from streamdns_console.panes.refused import payload_lines

from streamdns.admin.schema import data
from tests.console.anything import document, snapshot
from tests.console.driving import console, press, run, screen_lines, settled
from tests.console.fake import FakeReader

SEEDS = st.integers(0, 2**32)
WIDTHS = st.integers(40, 300)
OFTEN = settings(max_examples=60, deadline=None)


def harmless(lines: list[Line], width: int) -> None:
    """No line is wider than the terminal or has what it would take for a command."""
    for line in lines:
        assert width_of(line) <= width, text_of(line)
        assert text_of(line).isprintable() or not any(ord(char) < 32 for char in text_of(line)), text_of(line)


@OFTEN
@given(SEEDS, WIDTHS, st.integers(10, 100), st.booleans())
def test_any_snapshot_is_drawn_at_any_size(seed: int, width: int, height: int, plain: bool) -> None:
    """The first line, the figures, lists and pages."""
    shown = snapshot(seed)
    node = shown.node
    harmless([header(shown, width, plain=plain)], width)
    for plots in (0, plot_lines(width, height)):
        harmless(figures(shown, width, Drawing(Scales(), plain), plots=plots), width)
    for change in node.changes.rows:
        harmless([change_line(change, width, shown)], width)
    log.summary(node, shown.at_s, width, plain=plain)
    resolver.summary(node, width, plain=plain)
    assert all(each.screen for each in attention_of(shown))
    assert len(fleet_rows(shown)) >= len(shown.nodes)
    if node.metrics is not None:
        metric_rows(node.metrics.value, node.history)


@OFTEN
@given(SEEDS)
def test_any_snapshot_is_printed(seed: int) -> None:
    """As text and as JSON."""
    assert not any(ord(char) < 32 and char != "\n" for char in as_text(snapshot(seed)))
    assert as_json(snapshot(seed)).startswith("{")


@OFTEN
@given(SEEDS, WIDTHS)
def test_any_payload_is_shown(seed: int, width: int) -> None:
    """Whether it is JSON or not."""
    event = document(random.Random(seed), data.Quarantined)
    lines = payload_lines(event, width)
    assert lines
    harmless(lines, width)


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(SEEDS, st.integers(40, 300), st.integers(10, 100))
def test_the_console_shows_any_snapshot_on_every_screen(seed: int, width: int, height: int) -> None:
    """All eight, one after another, and what comes next."""

    async def test() -> None:
        reader = FakeReader(snapshot(seed))
        async with console(reader, size=(width, height)) as (app, pilot):
            await press(pilot, "escape")
            for key in "23456781":
                await press(pilot, key)
                assert len(screen_lines(app)) == height
            reader.show(snapshot(seed + 1))
            await settled(pilot)

    run(test)
