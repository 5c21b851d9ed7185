"""Places in the log as people read them: message ids of Pulsar, never the numbers that they are packed into."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from streamdns_console.actions import last_event, rebuild_effect
from streamdns_console.model import Changes, Node, Part
from textual.widgets import Input

from streamdns.admin.schema import data, state
from streamdns.events.message_id import pack
from tests.console import fake
from tests.console.driving import console, press, run, screen_text
from tests.console.fake import NOW_MS, NOW_S, FakeReader, node, snapshot, status

TOPIC = "persistent://public/default/zones"
AT, END = pack(27, 1034, 5), pack(27, 1034, 7)
PLACE: dict[str, Any] = {"topic": TOPIC, "partition": 2, "position": AT}
ROW = fake.rrset("www.shop.example.", **PLACE)
CHANGES = tuple(msgspec.structs.replace(each, **PLACE) for each in fake.CHANGES)
ANSWERS: dict[str, Any] = {
    "/v1/zones": data.ZonePage(zones=[fake.zone("shop.example.")], total=1, next=None),
    "/v1/zones/shop.example./records": data.RRsetPage(rrsets=[ROW], looked_at=1, next=None),
    "/v1/zones/shop.example./records/www.shop.example.": data.NameRecords(
        name="www.shop.example.", zone="shop.example.", rrsets=[ROW]
    ),
    "/v1/journal": data.JournalPage(changes=list(CHANGES), first=0, end=100, next=None),
    "/v1/quarantine": data.QuarantinePage(quarantined=[fake.quarantined(1, **PLACE)], total=1, next=None),
    "/v1/conflicts": data.ConflictPage(conflicts=[], total=0, next=None),
}


def pulsar() -> Node:
    """A node that reads a topic of Pulsar, and lies behind by an event."""
    partition = fake.partition(2, topic=TOPIC, position=AT, end=END, lag_events=1, lag_seconds=0.4, state="behind")
    ends = [state.PartitionPosition(topic=TOPIC, partition=2, position=AT, end=END, timestamp=NOW_MS)]
    consumer = fake.consumer(
        source=f"{TOPIC} of pulsar://broker:6650", client="pulsar", unit="ids", partitions=[partition],
        catch_up=state.CatchUp(done=43, end=100, percent=43.0, per_second=120.0, seconds_left=70.0, unit="entries"),
    )
    shown = node(
        status=Part(status(positions=ends, dns_addresses=[], quarantine=1), NOW_S),
        consumer=Part(consumer, NOW_S),
        changes=Changes(rows=CHANGES, live=True, at_s=NOW_S),
    )
    speeds = shown.speeds.added(consumer, 1.0)
    behind = msgspec.structs.replace(consumer, partitions=[msgspec.structs.replace(partition, position=AT + 1)])
    return fake.replace(shown, speeds=speeds.added(behind, 3.0))


WHERE = {
    "log": (("3",), ("27:1034:5", "27:1034:7", "positions are message ids", " –  ", "120 entries/s, 1 min 10 s left")),
    "changes": (("5",), ("zones/2:27:1034:5",)),
    "records": (("2", "enter"), ("zones/2:27:1034:5",)),
    "record": (("2", "enter", "enter"), (f"from {TOPIC}/2:27:1034:5",)),
    "refused": (("4",), ("zones/2:27:1034:5",)),
    "refused event": (("4", "enter"), (f"position  {TOPIC}/2:27:1034:5",)),
    "wait": (("3", "w"), (f"wait {TOPIC}/2:27:1034:6",)),
    "rebuild": (("3", "R"), ("fills a second view of about 412 MiB (1,100,000 RRsets); answers go on",)),
}


@pytest.mark.parametrize("name", WHERE)
def test_places_are_message_ids_on_every_screen(name: str) -> None:
    """With the topic as short as a column needs it, so that the id is what is seen."""
    keys, wanted = WHERE[name]

    async def test() -> None:
        async with console(FakeReader(snapshot(pulsar()), ANSWERS), size=(160, 30)) as (app, pilot):
            await press(pilot, *keys)
            text = " ".join(screen_text(app).replace("│", " ").split()) if name == "rebuild" else screen_text(app)
            assert [each for each in wanted if each not in text] == [], text
            for at in (AT, END, END - 1):
                assert str(at) not in text
                assert f"{at:,}" not in text

    run(test)


def test_an_id_can_be_waited_for_as_it_is_shown() -> None:
    """The last event of the partition unless another one is typed; a question says for what."""

    async def test() -> None:
        reader = FakeReader(snapshot(pulsar()), ANSWERS)
        async with console(reader, size=(100, 30)) as (app, pilot):
            await press(pilot, "3", "w", "enter")
            text = " ".join(screen_text(app).replace("│", " ").split())
            assert f"answer with position {TOPIC}/2:27:1034:6" in text
            await press(pilot, "y")
            call = reader.asked[-1]
            assert {key: call.parameters[key] for key in ("topic", "partition", "offset")} == {
                "topic": TOPIC, "partition": 2, "offset": END - 1,
            }
            for line, offset in (("wait 2:27:1034", pack(27, 1034, -1)), (f"wait 0:{AT}", AT)):
                await press(pilot, "colon", *line, "enter", "y")
                assert reader.asked[-1].parameters["offset"] == offset
            asked = len(reader.asked)
            await press(pilot, "colon", *"wait 0:1:2:3:4", "enter")
            assert "'1:2:3:4' is no position" in " ".join(screen_text(app).split())
            assert len(reader.asked) == asked

    run(test)


@pytest.mark.parametrize(
    ("end", "line"),
    [(1_500_000, "dns/0:1499999"), (0, "dns/0:0")],
)
def test_waiting_for_the_end_is_waiting_for_the_last_event(end: int, line: str) -> None:
    """The event that would stand at the end is not written yet: it would be waited for in vain."""
    assert last_event(fake.partition(0, position=end, end=end)) == line


def test_the_number_before_an_id_that_is_no_id_stays_a_number() -> None:
    """It can be typed all the same."""
    end = pack(28, 0, -1)
    assert last_event(fake.partition(0, topic=TOPIC, position=end, end=end)) == f"{TOPIC}/0:{end - 1}"


def test_what_a_rebuild_reads_is_counted_only_where_positions_count() -> None:
    """Events of Kafka, octets of a file; ids say nothing of how many there are."""
    counted = node(consumer=Part(fake.consumer(), NOW_S))
    assert "from 3,011,204 events of the log" in rebuild_effect(counted)
    assert "of the log" not in rebuild_effect(pulsar())


def test_a_line_for_a_place_begins_with_what_can_be_sent() -> None:
    """What stands in the line is what a number of Kafka is, too."""

    async def test() -> None:
        shown = node(consumer=Part(fake.consumer(), NOW_S))
        async with console(FakeReader(snapshot(shown))) as (app, pilot):
            await press(pilot, "3", "down", "w")
            assert app.prompt.query_one(Input).value == "wait dns/1:1500006"

    run(test)
