"""Lists of records under Textual's Pilot: sorted where they can be, searched with progress; who changed a zone."""

from __future__ import annotations

from typing import Any

import pytest
from streamdns_console.api import Refused
from streamdns_console.app import Console
from streamdns_console.model import Changes, Part
from streamdns_console.panes.records import MOST_SORTED
from textual.widgets import Input

from streamdns.admin.schema import data
from tests.console import fake
from tests.console.driving import console, press, run, screen_lines, screen_text, settled
from tests.console.fake import NOW_MS, NOW_S, FakeReader, node, snapshot
from tests.console.test_panes import NO_DNS, RECORD, many_records, page_of_zones


def told(app: Console) -> list[str]:
    """What was said in the corner, from the first to the last."""
    return [each.message for each in app._notifications]


def test_records_that_come_in_pages_are_sorted_by_any_column() -> None:
    """All of them, not only those that are loaded; a third time they stand in the order of the zone again."""

    async def test() -> None:
        answers, asked = many_records(1_200)
        async with console(FakeReader(snapshot(), answers), size=(100, 24)) as (app, pilot):
            await press(pilot, "2", "enter", "s", "s")
            pane: Any = app.pane
            assert [row.name[:11] for row in pane.list.rows[:2]] == ["host0001199", "host0001198"]
            assert pane.list.row.name == "host0000000.shop.example."
            assert "name▼" in screen_text(app)
            await press(pilot, "s", "right", "right", "s", "g")
            assert len(pane.list.rows) == 1_200
            await press(pilot, "r", "g")
            assert asked[-1] == ""
            assert "▼" not in screen_text(app)
            assert "host0000000" in screen_text(app)

    run(test)


def test_what_is_too_large_to_be_sorted_is_said_with_its_size() -> None:
    """Nothing is fetched for it; a search whose size nobody knows ends where it gets too large."""

    async def test() -> None:
        answers, asked = many_records(1_000_000)
        answers["/v1/search"] = answers["/v1/zones/shop.example./records"]
        async with console(FakeReader(snapshot(), answers), size=(100, 24)) as (app, pilot):
            await press(pilot, "2", "enter", "s")
            assert told(app) == [
                "1,000,000 RRsets are here in the order of their names; up to 20,000 can be sorted: search with / first"
            ]
            assert len(asked) == 1
            await press(pilot, "slash", *"host", "enter", "s")
            assert told(app)[-1].startswith(f"more than {MOST_SORTED:,} RRsets are here")
            pane: Any = app.pane
            assert pane.list.source is not None
            assert len(asked) < 50

    run(test)


def test_a_node_that_refuses_a_page_leaves_the_list_as_it_was() -> None:
    """The sentence is told."""

    async def test() -> None:
        answers, _ = many_records(1_200)
        pages = answers["/v1/zones/shop.example./records"]

        def page(call: Any) -> Any:
            return Refused("too many requests", status=429) if call.parameters["cursor"] == "500" else pages(call)

        answers["/v1/zones/shop.example./records"] = page
        async with console(FakeReader(snapshot(), answers), size=(100, 24)) as (app, pilot):
            await press(pilot, "2", "enter", "s")
            assert told(app) == ["too many requests"]
            assert "host0000000" in screen_text(app)

    run(test)


def test_the_end_of_a_million_records_is_there_at_once() -> None:
    """One page is asked for, whether or not it is known how many there are; from there it goes up page by page."""

    async def test() -> None:
        answers, asked = many_records(1_000_000)
        answers["/v1/search"] = answers["/v1/zones/shop.example./records"]
        async with console(FakeReader(snapshot(), answers), size=(100, 24)) as (app, pilot):
            for keys in (("2", "enter"), ("slash", *"host", "enter")):
                await press(pilot, *keys)
                asked.clear()
                await press(pilot, "G")
                pane: Any = app.pane
                assert pane.list.row.name == "host0999999.shop.example."
                assert screen_lines(app)[-3].startswith("›host0999999")
                assert asked == [""]
                for number in range(999_989, 997_900, -10):
                    pane.list.action_move(-10)
                    if pane.list.row is None:
                        await settled(pilot)
                    assert pane.list.row.name == f"host{number:07}.shop.example."
                assert len(asked) == 5
                await press(pilot, "pageup", "g")
                assert pane.list.row.name == "host0000000.shop.example."
                assert "on the way" not in screen_lines(app)[1]

    run(test)


def test_a_jump_far_into_a_list_says_how_far_it_is() -> None:
    """Pages are found one beside the other; what was gone past is forgotten, and the first row comes back."""
    titles: list[str] = []

    async def test() -> None:
        answers, _ = many_records(30_000)
        pages = answers["/v1/zones/shop.example./records"]

        def page(call: Any) -> data.RRsetPage:
            pane: Any = app.pane
            titles.append(pane.title())
            found: data.RRsetPage = pages(call)
            return found

        answers["/v1/zones/shop.example./records"] = page
        async with console(FakeReader(snapshot(), answers), size=(100, 24)) as (app, pilot):
            await press(pilot, "2", "enter")
            pane: Any = app.pane
            for row in (14_000, 15_900):
                pane.list.move_to(row)
                await settled(pilot)
                assert pane.list.row.name == f"host{row:07}.shop.example."
            assert "shop.example. (on the way: 10,000 of 30,000, g goes back)" in titles
            assert screen_lines(app)[1].startswith("── zones (1) › shop.example. (30,000) ──")
            await press(pilot, "g")
            assert pane.list.row.name == "host0000000.shop.example."

    run(test)


def test_a_long_search_says_how_far_it_is() -> None:
    """Pages without a hit are no end."""
    seen: list[str] = []

    async def test() -> None:
        def page(call: Any) -> data.RRsetPage:
            pane: Any = app.pane
            seen.append(pane.list.nothing)
            number = int(call.parameters["cursor"] or 0) + 1
            rows = [fake.rrset("needle.shop.example.")] if number == 4 else []
            return data.RRsetPage(rrsets=rows, looked_at=20_000, next=str(number) if number < 4 else None)

        reader = FakeReader(snapshot(), {"/v1/search": page})
        async with console(reader, size=(100, 24)) as (app, pilot):
            await press(pilot, "colon", *"search needle", "enter")
            assert "needle.shop.example." in screen_text(app)
        assert seen[-1] == "looking … 60,000 names looked at"

    run(test)


def test_who_changed_a_zone_is_asked_of_the_journal() -> None:
    """Each once, and only those in sight; a change that the journal has lost was made by nobody known."""
    zones = [fake.zone(f"zone{number:02}.example.", changed=NOW_MS - 86_400_000) for number in range(60)]

    async def test() -> None:
        def journal(call: Any) -> data.JournalPage:
            name = call.parameters["zone"]
            change = fake.change(1, name=name, after=["192.0.2.1"], producer=f"by-{name[:6]}")
            found = [] if name.startswith("zone03") else [change]
            return data.JournalPage(changes=found, first=0, end=100, next=None)

        reader = FakeReader(snapshot(), {**page_of_zones(zones), "/v1/journal": journal})
        async with console(reader, size=(120, 24)) as (app, pilot):
            await press(pilot, "2")
            reader.show(reader.shown)
            await press(pilot, "down")
            lines = screen_lines(app)
            assert "by-zone02" in next(line for line in lines if "zone02" in line)
            assert "by-" not in next(line for line in lines if "zone03" in line)
            asked = [call.parameters["zone"] for call in reader.asked if call.path == "/v1/journal"]
            assert len(asked) == len(set(asked)) < 30

    run(test)


def test_keys_at_the_bottom_can_be_clicked() -> None:
    """As everything that is named there."""

    async def test() -> None:
        async with console(FakeReader(snapshot(), page_of_zones([fake.zone("a.example.")]))) as (app, pilot):
            await press(pilot, "2")
            keys = next(y for y, text in enumerate(screen_lines(app)) if "copy dig" in text)
            x = screen_lines(app)[keys].index("filter")
            await pilot.click(offset=(x, keys))
            await press(pilot)
            assert app.prompt.display

    run(test)


@pytest.mark.parametrize(
    ("keys", "kind", "line"),
    [
        (("5", "t"), "/", "at="),
        (("3", "w"), ":", "wait dns/0:1499999"),
        (("colon", *"www.shop.example a", "enter", "w"), ":", "wait www.shop.example. A 192.0.2.99"),
        (("ctrl+p", *"search all", "enter"), ":", "search "),
    ],
    ids=["a time", "an offset", "a record", "everywhere"],
)
def test_keys_that_begin_a_line(keys: tuple[str, ...], kind: str, line: str) -> None:
    """What is known stands there already; a list is not narrowed by what only the node can look for."""

    async def test() -> None:
        shown = node(consumer=Part(fake.consumer(), NOW_S), status=Part(NO_DNS, NOW_S))
        async with console(FakeReader(snapshot(shown), RECORD), size=(100, 30)) as (app, pilot):
            await press(pilot, *keys)
            assert (app.prompt.display, app.prompt.kind) == (True, kind)
            assert app.prompt.query_one(Input).value == line
            await press(pilot, *"03:12")
            assert app.prompt.query_one(Input).value == f"{line}03:12"
            assert "192.0.2.99" in screen_text(app) or kind == ":"

    run(test)


def test_a_click_on_where_one_is_goes_back() -> None:
    """As escape does."""

    async def test() -> None:
        reader = FakeReader(snapshot(node(status=Part(NO_DNS, NOW_S))), RECORD)
        async with console(reader, size=(100, 30)) as (app, pilot):
            await press(pilot, "colon", *"www.shop.example a", "enter")
            assert "overview › www.shop.example." in screen_lines(app)[1]
            await pilot.click(offset=(20, 1))
            await press(pilot)
            assert screen_lines(app)[1].startswith("── overview ──")

    run(test)


def test_a_live_list_follows_what_comes_from_its_first_line_only() -> None:
    """On another line, what one looks at stays where it is, also while the list is not scrolled yet."""
    changes = [fake.change(number, name=f"host{number:03}.shop.example.", after=["192.0.2.1"]) for number in range(90)]

    async def test() -> None:
        def shown(newest: int) -> Any:
            return snapshot(node(changes=Changes(rows=tuple(changes[newest::-1]), live=True, at_s=NOW_S)))

        reader = FakeReader(shown(60))
        async with console(reader, size=(100, 24)) as (app, pilot):
            await press(pilot, "5")
            pane: Any = app.pane
            for newest in (61, 70):
                reader.show(shown(newest))
                await settled(pilot)
                assert pane.list.row.name == f"host{newest:03}.shop.example."
                assert "›" in next(line for line in screen_lines(app) if f"host{newest:03}" in line)
            await press(pilot, "down", "down", "down")
            before = screen_lines(app)
            for newest in (71, 80, 89):
                reader.show(shown(newest))
                await settled(pilot)
                assert pane.list.row.name == "host067.shop.example."
                # But for the scroll bar.
                assert [line[:-1] for line in screen_lines(app)[4:-2]] == [line[:-1] for line in before[4:-2]]
            await press(pilot, "g")
            assert pane.list.row.name == "host089.shop.example."

    run(test)
