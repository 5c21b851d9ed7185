"""Take the pictures of docs/console.md from a running streamdns with queries: `make pictures`, two minutes.

Run it from the top of the checkout with `python docs/pictures.py`.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import dns.message  # noqa: E402 - the checkout has to be on the path first
from streamdns_console import themes  # noqa: E402
from streamdns_console.app import Console  # noqa: E402
from streamdns_console.reader import LiveReader  # noqa: E402

from tests.harness import Server  # noqa: E402
from tests.harness.server import HOST  # noqa: E402

_SECONDS = 100
_ZONES = ("shop.example", "example.net", "xn--bcher-kva.example", "games.example", "cdn.example")
_SOA = "ns1.example.net. hostmaster.example.net. 2026113001 7200 3600 1209600 300"


def fill(server: Server) -> None:
    """Some zones, and an event that is refused."""
    for zone in _ZONES:
        server.publish(zone, "SOA", [_SOA])
        server.publish(zone, "NS", ["ns1.example.net.", "ns2.example.net."])
        for host in ("www", "api", "mail", *(f"host{number}" for number in range(40))):
            server.publish(f"{host}.{zone}", "A", ["192.0.2.7"])
    server.publish("shop.example", "A", ["192.0.2.256"])
    server.wait_applied()


def live(server: Server, over: threading.Event) -> None:
    """Queries in waves, and a change now and then."""
    chance = random.Random(1)
    names = [f"{host}.{zone}" for zone in _ZONES for host in ("www", "api", "host3", "nothing")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect((HOST, server.port))
        udp.setblocking(False)
        number = 0
        while not over.wait(0.01):
            for _ in range(chance.randrange(1, 4 + number // 50 % 8)):
                udp.send(dns.message.make_query(chance.choice(names), "A").to_wire())
            try:
                while udp.recv(4096):
                    pass
            except OSError:
                pass
            number += 1
            if number % 150 == 0:
                server.publish(chance.choice(names[:3]), "A", [f"192.0.2.{number // 150 % 250}"])


async def take(server: Server) -> None:
    """One picture after another."""
    url = f"http://{HOST}:{server.admin_port}"
    pictures = (
        ("console-overview", (160, 45), themes.DARK.name, ()), ("console-80x24", (80, 24), themes.DARK.name, ()),
        ("console-light", (80, 24), themes.LIGHT.name, ()), ("console-zones", (100, 24), themes.DARK.name, ("2",)),
        ("console-record", (100, 30), themes.DARK.name, (":", *"www.shop.example", "space", "A", "enter")),
        ("console-changes", (100, 24), themes.DARK.name, ("5",)),
        ("console-refused", (100, 28), themes.DARK.name, ("4", "enter")),
        ("console-metrics", (100, 30), themes.DARK.name, ("7", "/", *"dns.queries", "enter")),
    )
    for name, size, theme, keys in pictures:
        app = Console(LiveReader([url], version="0.1.0"), theme=theme)
        async with app.run_test(size=size) as pilot:
            await asyncio.sleep(_SECONDS if size[0] > 100 else 12)
            for key in keys:
                await pilot.press({":": "colon", "/": "slash", ".": "full_stop"}.get(key, key))
                await pilot.pause(0.4)
            await pilot.pause(3)
            picture = app.export_screenshot(title="streamdns-console", simplify=True)
            # Nothing is fetched from elsewhere to show it.
            picture = re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL)
            (HERE / "images" / f"{name}.svg").write_text(picture, encoding="utf-8")
            print(f"docs/images/{name}.svg", flush=True)


if __name__ == "__main__":
    (HERE / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), DNS_INSTANCE_ID="ns1.example.net") as running:
        fill(running)
        ended = threading.Event()
        asking = threading.Thread(target=live, args=(running, ended))
        asking.start()
        try:
            asyncio.run(take(running))
        finally:
            ended.set()
            asking.join()
