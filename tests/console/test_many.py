"""The console with thousands of zones and records of a real node: what is fetched, and keys that never wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamdns_console.app import Console
from streamdns_console.calls import Call
from streamdns_console.reader import LiveReader

from tests.console.driving import screen_lines, screen_text
from tests.harness import Server
from tests.harness.server import HOST, event_line

SOA = "ns.example.org. host.example.org. 1 3600 600 604800 60"
ZONES = 600
RECORDS = 12_000


class Counting(LiveReader):
    """Keeps which pages were asked for."""

    def __init__(self, url: str) -> None:
        super().__init__([url])
        self.asked: list[str] = []

    async def ask(self, call: Call[Any]) -> Any:
        self.asked.append(call.path)
        return await super().ask(call)


def fill(server: Server) -> None:
    """So many zones with a name each, and one with many."""

    def line(owner: str, rdtype: str, content: str) -> bytes:
        return event_line(f"{owner}|{rdtype}", [{"name": owner, "type": rdtype, "content": content, "ttl": 300}])

    lines = [line(f"zone{number:04}.example.", "SOA", SOA) for number in range(ZONES)]
    lines += [line(f"www.zone{number:04}.example.", "A", "192.0.2.1") for number in range(ZONES)]
    lines += [line(f"h{number:05}.zone0017.example.", "A", "192.0.2.2") for number in range(RECORDS)]
    with server.log.open("ab") as log:
        log.writelines(lines)


def test_thousands_of_zones_and_records_of_a_real_node(tmp_path: Path) -> None:
    """All zones are listed and narrowed; of a large one pages come as they are needed; to the end, and back."""

    async def test(reader: Counting) -> None:
        app = Console(reader)
        async with app.run_test(size=(100, 30)) as pilot:

            async def until(condition: Callable[[], Any], what: str) -> None:
                async with asyncio.timeout(60):
                    while not condition():
                        await pilot.pause(0.02)
                assert condition(), f"{what}:\n{screen_text(app)}"

            def pane() -> Any:
                return app.pane

            await pilot.press("2")
            await until(lambda: pane().list.count == ZONES, "all zones")
            await pilot.press("slash", *"0017", "enter")
            await until(lambda: f"zones ({1})" in screen_lines(app)[1], "one zone")
            zones = pane()
            await pilot.press("enter")
            await until(lambda: pane() is not zones and pane().list.row is not None, "its records")
            records = [path for path in reader.asked if path.endswith("/records")]
            assert len(records) == 1
            assert pane().list.count == RECORDS + 2
            await pilot.press("G")
            # While pages are on their way keys do what they do.
            await pilot.press("question_mark", "escape")
            await until(lambda: pane().list.row is not None, "the last record")
            assert pane().list.row.name == "www.zone0017.example."
            await pilot.press("g", "s")
            await until(lambda: pane().list.sorted_by == "name", "all of them, to be sorted")
            await pilot.press("s")
            assert pane().list.rows[0].name == "www.zone0017.example."
            await pilot.press("colon", *"search www.zone0599", "enter")
            await until(lambda: "everywhere" in screen_lines(app)[1] and pane().list.row is not None, "a hit")
            assert pane().list.row.name == "www.zone0599.example."

    server = Server(tmp_path)
    fill(server)
    with server:
        asyncio.run(test(Counting(f"http://{HOST}:{server.admin_port}")))
