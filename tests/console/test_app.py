"""The console under Textual's Pilot: the overview, ways around, states of the link, signing in."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
import streamdns_console
from streamdns_console import themes
from streamdns_console.api import Refused
from streamdns_console.dialogs import Document, Help, SignIn
from streamdns_console.model import Changes, Connection, Link, Node, Part
from textual import _time
from textual.widget import Widget
from textual.widgets import Input

from tests.console import fake
from tests.console.driving import console, press, run, screen_lines, screen_text, settled
from tests.console.fake import NOW_S, FakeReader, node, snapshot, status

REFUSED = node(status=Part(status(quarantine=1), NOW_S), quarantine=Part((fake.quarantined(1),), NOW_S))


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 30), (200, 60), (300, 100)])
def test_the_overview_says_what_counts_at_every_size(size: tuple[int, int]) -> None:
    """The state in the first line, the figures below, and all eight screens at the bottom."""

    async def test() -> None:
        async with console(FakeReader(snapshot(REFUSED)), size=size) as (app, _):
            lines = screen_lines(app)
            assert len(lines) == size[1]
            assert "● serving" in lines[0]
            assert "answers" in "".join(lines[2:4])
            assert [key for key in "12345678" if key not in lines[-1]] == []
            assert "1 event refused" in screen_text(app)
            if size[0] >= 80:
                assert "192.0.2.7 → 192.0.2" in screen_text(app)
                assert "fleet 3/3" in lines[0]

    run(test)


def test_what_waits_for_the_first_screen_is_done_once_it_is_drawn() -> None:
    """Once, however often it is drawn."""
    drawn: list[str] = []

    async def test() -> None:
        reader = FakeReader(snapshot(REFUSED))
        async with console(reader, drawn=lambda: drawn.append("then")) as (_, pilot):
            reader.show(snapshot())
            await settled(pilot)
            assert drawn == ["then"]

    run(test)


def test_a_new_size_is_drawn_though_the_process_was_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers of a few milliseconds are lost where a busy machine lets more go by between two looks at the clock."""

    async def test() -> None:
        async with console(FakeReader(snapshot())) as (app, pilot):
            looks = itertools.count()
            with monkeypatch.context() as patched:
                patched.setattr(_time, "get_time", lambda: monotonic() + next(looks) * 0.02)
                await pilot.resize_terminal(200, 60)
                await settled(pilot)
            assert next(looks), "no timer was started: this tests nothing"
            assert app.screen.size == (200, 60)
            assert "latency" in screen_text(app)
            await pilot.resize_terminal(80, 24)
            await settled(pilot)
            assert app.screen.size == (80, 24)

    run(test)


def test_the_screen_at_80_by_24_is_the_one_that_was_designed() -> None:
    """Line by line, so that a change of the layout is seen."""

    async def test() -> None:
        async with console(FakeReader(snapshot(REFUSED))) as (app, _):
            lines = [line.rstrip() for line in screen_lines(app)]
            assert lines[0] == " streamdns ns1.example.net   ● serving   0.1.0 up 12 d 3 h    fleet 3/3   ⟳ 1 s"
            assert lines[1].startswith("── overview ───")
            assert lines[2].startswith(
                " answers      142/s   ▅▆▅▆▅▆▅▆▅▆▅▆▅▆▅  p50   0.1  p99  0.98 ms  NXDOMAIN  3.8 %"
            )
            assert lines[7] == "── needs attention (1) " + "─" * 57
            assert lines[8].startswith("›▲ 1 event refused since 02:14: shop.example. A — the content")
            assert lines[8].endswith("⏎ refused")
            assert lines[9] == "   ….0.2.256 is no A: 256 is no octet"
            assert lines[10] == "── last changes " + "─" * 64
            assert lines[11].startswith(" 03:12:06 www.shop.example.       A      192.0.2.7 → 192.0.2.99")
            assert lines[11].endswith("deployd")
            assert lines[-2].startswith("── ⏎ go there  c copy  y JSON ──")
            assert lines[-1] == "1 overview 2 zones 3 log 4 refused 5 changes 6 resolver 7 metrics 8 fleet ? ^p q"

    run(test)


def test_a_sentence_without_room_stands_whole_below_several() -> None:
    """Its rest alone would be taken for that of the last one."""

    async def test() -> None:
        refused = Part((fake.quarantined(1),), NOW_S)
        both = node(status=Part(status(quarantine=1, conflicts=1), NOW_S), quarantine=refused)
        async with console(FakeReader(snapshot(both))) as (app, pilot):
            assert "needs attention (2)" in screen_lines(app)[7]
            assert screen_lines(app)[9].rstrip().endswith("⏎ conflicts")
            assert screen_lines(app)[10].startswith("   › 1 event refused since 02:14: shop.example. A — the content")
            await press(pilot, "down")
            assert "1 event refused" not in "".join(screen_lines(app)[10:12])

    run(test)


def test_enter_leads_to_what_needs_attention() -> None:
    """And escape comes back."""

    async def test() -> None:
        reader = FakeReader(
            snapshot(REFUSED),
            {
                "/v1/quarantine": fake.data.QuarantinePage(quarantined=[fake.quarantined(1)], total=1, next=None),
                "/v1/conflicts": fake.data.ConflictPage(conflicts=[], total=0, next=None),
            },
        )
        async with console(reader) as (app, pilot):
            await press(pilot, "enter")
            assert "refused and conflicts" in screen_lines(app)[1]
            assert "no conflicts" in screen_text(app)
            await press(pilot, "escape")
            assert "overview" in screen_lines(app)[1]

    run(test)


def test_nothing_that_needs_attention_is_said_to_be_good() -> None:
    """Not an empty space."""

    async def test() -> None:
        async with console(FakeReader(snapshot())) as (app, _):
            assert "all is well: answered, fresh, and the same everywhere" in screen_text(app)

    run(test)


def test_a_node_that_is_gone_is_a_state_and_keeps_its_figures() -> None:
    """Since when, why, and what next; the figures stay, dim."""

    async def test() -> None:
        reader = FakeReader(snapshot())
        async with console(reader) as (app, pilot):
            lost = Connection(link=Link.LOST, since_s=NOW_S, cause="connection refused", next_try_s=NOW_S + 45)
            reader.show(replace(snapshot(node(connection=lost)), at_s=NOW_S + 41))
            await settled(pilot)
            text = screen_text(app)
            assert "disconnected since 03:12:07: connection refused — retrying in 4 s" in text
            assert "1,204,551 records" in text
            assert "◌ disconnected" in text
            assert "⟳ 41 s old" in text
            figures = app.query_one("Figures")
            assert {span.style for line in figures.lines() for span in line if span.text.strip()} == {"stale"}
            reader.show(snapshot())
            await settled(pilot)
            assert "disconnected" not in screen_text(app)

    run(test)


def test_before_anything_is_known_the_screen_says_so() -> None:
    """No figures that are not there."""

    async def test() -> None:
        async with console(FakeReader(snapshot(Node(url=fake.URL)))) as (app, _):
            text = screen_text(app)
            assert "◌ connecting" in text
            assert "asking the node" in text

    run(test)


def test_signed_out_asks_for_a_name_without_losing_the_place() -> None:
    """The API's sentence where it is wrong; the screen is where it was."""

    async def test() -> None:
        out = Connection(link=Link.SIGNED_OUT, since_s=NOW_S, cause="the token has ended")
        reader = FakeReader(snapshot(), {"/signin": Refused("name or password is wrong", status=401)})
        async with console(reader, size=(80, 30)) as (app, pilot):
            await press(pilot, "8")
            reader.show(snapshot(node(connection=out)))
            await settled(pilot)
            assert isinstance(app.screen, SignIn)
            assert "the token has ended" in screen_text(app)
            await press(pilot, *"alice", "enter", *"guess", "enter")
            assert reader.signed_in == [("alice", "guess")]
            assert "name or password is wrong" in screen_text(app)
            assert app.screen.query_one("#password", Input).value == ""
            reader.answers = {}
            await press(pilot, *"right", "enter")
            reader.show(snapshot())
            await settled(pilot)
            assert not isinstance(app.screen, SignIn)
            assert "fleet" in screen_lines(app)[1]
            assert reader.tokens == ["a.b.c"]

    run(test)


def test_a_token_can_be_given_instead() -> None:
    """What is none is said."""

    async def test() -> None:
        reader = FakeReader(snapshot())
        async with console(reader, size=(80, 30)) as (app, pilot):
            await press(pilot, "ctrl+l", "tab", "tab", *"no token", "enter")
            assert "is no token" in screen_text(app)
            app.screen.query_one("#token", Input).value = "x.y.z"
            await press(pilot, "enter")
            assert reader.tokens == ["x.y.z"]

    run(test)


def test_a_slow_node_does_not_keep_the_keyboard_waiting() -> None:
    """Keys work while an answer is on its way."""

    async def test() -> None:
        import asyncio

        reader = FakeReader(snapshot())
        reader.slow = asyncio.Event()
        async with console(reader) as (app, pilot):
            await pilot.press("2")
            await pilot.pause()
            await pilot.press("5")
            await pilot.pause()
            assert "changes, live" in screen_lines(app)[1]
            reader.slow.set()
            await settled(pilot)

    run(test)


def test_help_is_for_this_screen() -> None:
    """And closes with escape."""

    async def test() -> None:
        async with console(FakeReader(snapshot()), size=(100, 50)) as (app, pilot):
            await press(pilot, "question_mark")
            assert isinstance(app.screen, Help)
            assert "four questions" in screen_text(app)
            await press(pilot, "escape")
            assert not isinstance(app.screen, Help)

    run(test)


def test_json_and_copy() -> None:
    """What the cursor is on."""

    async def test() -> None:
        async with console(FakeReader(snapshot(REFUSED))) as (app, pilot):
            copied: list[str] = []
            app.copy_to_clipboard = copied.append  # type: ignore[method-assign]
            await press(pilot, "c")
            assert copied[0].startswith("1 event refused")
            await press(pilot, "y")
            assert isinstance(app.screen, Document)
            assert '"instance": "ns1.example.net"' in screen_text(app)

    run(test)


def test_the_cursor_stays_with_its_row_when_changes_come() -> None:
    """A new line above moves it along."""

    async def test() -> None:
        reader = FakeReader(snapshot())
        async with console(reader) as (app, pilot):
            await press(pilot, "down")
            overview: Any = app.pane
            assert overview.last.row.id == 98
            rows = (fake.change(100, name="new.example.", after=["192.0.2.1"]), *fake.CHANGES)
            reader.show(snapshot(node(changes=Changes(rows=rows, live=True, at_s=NOW_S))))
            await settled(pilot)
            assert overview.last.row.id == 98
            assert "new.example." in screen_text(app)

    run(test)


@pytest.mark.parametrize("theme", [theme.name for theme in themes.THEMES])
def test_every_theme_draws_every_style(theme: str) -> None:
    """Truecolor and 16 colours, dark and light."""

    async def test() -> None:
        async with console(FakeReader(snapshot(REFUSED)), theme=theme) as (app, _):
            assert app.theme == theme
            styles = {name: app.query_one("Figures").style_of(name) for name in themes.STYLES}  # type: ignore[attr-defined]
            meanings = [str(styles[name].color) for name in ("ok", "notice", "warning", "alarm", "stale")]
            assert len(set(meanings)) == 5

    run(test)


def test_without_a_font_for_signs_there_are_letters() -> None:
    """As on the Linux console."""

    async def test() -> None:
        async with console(FakeReader(snapshot(REFUSED)), plain=True) as (app, _):
            text = screen_text(app)
            assert "* serving" in text
            assert "^ 1 event refused" in text
            assert not any("\u2800" < char <= "\u28ff" or char in "▂▃▅▆▇●▲✖◌" for char in text)

    run(test)


def test_several_nodes_are_gone_through_with_brackets() -> None:
    """The place stays the same."""

    async def test() -> None:
        other = node(url="http://ns2:8054", status=Part(status(instance="ns2.example.net"), NOW_S))
        async with console(FakeReader(snapshot(node(), other))) as (app, pilot):
            assert "node 1 of 2" in screen_lines(app)[1]
            await press(pilot, "right_square_bracket")
            assert "ns2.example.net" in screen_lines(app)[0]
            assert "node 2 of 2" in screen_lines(app)[1]

    run(test)


def test_light_and_dark() -> None:
    """One key."""

    async def test() -> None:
        async with console(FakeReader(snapshot())) as (app, pilot):
            await press(pilot, "T")
            assert app.theme == themes.LIGHT.name

    run(test)


def test_the_reader_is_stopped_at_the_end() -> None:
    """Nothing goes on behind."""

    async def test() -> None:
        reader = FakeReader(snapshot())
        async with console(reader) as (_, pilot):
            await press(pilot, "q")
        assert reader.stopped

    run(test)


def test_a_sentence_without_room_is_told_to_its_end() -> None:
    """Below the list, of the line that the cursor is on; not there where there is room."""

    async def test() -> None:
        async with console(FakeReader(snapshot(REFUSED))) as (app, pilot):
            lines = screen_lines(app)
            at = next(number for number, line in enumerate(lines) if "1 event refused" in line)
            begun = lines[at].split("…")[0].removeprefix("›▲ ")
            rest = lines[at + 1].strip().removeprefix("…")
            assert begun + rest == (
                "1 event refused since 02:14: shop.example. A — the content 192.0.2.256 is no A: 256 is no octet"
            )
            await pilot.resize_terminal(240, 24)
            await settled(pilot)
            assert "…" not in screen_text(app)

    run(test)


def test_no_two_widgets_have_one_name() -> None:
    """Styles go by the name of the class: those of the screen that was shown last would be those of both."""
    for module in pkgutil.walk_packages(streamdns_console.__path__, "streamdns_console."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours: list[type[Widget]] = []
    waiting: list[type[Widget]] = [Widget]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        waiting += kinds
        ours += [kind for kind in kinds if kind.__module__.startswith("streamdns_console")]
    names = [kind.__name__ for kind in set(ours)]
    assert len(names) > 30
    assert sorted(names) == sorted(set(names))
