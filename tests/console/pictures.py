"""Pictures of every screen and of the states that matter, as SVG with a clock that stands.

`python -m tests.console.pictures` takes them anew, where they are meant to be others now.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamdns_console import themes
from streamdns_console.model import Changes, Connection, Link, Node, Part, Snapshot

from streamdns.admin.schema import data, peers, state
from tests.console import fake
from tests.console.driving import console, press, settled
from tests.console.fake import NOW_S, FakeReader, node, snapshot, status
from tests.console.test_panes import NO_DNS, RECORD, REFUSED_PAGES, ZONES, page_of_zones
from tests.console.test_panes_node import RESOLVER, SERVERS, TRACE, VIEWER

FOLDER = Path(__file__).resolve().parent / "snapshots"
SMALL, LARGE = (80, 24), (160, 45)
DARK, LIGHT = themes.DARK.name, themes.LIGHT.name
#: Each size and each theme once; the first screen has all four.
TWO = ((SMALL, DARK), (LARGE, LIGHT))
FOUR = (*TWO, (SMALL, LIGHT), (LARGE, DARK))

REFUSED = node(status=Part(status(quarantine=1), NOW_S), quarantine=Part((fake.quarantined(1),), NOW_S))
GONE = Connection(link=Link.LOST, since_s=NOW_S - 41, cause="connection refused", next_try_s=NOW_S + 4)
FILLING = fake.consumer(
    state="catching-up",
    catch_up=state.CatchUp(done=43, end=100, percent=43.0, per_second=12_000.0, seconds_left=70.0),
)
DIVERGED = peers.Nodes(
    node=fake.report("ns1.example.net"),
    peers=[
        fake.peer("ns2"),
        fake.peer("ns3", diverges=True, zones=["shop.example.", "example.net."], digest="deadbeef" * 8),
        fake.peer("ns4", error="connection refused"),
        fake.peer("ns5", lag_events=1_204, lag_seconds=41.0, version="0.0.9"),
    ],
)
RECORDS = data.RRsetPage(
    rrsets=[
        fake.rrset("shop.example.", "SOA", ["ns1.shop.example. host.shop.example. 2026113001 7200 3600 1209600 300"]),
        fake.rrset("shop.example.", "NS", ["ns1.example.net.", "ns2.example.net."]),
        fake.rrset("*.apps.shop.example.", "CNAME", ["lb.example.net."], shadowed=True),
        fake.rrset("xn--bcher-kva.shop.example.", "A", ["192.0.2.9"], producer="импорт"),
        fake.rrset("mail.shop.example.", "MX", ["10 mx1.example.net.", "20 mx2.example.net."], rejected=True),
        fake.rrset("own.shop.example.", "AAAA", ["2001:db8::1"], local=True, topic=None, partition=None, position=None),
        *(fake.rrset(f"host{number:02}.shop.example.", records=[f"192.0.2.{number}"]) for number in range(40)),
    ],
    looked_at=46,
    next=None,
)
HELD_STATUS = Part(
    status(
        view__held=state.HeldRebuild(
            id="view-000002-1", since=fake.NOW_MS - 3_480_000, reason="3 of 10,312 zones would go away", zones=3,
            rrsets=1_204, zones_served=10_312, rrsets_served=1_100_000, added=2, changed=1,
        ),
        consumer__state="held",
        consumer__error="3 of 10,312 zones would go away",
    ),
    NOW_S,
)
HELD = {
    "/v1/rebuild/zones": data.ZonePage(
        zones=[fake.zone(f"{name}.example.", rrsets=400) for name in ("shop", "xn--bcher-kva", "web")],
        total=3,
        next=None,
    ),
    "/v1/rebuild/rrsets": data.RRsetPage(
        rrsets=[fake.rrset(f"host{number:02}.shop.example.", records=[f"192.0.2.{number}"]) for number in range(40)],
        looked_at=40,
        next=None,
    ),
}
CACHED = {
    "name": "www.example.com.",
    "entries": [
        {"type": "A", "kind": "records", "ttl": 300, "trust": 1, "records": ["192.0.2.1"], "detail": ""},
        {"type": None, "kind": "no name", "ttl": 0, "trust": 1, "records": [], "detail": ""},
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is known, what the node answers, and the keys that lead to the screen."""

    shown: Snapshot
    keys: Sequence[str] = ()
    answers: dict[str, Any] = field(default_factory=dict)
    views: Sequence[tuple[tuple[int, int], str]] = TWO


def well(**fields: Any) -> Snapshot:
    """A node that is well but for these fields."""
    return snapshot(node(**fields))


SUBJECTS = {
    "overview": Subject(shown=snapshot(REFUSED), views=FOUR),
    "overview-well": Subject(shown=snapshot()),
    "overview-connecting": Subject(shown=snapshot(Node(url=fake.URL))),
    "overview-disconnected": Subject(shown=well(connection=GONE, status=Part(status(), NOW_S - 41))),
    "overview-catching-up": Subject(
        shown=well(
            status=Part(status(consumer__state="catching-up", ready=False, not_ready_because=["filling"]), NOW_S),
            consumer=Part(FILLING, NOW_S),
        )
    ),
    "overview-diverged": Subject(
        shown=well(
            status=Part(status(divergence=["ns3 does not hold the same data"]), NOW_S), nodes=Part(DIVERGED, NOW_S)
        )
    ),
    "zones": Subject(shown=snapshot(), keys=("2",), answers=page_of_zones(ZONES)),
    "records": Subject(
        shown=snapshot(),
        keys=("2", "down", "enter"),
        answers={**page_of_zones(ZONES), "/v1/zones/shop.example./records": RECORDS},
    ),
    "record": Subject(
        shown=well(status=Part(NO_DNS, NOW_S)),
        keys=("colon", *"www.shop.example a", "enter"),
        answers=RECORD,
        views=FOUR,
    ),
    "log": Subject(shown=well(consumer=Part(FILLING, NOW_S)), keys=("3",)),
    "log-viewer": Subject(
        shown=snapshot(fake.replace(VIEWER, consumer=Part(fake.consumer(), NOW_S))), keys=("3",)
    ),
    "held": Subject(
        shown=well(status=HELD_STATUS, consumer=Part(fake.consumer(), NOW_S)), keys=("3", "h"), answers=HELD
    ),
    "rebuild": Subject(shown=well(consumer=Part(fake.consumer(), NOW_S)), keys=("3", "R")),
    "refused": Subject(shown=snapshot(REFUSED), keys=("4",), answers=REFUSED_PAGES),
    "refused-event": Subject(shown=snapshot(REFUSED), keys=("4", "enter"), answers=REFUSED_PAGES),
    "changes": Subject(
        shown=well(changes=Changes(rows=fake.CHANGES, live=True, at_s=NOW_S)), keys=("5",)
    ),
    "resolver": Subject(shown=well(resolver=Part(RESOLVER, NOW_S), servers=SERVERS), keys=("6",)),
    "cached": Subject(
        shown=well(resolver=Part(RESOLVER, NOW_S), servers=SERVERS),
        keys=("6", "slash", *"www.example.com", "enter", "t"),
        answers={"/v1/resolver/cache": CACHED, "/v1/resolver/trace": TRACE},
    ),
    "metrics": Subject(
        shown=well(metrics=Part(fake.metrics(queries=20_000, nxdomain=800), NOW_S)), keys=("7",)
    ),
    "fleet": Subject(shown=well(nodes=Part(DIVERGED, NOW_S)), keys=("8", "down", "down")),
    "help": Subject(shown=snapshot(), keys=("question_mark",)),
    "signed-out": Subject(
        shown=well(connection=Connection(link=Link.SIGNED_OUT, since_s=NOW_S, cause="the token has ended")),
        keys=("ctrl+l",),
    ),
}


def file_of(name: str, size: tuple[int, int], theme: str) -> Path:
    """Where a picture is kept."""
    return FOLDER / f"{name}-{size[0]}x{size[1]}-{theme.removeprefix('streamdns-')}.svg"


async def take(name: str) -> dict[Path, str]:
    """All pictures of a subject, by their files."""
    subject, found = SUBJECTS[name], {}
    reader = FakeReader(subject.shown, subject.answers)
    async with console(reader, size=subject.views[0][0], theme=subject.views[0][1]) as (app, pilot):
        await press(pilot, *subject.keys)
        for size, theme in subject.views:
            app.theme = theme
            await pilot.resize_terminal(*size)
            await settled(pilot)
            picture = app.export_screenshot(title="streamdns-console", simplify=True)
            found[file_of(name, size, theme)] = packed(picture)
    return found


def packed(picture: str) -> str:
    """A picture that looks the same in a third of the octets: nothing fetched, nothing clipped, one background."""
    picture = re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL)
    picture = re.sub(r'\s*<clipPath id="[\w-]+-line-\d+">.*?</clipPath>', "", picture, flags=re.DOTALL)
    picture = re.sub(r' clip-path="url\(#[\w-]+-line-\d+\)"', "", picture)
    picture = re.sub(r"terminal-\d+-", "t-", picture)
    rects = re.findall(r'<rect fill="(#\w+)"[^>]* shape-rendering="crispEdges"/>', picture)
    background, _ = Counter(rects).most_common(1)[0]
    picture = re.sub(rf'<rect fill="{background}"[^>]* shape-rendering="crispEdges"/>', "", picture)
    whole = f'<rect fill="{background}" width="100%" height="100%"/>'
    return re.sub(r'(<g [^>]*clip-path="url\(#t-clip-terminal\)">)', rf"\1{whole}", picture, count=1)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    wanted: set[Path] = set()
    for each in SUBJECTS:
        for path, picture in asyncio.run(take(each)).items():
            path.write_text(picture, encoding="utf-8")
            wanted.add(path)
            sys.stdout.write(f"{path.name}\n")
    for path in set(FOLDER.glob("*.svg")) - wanted:
        path.unlink()
