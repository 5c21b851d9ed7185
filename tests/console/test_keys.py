"""Keys that a screen names at its bottom: each does something, none is cut off, what is refused is seen as such."""

from __future__ import annotations

from typing import Any

import pytest
from streamdns_console.app import Console
from streamdns_console.model import Caller, Part, Role
from streamdns_console.widgets.sparing import SparingScreen
from textual.pilot import Pilot

from tests.console import fake
from tests.console.driving import console, press, run, screen_lines, screen_text
from tests.console.fake import NOW_S, FakeReader
from tests.console.pictures import SUBJECTS
from tests.console.test_panes_node import RESOLVER, SERVERS

#: Every screen and every page behind one, by its picture.
SCREENS = (
    "overview", "zones", "records", "record", "log", "held", "refused", "refused-event", "changes", "resolver",
    "cached", "metrics", "fleet",
)
PRESSED = {
    "⏎": ("enter",), "↑↓": ("down",), "←→ s": ("right", "s"), "/": ("slash",), "esc": ("escape",), "tab": ("tab",),
}


async def back_to(pane: Any, app: Console, pilot: Pilot[None]) -> None:
    """As it was before a key led elsewhere, or opened something."""
    for _ in range(4):
        if isinstance(app.screen, SparingScreen) and not app.prompt.display and app.pane is pane:
            return
        await press(pilot, "escape")
    raise AssertionError(f"esc does not lead back: {screen_text(app)}")


@pytest.mark.slow
@pytest.mark.parametrize("name", SCREENS)
def test_every_key_that_a_screen_names_does_something(name: str) -> None:
    """Something is seen, asked for, or copied."""
    subject = SUBJECTS[name]

    async def test() -> None:
        # So low that a page has somewhere to scroll to.
        reader = FakeReader(subject.shown, subject.answers)
        async with console(reader, size=(80, 16)) as (app, pilot):
            copied: list[str] = []
            app.copy_to_clipboard = copied.append  # type: ignore[method-assign]
            await press(pilot, *subject.keys)
            pane: Any = app.pane
            keys = [key for key in pane.key_hints() if not key.refused]
            assert keys
            for key in sorted(keys, key=lambda key: key.key == "esc"):
                before = (screen_text(app), app.pane, len(reader.asked), len(copied))
                await press(pilot, *PRESSED.get(key.key, (key.key,)))
                assert (screen_text(app), app.pane, len(reader.asked), len(copied)) != before, f"{key} does nothing"
                if key.key != "esc":
                    await back_to(pane, app, pilot)

    run(test)


@pytest.mark.slow
@pytest.mark.parametrize("plain", [False, True], ids=["unicode", "Linux console"])
@pytest.mark.parametrize("name", SCREENS)
def test_no_key_is_cut_off_in_80_columns(name: str, plain: bool) -> None:
    """All that a screen names is there to be read."""
    subject = SUBJECTS[name]

    async def test() -> None:
        async with console(FakeReader(subject.shown, subject.answers), plain=plain) as (app, pilot):
            await press(pilot, *subject.keys)
            pane: Any = app.pane
            line = screen_lines(app)[-2]
            missing = [key for key in pane.key_hints() if f" {key.what}" not in line]
            assert not missing, line

    run(test)


def test_a_key_that_may_not_be_pressed_is_in_brackets() -> None:
    """Dim alone would be no sign on a terminal without colours, and there is not always room for the reason."""
    viewer = fake.node(
        resolver=Part(RESOLVER, NOW_S), servers=SERVERS, consumer=Part(fake.consumer(), NOW_S),
        caller=Caller(name="bob", role=Role.VIEWER),
    )

    async def test() -> None:
        async with console(FakeReader(fake.snapshot(viewer), SUBJECTS["cached"].answers)) as (app, pilot):
            await press(pilot, "3")
            assert "──(R rebuild) w wait" in screen_lines(app)[-2]
            await press(pilot, "6")
            assert "(F flush all)" in screen_lines(app)[-2]
            await press(pilot, "slash", *"www.example.com", "enter")
            assert "(t trace)(F flush)(B flush with all below) r again" in screen_lines(app)[-2]

    run(test)


WHOLE = {
    "log": "12.0k events/s, 1 min 10 s left",
    "resolver": "900 entries, 80 ready, 0 evicted",
    "resolver's servers": "✖ 6 time-outs, left alone for 1 min 20 s",
    "overview-disconnected": "disconnected since 03:11:26: connection refused — retrying in 4 s",
    "overview-catching-up": "43 %, 1 min 10 s left",
    "held": "1,100,000 RRsets would go away, 2 would come, 1 would have other records",
    "refused-event": "the content 192.0.2.256 is no A: 256 is no octet",
    "fleet": "example.net.; streamdns compare https://ns3:8054 names the records",
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_matters_has_room_in_80_columns(name: str) -> None:
    """How long it takes, who does not answer, why."""
    subject = SUBJECTS[name.split("'")[0]]

    async def test() -> None:
        async with console(FakeReader(subject.shown, subject.answers)) as (app, pilot):
            await press(pilot, *subject.keys)
            assert WHOLE[name] in " ".join(screen_text(app).split())

    run(test)
