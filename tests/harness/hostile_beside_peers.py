"""`python -m tests.harness.hostile_beside_peers`: the attacks of hostile_servers.py against resolvers, ours and others.

Prints the table of docs/hardening.md. Everything runs in a network of its own, one resolver after another, as it comes
but for what the comparison needs (tests/harness/scenarios/resolvers.py).
"""

from __future__ import annotations

import os
import pathlib
import selectors
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests.attacks.processor_time import ProcessorTime
from tests.harness import Server
from tests.harness.hostile_servers import VICTIM, HostileServers, wire
from tests.harness.process import wait_until
from tests.harness.scenarios import network, resolvers
from tests.harness.scenarios.resolvers import PEERS, Told

_NETWORK, _PORT = "127.66.0", 53
_COSTLY = ("chain", "owners", "dense", "wrong")
_FLOOD_S, _FLOOD_PER_S, _NETWORKS = 12.0, 1500, 12
_PATIENCE_S = 12.0


def ask(port: int, name: str, *, source: str = "127.0.0.1") -> tuple[bytes, float]:
    """The reply, b"" for none, and the seconds until it came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.settimeout(_PATIENCE_S)
        sock.connect(("127.0.0.1", port))
        began_s = time.monotonic()
        sock.send(os.urandom(2) + b"\1\0\0\1" + bytes(6) + wire(name) + b"\0\1\0\1")
        try:
            return sock.recv(65535), time.monotonic() - began_s
        except OSError:
            return b"", time.monotonic() - began_s


def costs(pid: int, port: int) -> dict[str, str]:
    """The processor time of one question to each of the hostile zones, less what the process takes by itself."""
    threads = [int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    processor, found = ProcessorTime(threads, exact=True), {}
    for kind in _COSTLY:
        taken = []
        for number in range(3):
            ask(port, f"ready{kind}{number}.good")
            began_ns = processor.ns()
            ask(port, f"a.b{number}.{kind}")
            taken.append((processor.ns() - began_ns) / 1e6)
        found[kind] = f"{max(taken):.1f}"
    processor.close()
    return found


def flood(port: int) -> tuple[int, int, float, float]:
    """Of new names of a healthy zone those that are answered, beside a flood from 12 networks; and the times, in ms."""
    floods = []
    for number in range(_NETWORKS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"127.200.{number}.1", 0))
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        floods.append(sock)
    selector = selectors.DefaultSelector()
    good = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    good.bind(("127.0.0.1", 0))
    good.connect(("127.0.0.1", port))
    selector.register(good, selectors.EVENT_READ)
    began_s = time.monotonic()
    sent, asked = 0, {}
    times: dict[int, float] = {}
    while (now_s := time.monotonic() - began_s) < _FLOOD_S + 5:
        while now_s < _FLOOD_S and sent < now_s * _FLOOD_PER_S:
            sock = floods[sent % _NETWORKS]
            sent += 1
            try:
                sock.send(b"\0\1\1\0\0\1" + bytes(6) + wire(f"w.{os.urandom(6).hex()}.silent") + b"\0\1\0\1")
                sock.recv(512)
            except OSError:
                pass  # nothing there, or the machine is too slow for it
        if 5 < now_s < _FLOOD_S and len(asked) < (now_s - 5) * 10:
            number = len(asked) + 1
            asked[number] = now_s
            good.send(number.to_bytes(2, "big") + b"\1\0\0\1" + bytes(6) + wire(f"g{number}.good") + b"\0\1\0\1")
        for _ in selector.select(timeout=0.000_5):
            reply = good.recv(512)
            if reply[3] & 15 == 0 and reply[7]:
                number = int.from_bytes(reply[:2], "big")
                times[number] = time.monotonic() - began_s - asked[number]
    for sock in [*floods, good]:
        sock.close()
    ms = sorted(1000 * each for each in times.values())
    return len(ms), len(asked), statistics.median(ms) if ms else 0.0, ms[-1] if ms else 0.0


def measured(server: Any, port: int, pid: int, hostile: HostileServers) -> dict[str, str]:
    """All figures of one resolver."""
    wait_until(lambda: bool(ask(port, "first.good")[0]), "it resolves", timeout_s=60)
    found = costs(pid, port)
    before = hostile.asked[VICTIM]
    ask(port, "x.nxns")
    time.sleep(2)  # Some go on after they have answered.
    found["victim"] = str(hostile.asked[VICTIM] - before)
    answered, asked, median_ms, most_ms = flood(port)
    found["flood"] = f"{answered} of {asked}, {median_ms:.0f} / {most_ms:.0f} ms"
    return found


def main() -> int:
    """Measure all that there are."""
    network.enter()
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as made, HostileServers(_NETWORK, _PORT) as hostile:
        folder = pathlib.Path(made)
        hints = hostile.hints(folder)
        starts: dict[str, Callable[[pathlib.Path, Told], AbstractContextManager[Any]]] = {
            "streamdns": resolvers.streamdns, **PEERS,
        }
        for name, make in starts.items():
            if name in PEERS and resolvers.missing(name):
                continue
            told = Told(hints, resolvers.SOURCES[name][:1], {})
            with make(folder / name.replace(" ", ""), told) as server:
                pid = server.pid if isinstance(server, Server) else server.pid()
                found[name] = measured(server, server.port, pid, hostile)
                print(name, found[name], file=sys.stderr)
    kinds = [*_COSTLY, "victim", "flood"]
    print("| attack |", " | ".join(found), "|\n| --- |", " --- |" * len(found), sep="")
    for kind in kinds:
        print(f"| `{kind}` |", " | ".join(figures[kind] for figures in found.values()), "|")
    return 0


if __name__ == "__main__":
    sys.exit(main())
