"""A rebuilt view that is held: what would go away by it is seen in the console, and it can be let take over."""

from __future__ import annotations

from typing import Any

import msgspec
from streamdns_console.api import Refused
from streamdns_console.dialogs import Question
from streamdns_console.model import Caller, Role

from streamdns.admin.schema import data, state
from tests.console import fake
from tests.console.driving import console, press, run, screen_lines, screen_text, settled
from tests.console.fake import NOW_MS, FakeReader, node, snapshot
from tests.console.pictures import HELD, HELD_STATUS

ACCEPTED = state.Accepted(id="view-000002-1", zones=3, rrsets=1_204, by="admin", time=NOW_MS)


def held(**fields: Any) -> fake.Node:
    """A node with a view that waits."""
    return node(status=HELD_STATUS, consumer=fake.Part(fake.consumer(state="held"), fake.NOW_S), **fields)


def test_the_log_says_how_much_would_go_and_leads_there() -> None:
    """In figures, and zones and RRsets by name."""

    async def test() -> None:
        async with console(FakeReader(snapshot(held()), HELD), size=(100, 30)) as (app, pilot):
            await press(pilot, "3")
            text = " ".join(screen_text(app).split())
            assert "held since 02:14: 3 of 10,312 zones and 1,204 of 1,100,000 RRsets would go away" in text
            assert "2 would come, 1 would have other records: h shows what, and asks" in text
            await press(pilot, "h")
            text = screen_text(app)
            assert "zones that would go (3)" in text
            assert "bücher.example." in text
            assert "RRsets that would go (1,204)" in text
            assert "192.0.2.7" in text
            await press(pilot, "escape")
            assert screen_lines(app)[1].startswith("── log ──")

    run(test)


def test_a_held_view_takes_over_when_somebody_agrees_to_the_figures() -> None:
    """Enter alone does nothing; what is sent is what was shown."""

    async def test() -> None:
        reader = FakeReader(snapshot(held()), {**HELD, "POST /v1/rebuild/accept": ACCEPTED})
        async with console(reader, size=(100, 30)) as (app, pilot):
            await press(pilot, "3", "h", "A")
            assert isinstance(app.screen, Question)
            text = " ".join(screen_text(app).replace("│", " ").split())
            assert "3 of 10,312 zones and 1,204 of 1,100,000 RRsets go away and are not answered any more" in text
            asked = len(reader.asked)
            await press(pilot, "enter")
            assert len(reader.asked) == asked
            await press(pilot, "A", "y")
            assert reader.asked[-1].path == "/v1/rebuild/accept"
            body = msgspec.to_builtins(reader.asked[-1].body)
            assert body == {"id": "view-000002-1", "zones": 3, "rrsets": 1_204}
            assert "the rebuilt view takes over" in " ".join(screen_text(app).split())
            reader.show(snapshot())
            await settled(pilot)
            assert "no rebuilt view is held any more" in screen_text(app)
            await press(pilot, "A")
            assert not isinstance(app.screen, Question)

    run(test)


def test_what_a_node_refuses_and_who_may_not_is_said() -> None:
    """A viewer may look; an older node has no such lists."""

    async def test() -> None:
        reader = FakeReader(snapshot(held(caller=Caller(name="bob", role=Role.VIEWER))), {})
        async with console(reader, size=(100, 30)) as (app, pilot):
            await press(pilot, "3", "h")
            assert "/v1/rebuild/zones is not here" in screen_text(app)
            assert "(A take over)" in screen_lines(app)[-2]
            await press(pilot, "A")
            assert not isinstance(app.screen, Question)
            assert "needs the role admin, and bob is viewer" in " ".join(screen_text(app).split())

    run(test)


def conflict(number: int) -> data.Conflict:
    """One of many."""
    return data.Conflict(kind="cname", name=f"ftp{number:05}.example.", type="CNAME", detail="a CNAME shadows A")


def test_lists_go_on_behind_their_first_page_and_say_where_they_end() -> None:
    """Conflicts, too, of which only the first page was there; what is not shown is told of."""

    async def test() -> None:
        def conflicts(call: Any) -> data.ConflictPage:
            begin, limit = int(call.parameters["cursor"] or 0), call.parameters["limit"]
            rows = [conflict(number) for number in range(begin, begin + limit)]
            return data.ConflictPage(conflicts=rows, total=12_000, next=str(begin + limit))

        answers = {
            "/v1/quarantine": data.QuarantinePage(
                quarantined=[fake.quarantined(number) for number in range(700)], total=700, next=None
            ),
            "/v1/conflicts": conflicts,
        }
        async with console(FakeReader(snapshot(), answers), size=(100, 30)) as (app, pilot):
            await press(pilot, "4")
            text = screen_text(app)
            assert "refused events (700)" in text
            assert "conflicts (the first 1,000 of 12,000)" in text
            await press(pilot, "tab", "G")
            assert "ftp00999.example." in screen_text(app)

    run(test)


def test_a_list_that_is_asked_for_anew_does_not_get_the_pages_of_before() -> None:
    """Where the number of refused events changes while pages are on their way, none is there twice."""

    async def test() -> None:
        import asyncio

        def quarantine(call: Any) -> data.QuarantinePage:
            begin = int(call.parameters["cursor"] or 0)
            rows = [fake.quarantined(1000 - each, key=f"n{each:04}.example.|A") for each in range(begin, begin + 100)]
            return data.QuarantinePage(quarantined=rows, total=300, next=str(begin + 100) if begin < 200 else None)

        reader = FakeReader(
            snapshot(),
            {"/v1/quarantine": quarantine, "/v1/conflicts": Refused("not here", status=404, code="not_found")},
        )
        async with console(reader, size=(100, 30)) as (app, pilot):
            await press(pilot, "4")
            reader.slow = asyncio.Event()
            for _ in range(3):
                await pilot.press("r")
                await pilot.pause()
            reader.slow.set()
            await settled(pilot)
            pane: Any = app.pane
            names = [row.key for row in pane.list.rows]
            assert len(names) == len(set(names)) == 300

    run(test)
