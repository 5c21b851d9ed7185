"""A producer deletes ten thousand names by mistake: an alarm, and one command that puts them back, beside a server."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable

from tests.harness import ROOT, Server, event_line, next_ms, wait_until
from tests.integration.test_rebuild import line

ZONES, NAMES = 4, 2500
SOA = "ns.example. host.example. 1 2 3 4 5"


def owner(zone: int, number: int) -> str:
    return f"n{number}.z{zone}.example."


def digests(server: Server) -> list[str]:
    """The digest of the view and of every zone, with their counts."""
    server.wait_applied()
    return [each.split(", changed")[0] for each in server.command("digest").stdout.splitlines()[1:]]


def test_ten_thousand_deletes_are_put_back(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_JOURNAL_SIZE="40000")
    for zone in range(ZONES):
        server.append(line(f"z{zone}.example.", "SOA", SOA))
        server.append(line(owner(zone, number), "A", f"192.0.2.{number % 250}") for number in range(NAMES))
    server.append(line("z0.example.", "TXT", '"stays"'))
    server.start()
    before = digests(server)
    assert len(before) == ZONES
    began_ms = next_ms()
    server.append(event_line(f"{owner(zone, number)}|A", None, 2) for zone in range(ZONES) for number in range(NAMES))
    server.publish("z0.example.", "SOA", None, timestamp=2)
    server.wait_applied()
    assert server.status()["rrsets"] == ZONES
    assert server.answers(owner(1, 7)) == []
    alarm = server.status()["consumer"]["alarm"]["reason"]
    assert "RRsets and 0 zones were deleted" in alarm
    assert "DNS_DELETE_GUARD is 25%" in alarm
    assert server.metrics()['streamdns_consumer_alarms_total{reason="deletes"}'] >= 1
    assert "consumer.many_deletes" in server.written()
    shown = server.command("journal", "--limit", "20000").stdout
    assert f"WARNING: {alarm[:20]}" in shown

    done = server.command("journal", "--since", str(began_ms), "--undo", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"{ZONES * NAMES + 1} RRsets put back"
    assert digests(server) == before
    assert server.answers(owner(1, 7)) == ["192.0.2.7"]
    again = server.command("journal", "--since", str(began_ms), "--undo", "--yes")
    assert again.stdout.startswith("0 RRsets would be put back")


def test_somebody_at_a_terminal_is_asked(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    server.append([line("example.", "SOA", SOA), line("x.example.", "A", "192.0.2.1")])
    server.start()
    began_ms = next_ms()
    server.publish("x.example.", "A", None, timestamp=2)
    server.wait_applied()
    for answer, code in (("n", 1), ("y", 0)):
        master, terminal = pty.openpty()
        try:
            os.write(master, f"{answer}\n".encode())
            done = subprocess.run(
                [sys.executable, "-m", "streamdns", "journal", "--since", str(began_ms), "--undo"],
                env=server.environment, cwd=ROOT, stdin=terminal, capture_output=True, text=True, timeout=60,
                check=False,
            )
        finally:
            os.close(master)
            os.close(terminal)
        assert done.returncode == code, done.stderr
        assert "put them back? [y/N]" in done.stdout
    wait_until(lambda: server.answers("x.example.") == ["192.0.2.1"], "it is back")
