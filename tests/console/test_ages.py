"""Of when and of whom a screen is: old figures say how old they are, and nobody's are shown as those of another."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from typing import Any

import pytest
from streamdns_console.api import Refused
from streamdns_console.model import Caller, Role

from streamdns.admin.schema import data
from tests.console import fake
from tests.console.driving import console, press, run, screen_lines, screen_text, settled
from tests.console.fake import NOW_S, FakeReader, Part, node, snapshot
from tests.console.pictures import SUBJECTS
from tests.console.test_panes_node import RESOLVER, SERVERS


@pytest.mark.parametrize("plain", [False, True], ids=["unicode", "Linux console"])
def test_each_screen_says_how_old_it_is_when_it_is_old(plain: bool) -> None:
    """Dim alone says nothing without colours: the age stands beside where one is, or in the first line."""
    shown = node(consumer=Part(fake.consumer(), NOW_S), resolver=Part(RESOLVER, NOW_S), servers=SERVERS)
    answers = {**SUBJECTS["zones"].answers, **SUBJECTS["refused"].answers}
    sign = "o" if plain else "◌"

    async def test() -> None:
        for late_s in (2, 400):
            reader = FakeReader(snapshot(shown), answers)
            async with console(reader, plain=plain) as (app, pilot):
                for key in "12345678":
                    reader.show(snapshot(shown))
                    await press(pilot, key)
                    # The status goes on coming, but for the overview and the changes, which are as old as that.
                    status = Part(fake.status(), NOW_S if key in "15" else NOW_S + late_s)
                    # A list that is asked for again is as old as it was where nothing comes.
                    reader.answers = {} if key == "2" else answers
                    reader.show(replace(snapshot(replace(shown, status=status)), at_s=NOW_S + late_s))
                    await settled(pilot)
                    line = screen_lines(app)[1]
                    if key == "4":
                        assert line.endswith(" as of 03:12:07 ─")
                    elif key == "1":
                        assert ("6 min old" in screen_lines(app)[0]) == (late_s > 3)
                    else:
                        assert (f" {sign} 6 min old ─" in line) == (late_s > 3), (key, line)

    run(test)


@pytest.mark.parametrize("name", ["records", "record", "refused-event", "cached", "held"])
def test_what_was_asked_for_once_says_when(name: str) -> None:
    """It is as it was at that moment."""
    subject = SUBJECTS[name]

    async def test() -> None:
        reader = FakeReader(subject.shown, subject.answers)
        async with console(reader) as (app, pilot):
            await press(pilot, *subject.keys)
            assert screen_lines(app)[1].endswith(" as of 03:12:07 ─")
            reader.show(replace(subject.shown, at_s=NOW_S + 100))
            await settled(pilot)
            assert screen_lines(app)[1].endswith(" as of 03:12:07 ─")
            await press(pilot, "r")
            if name != "refused-event":
                assert screen_lines(app)[1].endswith(" as of 03:13:47 ─")

    run(test)


def two_nodes(call_of: Any) -> FakeReader:
    """A reader of two nodes, whose answers say of which one they are."""
    other = node(url="http://ns2:8054", status=Part(fake.status(instance="ns2", dns_addresses=[]), NOW_S))
    reader = FakeReader(snapshot(node(status=Part(fake.status(dns_addresses=[]), NOW_S)), other))
    reader.answers = {path: functools.partial(answer, reader) for path, answer in call_of.items()}
    return reader


def named(reader: FakeReader) -> str:
    """How the node that is asked calls what it has."""
    return "first" if reader.shown.main == 0 else "second"


ANSWERS: dict[str, Any] = {
    "/v1/zones": lambda reader, _: data.ZonePage(
        zones=[fake.zone("both.example."), fake.zone(f"{named(reader)}.example.")], total=2, next=None
    ),
    "/v1/zones/both.example./records": lambda reader, _: data.RRsetPage(
        rrsets=[fake.rrset("both.example.", "TXT", [named(reader)])], looked_at=1, next=None
    ),
    "/v1/zones/both.example./records/both.example.": lambda reader, _: data.NameRecords(
        name="both.example.", zone="both.example.", rrsets=[fake.rrset("both.example.", "TXT", [named(reader)])]
    ),
    "/v1/journal": lambda reader, _: data.JournalPage(
        changes=[fake.change(1, name="both.example.", after=[f"192.0.2.1 {named(reader)}"])], first=0, end=9, next=None
    ),
    "/v1/quarantine": lambda reader, _: data.QuarantinePage(
        quarantined=[fake.quarantined(1, reason=named(reader))], total=1, next=None
    ),
    "/v1/conflicts": lambda reader, _: data.ConflictPage(conflicts=[], total=0, next=None),
    "/v1/resolver/cache": lambda reader, _: {
        "name": "www.example.com.",
        "entries": [{"type": "TXT", "kind": "records", "ttl": 300, "records": [named(reader)], "detail": ""}],
    },
}
WAYS = {
    "zones": ("2",),
    "records": ("2", "enter"),
    "record": ("2", "enter", "enter"),
    "refused": ("4",),
    "changes": ("5", "slash", *"name=both.example", "enter"),
    "cached": ("6", "slash", *"www.example.com", "enter"),
}


@pytest.mark.parametrize("name", WAYS)
def test_nothing_of_the_node_before_is_shown_as_that_of_another(name: str) -> None:
    """What a screen fetched is asked for anew, at once where it is in sight, else when one comes back to it."""

    async def test() -> None:
        reader = two_nodes(ANSWERS)
        async with console(reader, size=(120, 24)) as (app, pilot):
            await press(pilot, *WAYS[name])
            assert "first" in screen_text(app)
            await press(pilot, "right_square_bracket")
            assert "ns2" in screen_lines(app)[0]
            assert ("first" in screen_text(app), "second" in screen_text(app)) == (False, True)
            await press(pilot, "1", "left_square_bracket", WAYS[name][0])
            assert ("first" in screen_text(app), "second" in screen_text(app)) == (True, False)

    run(test)


def test_an_answer_of_the_node_before_that_comes_late_is_dropped() -> None:
    """It was asked of another; and while nothing came yet, nothing is shown."""

    async def test() -> None:
        reader = two_nodes(ANSWERS)
        async with console(reader, size=(120, 24)) as (app, pilot):
            await press(pilot, "2", "down")
            before, then = asyncio.Event(), asyncio.Event()
            reader.slow = before
            await pilot.press("r")
            reader.slow = then
            await pilot.press("right_square_bracket")
            await pilot.pause()
            before.set()
            for _ in range(3):
                await pilot.pause()
            assert ("first" in screen_text(app), "second" in screen_text(app)) == (False, False)
            assert "asking" in screen_text(app)
            then.set()
            await settled(pilot)
            assert ("first" in screen_text(app), "second" in screen_text(app)) == (False, True)

    run(test)


def test_who_signs_in_sees_at_once_what_he_may_see() -> None:
    """What was refused to somebody else is asked for again, and one is where one was."""

    async def test() -> None:
        viewer = node(caller=Caller(name="bob", role=Role.VIEWER, zones=("a.example.",)))
        reader = FakeReader(snapshot(viewer), {"/v1/zones": Refused("this token is for some zones", status=403)})
        async with console(reader) as (app, pilot):
            await press(pilot, "2")
            assert "this token is for some zones" in screen_text(app)
            reader.answers = SUBJECTS["zones"].answers
            reader.show(snapshot(node(caller=Caller(name="alice"))))
            await settled(pilot)
            assert "zones (4)" in screen_lines(app)[1]
            await press(pilot, "down")
            reader.show(snapshot(node(caller=Caller(name="carol"))))
            await settled(pilot)
            assert screen_text(app).count("›") == 1
            pane: Any = app.pane
            assert pane.list.row.name == "shop.example."

    run(test)
