"""Screens about the data under Textual's Pilot: zones, records, changes, refused events, in all states."""

from __future__ import annotations

from typing import Any

import pytest
from streamdns_console.api import Refused, Unreachable
from streamdns_console.dialogs import Document
from streamdns_console.model import Changes, Part
from streamdns_console.panes.journal import moment_ms, parse_filter
from streamdns_console.panes.records import parse_search

from streamdns.admin.schema import data, peers
from tests.console import fake
from tests.console.driving import console, press, run, screen_lines, screen_text, settled
from tests.console.fake import NOW_MS, NOW_S, FakeReader, node, snapshot, status

ZONES = [
    fake.zone("example.net.", records=12),
    fake.zone("shop.example.", records=1_204_551, changed=NOW_MS - 3_000),
    fake.zone("xn--bcher-kva.example.", records=7, soa=None),
    fake.zone("z" * 63 + "." + "y" * 63 + ".example.", stale=True, stale_seconds=400.0),
]


def page_of_zones(zones: list[data.Zone]) -> dict[str, Any]:
    """The zones as the API gives them."""
    return {"/v1/zones": data.ZonePage(zones=zones, total=len(zones), next=None)}


def test_zones_are_listed_with_who_changed_them() -> None:
    """Counts, the last change and by whom, names of other scripts in both spellings."""

    async def test() -> None:
        async with console(FakeReader(snapshot(), page_of_zones(ZONES)), size=(120, 24)) as (app, pilot):
            await press(pilot, "2")
            text = screen_text(app)
            assert "zones (4)" in text
            (shop,) = [line for line in screen_lines(app) if "shop.example." in line and "1,204,551" in line]
            assert "1 s ago" in shop
            assert "deployd" in shop
            assert "bücher.example." in text
            assert "no SOA" in text
            assert "◌ 6 min" in text

    run(test)


def test_a_list_is_narrowed_as_one_types_and_whole_again_with_escape() -> None:
    """The title says how many are left."""

    async def test() -> None:
        async with console(FakeReader(snapshot(), page_of_zones(ZONES))) as (app, pilot):
            await press(pilot, "2", "slash", *"SHOP")
            assert "zones (1)" in screen_lines(app)[1]
            await press(pilot, "enter")
            assert "only “SHOP” now" in screen_text(app)
            await press(pilot, "escape")
            assert "zones (4)" in screen_lines(app)[1]
            await press(pilot, "slash", *"bücher")
            assert "zones (1)" in screen_lines(app)[1]

    run(test)


def test_a_list_is_sorted_by_any_column_and_the_other_way_round() -> None:
    """The cursor stays on its zone."""

    async def test() -> None:
        async with console(FakeReader(snapshot(), page_of_zones(ZONES))) as (app, pilot):
            await press(pilot, "2", "right", "s")
            pane: Any = app.pane
            assert [row.records for row in pane.list.rows] == sorted(row.records for row in ZONES)
            assert pane.list.row.name == "example.net."
            await press(pilot, "s")
            assert pane.list.rows[0].name == "shop.example."
            assert "records▼" in screen_text(app)
            await press(pilot, "s")
            assert [row.name for row in pane.list.rows] == [row.name for row in ZONES]

    run(test)


@pytest.mark.parametrize(
    "answer",
    [
        Refused("this token is for some zones", status=403),
        Unreachable("no answer in time"),
        data.ZonePage(zones=[], total=0, next=None),
    ],
    ids=["forbidden", "no answer", "none"],
)
def test_no_zones_is_said_with_the_reason(answer: Any) -> None:
    """Never a blank."""

    async def test() -> None:
        async with console(FakeReader(snapshot(), {"/v1/zones": answer})) as (app, pilot):
            await press(pilot, "2")
            expected = str(answer) if isinstance(answer, Exception) else "there are no zones"
            assert expected in screen_text(app)

    run(test)


def many_records(count: int) -> tuple[dict[str, Any], list[str]]:
    """A zone of so many names, page by page, and which cursors were asked for."""
    asked: list[str] = []

    def page(call: Any) -> data.RRsetPage:
        cursor, limit = call.parameters["cursor"], call.parameters["limit"]
        asked.append(cursor)
        backwards = call.parameters.get("backwards", False)
        border = int(cursor) if cursor else count if backwards else 0
        begin, end = (max(0, border - limit), border) if backwards else (border, min(count, border + limit))
        rows = [
            fake.rrset(f"host{number:07}.shop.example.", records=[f"192.0.2.{number % 250}"])
            for number in range(begin, end)
        ]
        following = str(begin if backwards else end) if (begin if backwards else end < count) else None
        return data.RRsetPage(rrsets=rows[::-1] if backwards else rows, looked_at=len(rows), next=following)

    zone = fake.zone("shop.example.", rrsets=count, records=count)
    return {**page_of_zones([zone]), "/v1/zones/shop.example./records": page}, asked


def test_a_million_records_are_fetched_as_they_come_into_sight() -> None:
    """Page by page down, not all of them; what was seen and forgotten comes again."""

    async def test() -> None:
        answers, asked = many_records(1_000_000)
        async with console(FakeReader(snapshot(), answers), size=(100, 24)) as (app, pilot):
            await press(pilot, "2", "enter")
            assert "zones (1) › shop.example." in screen_lines(app)[1]
            assert "host0000000" in screen_text(app)
            assert len(asked) == 1
            for _ in range(12):
                await press(pilot, "pagedown")
            pane: Any = app.pane
            assert pane.list.row.name == f"host{pane.list.cursor:07}.shop.example."
            assert len(asked) <= 3
            pane.list.move_to(20_000)
            await settled(pilot)
            assert pane.list.row.name == "host0020000.shop.example."
            await press(pilot, "g")
            await settled(pilot)
            assert "host0000000" in screen_text(app)

    run(test)


def test_a_search_in_a_zone_is_the_nodes() -> None:
    """By name, type and content; escape shows the zone again."""

    async def test() -> None:
        answers, _ = many_records(500)
        answers["/v1/search"] = data.RRsetPage(
            rrsets=[fake.rrset("mail.shop.example.", "MX", ["10 mx.example."])], looked_at=500, next=None
        )
        reader = FakeReader(snapshot(), answers)
        async with console(reader, size=(100, 24)) as (app, pilot):
            await press(pilot, "2", "enter", "slash", *"type=MX", "enter")
            assert "10 mx.example." in screen_text(app)
            call = reader.asked[-1]
            assert {key: call.parameters[key] for key in ("type", "zone")} == {"type": "MX", "zone": "shop.example."}
            await press(pilot, "escape")
            assert "host0000000" in screen_text(app)

    run(test)


RECORD = {
    "/v1/zones/shop.example./records/www.shop.example.": data.NameRecords(
        name="www.shop.example.",
        zone="shop.example.",
        rrsets=[
            fake.rrset("www.shop.example.", "A", ["192.0.2.99"]),
            fake.rrset("www.shop.example.", "TXT", ['"a\x1b[31m b"'], shadowed=True),
            fake.rrset(
                "www.shop.example.", "AAAA", ["2001:db8::1"], local=True, topic=None, partition=None, position=None
            ),
        ],
    ),
    "/v1/journal": data.JournalPage(changes=[fake.CHANGES[0]], first=0, end=100, next=None),
    "/v1/wait": peers.Waited(
        applied=True,
        seconds=0.1,
        nodes=[peers.NodeWait(node="ns1", applied=True), peers.NodeWait(node="ns2", applied=False, error="is at 4700")],
    ),
}
NO_DNS = status(dns_addresses=[])


def test_a_record_has_a_page_with_its_origin_its_history_and_every_node() -> None:
    """From a ticket to the record with one line."""

    async def test() -> None:
        reader = FakeReader(snapshot(node(status=Part(NO_DNS, NOW_S))), RECORD)
        async with console(reader, size=(100, 50)) as (app, pilot):
            await press(pilot, "colon", *"www.shop.example a", "enter")
            text = screen_text(app)
            assert "overview › www.shop.example. A" in text
            assert "www.shop.example.  300  IN  A  192.0.2.99" in text
            assert "from dns/0:4711  written 2026-11-30T03:12:02.000Z (5 s ago)" in text
            assert '{"ticket":"OPS-1"}' in text
            assert "192.0.2.7 → 192.0.2.99" in text
            assert "● ns1" in text
            assert "▲ ns2  is at 4700" in text
            assert "shadowed" in text
            assert "this node's own" in text
            assert "\x1b" not in text
            assert "\\u{1b}[31m" in text

    run(test)


def test_a_name_that_is_nowhere_is_said() -> None:
    """In a sentence."""

    async def test() -> None:
        async with console(FakeReader(snapshot(node(status=Part(NO_DNS, NOW_S))))) as (app, pilot):
            await press(pilot, "colon", *"nowhere.example", "enter")
            assert "nowhere.example. is in no zone of this node that you may see" in screen_text(app)

    run(test)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("dance", "is no command and no name"),
        ("zone", "say which zone"),
        ("a.example b.example", "say one name"),
        ("wait x", "wait for what"),
        ("flush a. b.", "flush one name"),
    ],
)
def test_a_line_that_cannot_be_is_told(line: str, sentence: str) -> None:
    """Nothing happens but a sentence."""

    async def test() -> None:
        async with console(FakeReader(snapshot())) as (app, pilot):
            await press(pilot, "colon", *line, "enter")
            assert sentence in " ".join(screen_text(app).split())

    run(test)


def test_changes_pause_and_go_on() -> None:
    """What comes meanwhile is counted."""

    async def test() -> None:
        reader = FakeReader(snapshot())
        async with console(reader) as (app, pilot):
            await press(pilot, "5", "p")
            rows = (fake.change(100, name="new.example.", after=["192.0.2.1"]), *fake.CHANGES)
            reader.show(snapshot(node(changes=Changes(rows=rows, live=True, at_s=NOW_S))))
            await settled(pilot)
            assert "paused (1 new one)" in screen_lines(app)[1]
            assert "new.example." not in screen_text(app)
            await press(pilot, "p")
            assert "new.example." in screen_text(app)
            assert "changes, live" in screen_lines(app)[1]

    run(test)


def test_changes_are_looked_for_in_the_whole_journal() -> None:
    """By producer, zone and time."""

    async def test() -> None:
        def journal(call: Any) -> data.JournalPage:
            wanted = call.parameters
            found = [
                row for row in fake.CHANGES if row.time <= wanted["until"] and row.producer == wanted["producer"]
            ]
            return data.JournalPage(changes=found, first=0, end=100, next=None)

        reader = FakeReader(snapshot(), {"/v1/journal": journal})
        async with console(reader) as (app, pilot):
            await press(pilot, "5", "slash", *"by=deployd at=03:12:05", "enter")
            text = screen_text(app)
            assert "api.shop.example." in text
            assert "192.0.2.99" not in text
            await press(pilot, "escape")
            assert "192.0.2.99" in screen_text(app)

    run(test)


def test_filters_of_the_journal() -> None:
    """A time of day is the last such; what is none is said."""
    assert parse_filter("zone=shop.example by=x", NOW_S) == {"zone": "shop.example", "producer": "x"}
    assert moment_ms("03:12", NOW_S) == NOW_MS - 7000
    assert moment_ms("04:00", NOW_S) == NOW_MS - 7000 - 83520_000
    assert moment_ms("2026-11-30T03:12:07", NOW_S) == NOW_MS
    with pytest.raises(ValueError, match="is no moment"):
        moment_ms("noon", NOW_S)
    with pytest.raises(ValueError, match="is not known here"):
        parse_filter("colour=red", NOW_S)
    assert parse_search("www type=MX content=192.0.2 ns*") == {
        "name": "www",
        "type": "MX",
        "content": "192.0.2",
        "glob": "ns*",
    }


REFUSED_PAGES = {
    "/v1/quarantine": data.QuarantinePage(
        quarantined=[
            fake.quarantined(2),
            fake.quarantined(1, key=None, payload='{"name": "a\x1b', reason="the value is no JSON"),
        ],
        total=2,
        next=None,
    ),
    "/v1/conflicts": data.ConflictPage(
        conflicts=[
            data.Conflict(kind="cname", name="ftp.example.", type="CNAME", detail="a CNAME shadows the other types")
        ],
        total=1,
        next=None,
    ),
    "/v1/zones/shop.example./records/shop.example.": data.NameRecords(
        name="shop.example.", zone="shop.example.", rrsets=[fake.rrset("shop.example.", records=["192.0.2.25"])]
    ),
}


def test_a_refused_event_shows_its_payload_with_the_fault_and_what_stands() -> None:
    """And the conflicts below."""

    async def test() -> None:
        async with console(FakeReader(snapshot(), REFUSED_PAGES), size=(100, 30)) as (app, pilot):
            await press(pilot, "4")
            text = screen_text(app)
            assert "refused events (2)" in text
            assert "conflicts (1)" in text
            assert "a CNAME shadows the other types" in text
            await press(pilot, "enter")
            text = screen_text(app)
            assert '✖     "content": "192.0.2.256",' in text
            assert "A  192.0.2.25" in text
            await press(pilot, "escape", "down", "enter")
            text = screen_text(app)
            assert "✖" in text
            assert "the key names no RRset" in text
            assert "\x1b" not in text

    run(test)


def test_screens_keep_their_place() -> None:
    """The cursor and the level are where they were left."""

    async def test() -> None:
        async with console(FakeReader(snapshot(), page_of_zones(ZONES))) as (app, pilot):
            await press(pilot, "2", "down", "down", "5", "2")
            pane: Any = app.pane
            assert pane.list.row.name == "xn--bcher-kva.example."
            await press(pilot, "y")
            assert isinstance(app.screen, Document)

    run(test)


