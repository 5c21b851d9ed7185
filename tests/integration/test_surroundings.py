"""The service where its surroundings are not as they should be: answers go on, and what is lost is counted."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.harness import ROOT, Server, wait_until
from tests.harness.process import refusing
from tests.harness.server import HOST

#: Every way to have some of them closed.
CLOSED = ("<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-")
#: Commands that read standard input or write to standard output, with what they need.
COMMANDS = (
    "version", "settings --effective", "check", "completion bash", "export example.org", "status",
    "publish b.example.org A 192.0.2.2", "publish --json -", "resolve www.example.org",
)
SOA = "ns.example.org. host.example.org. 1 2 3 4 5"


def zone(server: Server) -> None:
    """A zone with one name."""
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    server.publish("www.example.org", "A", ["192.0.2.1"], timestamp=1)


class Pipe:
    """A pipe that has room for little."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(self.reader, False)

    def fill(self) -> None:
        """Take all the room."""
        os.set_blocking(self.writer, False)
        try:
            while True:
                os.write(self.writer, b"\n")
        except BlockingIOError:
            os.set_blocking(self.writer, True)

    def read(self) -> bytes:
        """What is there now."""
        try:
            return os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        for fd in (self.reader, self.writer):
            os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def lost(server: Server) -> float:
    """How many log lines it counts as lost."""
    return server.metrics()["streamdns_process_log_lines_lost_total"]


def test_a_log_reader_that_stands_still_loses_lines_and_nothing_else(
    serve: Callable[..., Server], pipe: Pipe
) -> None:
    server = serve(start=False, LOG_FORMAT="json", DNS_METRICS_OUTPUTS="stdout", DNS_METRICS_FLUSH_INTERVAL="100")
    server.sink = pipe.writer
    zone(server)
    pipe.fill()
    server.start()
    for _ in range(20):
        assert server.answers("www.example.org") == ["192.0.2.1"]
        server.signal(signal.SIGHUP)
    assert server.get("/health")[0] == 200
    server.publish("new.example.org", "A", ["192.0.2.2"])
    wait_until(lambda: server.answers("new.example.org") == ["192.0.2.2"], "the log of zones is still followed")

    # Somebody reads again, and gets whole lines.
    got = bytearray()

    def caught_up() -> bool:
        got.extend(pipe.read())
        return b'"app.reloaded"' in got and got.endswith(b"\n")

    wait_until(caught_up, "the lines that were kept come")
    lines = [json.loads(line) for line in got.split(b"\n") if line]
    assert next(line["event"] for line in lines if "event" in line) == "app.starting"
    assert {"app.ready", "app.reloaded"} <= {line.get("event") for line in lines}
    pipe.fill()
    assert server.stop() == 0, "a log that nobody reads is not waited for"


def test_a_log_reader_that_is_gone_costs_nothing_else(serve: Callable[..., Server], pipe: Pipe) -> None:
    server = serve(start=False)
    server.sink = pipe.writer
    zone(server)
    os.close(pipe.reader)
    try:
        server.start()
        assert server.answers("www.example.org") == ["192.0.2.1"]
        assert lost(server) > 0
        assert server.stop() == 0
    finally:
        pipe.reader = os.open(os.devnull, os.O_RDONLY)


def test_systemd_that_takes_nothing_for_a_while_misses_no_state(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    zone(server)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = str(server.folder / "notify")
        notify.bind(path)
        notify.settimeout(20)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            try:
                while True:
                    other.sendto(b"full", path)
            except BlockingIOError:
                pass
        server.settings |= {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"}
        server.start()
        assert server.answers("www.example.org") == ["192.0.2.1"]
        said, stored = "", 0
        while said in ("", "full") or said.startswith("FDSTORE=1\n"):
            stored += said.startswith("FDSTORE=1\n")
            said = notify.recv(4096).decode()
        assert (said, stored) == ("READY=1", 3)
        assert server.stop() == 0
        while said != "STOPPING=1":
            said = notify.recv(4096).decode()


def caught(server: Server, number: int) -> bool:
    """Whether the process has a handler for a signal."""
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1]
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_signals_while_it_starts_end_nothing_and_a_hangup_is_not_forgotten(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    zone(server)
    server.start(wait=False)
    wait_until(lambda: caught(server, signal.SIGHUP), "its modules are being loaded")
    while "app.starting" not in server.written():
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            server.signal(number)
    wait_until(server.is_ready, "ready")
    wait_until(lambda: "app.reloaded" in server.written(), "the settings were read again")
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
        server.signal(number)
    server.wait_applied()
    assert server.answers("www.example.org") == ["192.0.2.1"]
    assert server.stop() == 0


@pytest.mark.parametrize("closed", CLOSED)
def test_closed_descriptors_do_not_become_files_of_the_view(serve: Callable[..., Server], closed: str) -> None:
    server = serve(start=False)
    server.wrapper = ("sh", "-c", f'exec "$@" {closed}', "sh")
    zone(server)
    server.start()
    assert server.answers("www.example.org") == ["192.0.2.1"]
    standard = [os.readlink(f"/proc/{server.pid}/fd/{fd}") for fd in (0, 1, 2)]
    assert set(standard) <= {os.devnull, str(server.output)}
    server.append(b"not an event\n")
    server.signal(signal.SIGHUP)
    server.wait_applied()
    assert server.stop() == 0
    done = server.command("digest", "--verify")
    assert done.returncode == 0, done
    server.wrapper = ()
    server.start()
    assert server.answers("www.example.org") == ["192.0.2.1"]


def test_commands_with_closed_descriptors_end_as_they_do_with_open_ones(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    zone(server)
    server.start()
    for command in COMMANDS:
        words = [sys.executable, "-m", "streamdns", *command.split()]
        usual = subprocess.run(words, env=server.environment, cwd=ROOT, capture_output=True, input=b"", check=False)
        for closed in (">&-", "<&- >&- 2>&-"):
            done = subprocess.run(
                ["sh", "-c", f'exec "$@" {closed}', "sh", *words], env=server.environment, cwd=ROOT,
                stdin=subprocess.DEVNULL, capture_output=True, check=False,
            )
            assert b"Traceback" not in done.stderr, (command, closed, done)
            assert done.returncode == usual.returncode, (command, closed, usual, done)


def test_a_process_without_descriptors_logs_lines_and_no_tracebacks(serve: Callable[..., Server]) -> None:
    server = serve(start=False, LOG_FORMAT="json", DNS_METRICS_ADDRESS=f"{HOST}:0")
    server.wrapper = ("sh", "-c", 'ulimit -n 48; exec "$@"', "sh")
    zone(server)
    server.start()
    with ExitStack() as stack:
        for _ in range(60):
            made = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            made.settimeout(5)
            made.connect((HOST, server.port))
        for _ in range(60):
            stack.enter_context(socket.create_connection((HOST, server.admin_port), timeout=5))
        wait_until(lambda: "app.accept_failed" in server.written(), "there is no descriptor for the admin API")
        assert server.answers("www.example.org") == ["192.0.2.1"]
    wait_until(server.is_ready, "ready again")
    assert server.stop() == 0
    for line in server.output.read_text().splitlines():
        assert {"ts", "level", "event"} <= set(json.loads(line))


@pytest.mark.parametrize("failure", ["ENOSYS", "EPERM"])
def test_where_many_datagrams_at_once_are_refused_they_come_one_by_one(
    serve: Callable[..., Server], failure: str
) -> None:
    """A strict profile of system calls, or an old kernel."""
    server = serve(start=False)
    server.wrapper = refusing(f"recvmmsg={failure}", f"sendmmsg={failure}")
    zone(server)
    server.start()
    for _ in range(100):
        assert server.answers("www.example.org") == ["192.0.2.1"]
    assert "dns.socket_failed" not in server.written()
    assert server.stop() == 0
