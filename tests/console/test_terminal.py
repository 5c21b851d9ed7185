"""The console in a real terminal against a real server with real queries, while that is stopped and started again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import pytest

from tests.console.test_letters import not_in_font
from tests.harness import Server, require_tools
from tests.harness.process import clean_environment
from tests.harness.server import HOST
from tests.harness.terminal import Terminal

SOA = "ns.example.org. host.example.org. 1 3600 600 604800 60"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with one zone."""
    require_tools("tmux")
    with Server(tmp_path) as running:
        running.publish("example.org", "SOA", [SOA])
        running.publish("www.example.org", "A", ["192.0.2.7"])
        running.wait_applied()
        yield running


@contextmanager
def asked(server: Server) -> Iterator[None]:
    """Somebody asks all the while, also when nobody answers."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.01):
            try:
                server.ask("www.example.org")
                server.ask("nothing.example.org")
            except (OSError, dns.exception.DNSException):
                continue

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def console(server: Server, folder: Path, size: tuple[int, int], **env: str) -> Terminal:
    """The console of this server."""
    command = [sys.executable, "-m", "streamdns_console", f"{HOST}:{server.admin_port}"]
    kept = {
        name: value for name, value in clean_environment({}).items() if name in ("PATH", "HOME", "LANG", "PYTHONPATH")
    }
    return Terminal(folder, command, env={**kept, "LC_ALL": "C.UTF-8", **env}, size=size)


@pytest.mark.slow
def test_the_server_is_killed_and_started_again_under_the_open_console(server: Server, tmp_path: Path) -> None:
    """Figures, a change, disconnected with the figures still there, back; then everything on a large terminal.

    A size in the environment, where some shells export it, is that of the beginning.
    """
    with asked(server), console(server, tmp_path, (80, 24), LINES="24", COLUMNS="80") as terminal:
        terminal.waits_for(r"● serving[^\n]*⟳ 1 s")
        screen = terminal.waits_for(r"answers +[1-9][\d.]*k?/s")
        assert "www.example.org." in screen
        assert "NXDOMAIN" in screen
        server.publish("www.example.org", "A", ["192.0.2.99"])
        terminal.waits_for(r"192\.0\.2\.7 → 192\.0\.2\.99")

        server.kill()
        screen = terminal.waits_for(r"disconnected since \d\d:\d\d:\d\d: [^\n]+ — retrying")
        assert "192.0.2.7 → 192.0.2.99" in screen
        server.start()
        server.publish("new.example.org", "A", ["192.0.2.1"])
        screen = terminal.waits_for(r"new\.example\.org\.[^\n]*nothing → 192\.0\.2\.1")
        assert "disconnected" not in screen

        terminal.resize(200, 60)
        screen = terminal.waits_for(r"answers NOERROR NXDOMAIN[^\n]*latency[^\n]*lag[^\n]*propagation")
        assert all(len(line) <= 200 for line in screen.splitlines())
        terminal.keys("2")
        terminal.waits_for(r"zones \(1\)")
        terminal.keys(":")
        terminal.types("www.example.org A")
        terminal.keys("Enter")
        terminal.waits_for(r"www\.example\.org\.  300  IN  A  192\.0\.2\.99")
        terminal.waits_for("the same as the view")
        terminal.keys("3")
        terminal.waits_for(r"file log")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=["small", "large"])
def test_the_log_is_away_and_comes_back_under_the_open_console(
    server: Server, tmp_path: Path, size: tuple[int, int]
) -> None:
    """Answers go on, which the first line says, and what is wrong stands below it; then changes come again."""
    with asked(server), console(server, tmp_path, size) as terminal:
        terminal.waits_for(r"● serving[^\n]*⟳ 1 s")
        away = server.log.with_name("away.jsonl")
        server.log.rename(away)
        terminal.waits_for(r"held(?s:.*)needs attention \(\d\)(?s:.*)▲ since \d\d:\d\d: ")
        terminal.waits_for(r"answers +[1-9][\d.]*k?/s")
        terminal.keys("3")
        terminal.waits_for(r"state +. held  for \d")
        terminal.keys("h")
        terminal.waits_for(r"zones that would go \(1\) (?s:.*)RRsets that would go \(2\) (?s:.*)www\.example\.org")
        terminal.keys("Escape")
        away.rename(server.log)
        terminal.waits_for(r"state +● following")
        server.publish("new.example.org", "A", ["192.0.2.1"])
        terminal.keys("1")
        screen = terminal.waits_for(r"● serving(?s:.*)new\.example\.org\.[^\n]*nothing → 192\.0\.2\.1")
        assert "held" not in screen


@pytest.mark.slow
def test_a_log_that_grows_by_thousands_is_followed(server: Server, tmp_path: Path) -> None:
    """While it is fed the newest changes are shown; a refused event needs attention, and leads to its payload."""
    with console(server, tmp_path, (80, 24)) as terminal:
        terminal.waits_for("● serving")
        for number in range(3000):
            server.publish(f"host{number}.example.org", "A", ["192.0.2.1"])
        terminal.waits_for(r"host2999\.example\.org\.")
        server.publish("bad.example.org", "A", ["192.0.2.256"])
        terminal.waits_for(r"▲ 1 event refused since")
        terminal.keys("g", "Enter")
        terminal.waits_for("refused events \\(1\\)")
        terminal.keys("Enter")
        terminal.waits_for(r'✖ +"content": "192\.0\.2\.256"')


@pytest.mark.slow
@pytest.mark.parametrize(
    "env", [{"NO_COLOR": "1"}, {"TERM": "linux", "LC_ALL": "C"}], ids=["no colour", "linux console"]
)
def test_poor_terminals_keep_all_meaning(server: Server, tmp_path: Path, env: dict[str, str]) -> None:
    """Without colours the signs are there; without a font, letters are."""
    server.publish("bad.example.org", "A", ["192.0.2.256"])
    with console(server, tmp_path, (80, 24), **env) as terminal:
        plain = "TERM" in env
        terminal.waits_for(r"\* serving" if plain else "● serving")
        screen = terminal.waits_for(r"\^ 1 event refused" if plain else "▲ 1 event refused")
        assert not plain or not not_in_font(screen.splitlines())
