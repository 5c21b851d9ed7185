"""What the console costs: start to first figures, CPU of it and of the node, octets sent to the terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import dns.message

from benchmarks import machine
from benchmarks.options import Options
from benchmarks.report import Result, median
from tests.harness import Server
from tests.harness.process import ROOT, clean_environment, end
from tests.harness.server import HOST

_COLUMNS = (
    ("size", "terminal"), ("load", "load"), ("first_ms", "ms to first figures"), ("first_cpu_ms", "CPU ms"),
    ("octets_per_s", "octets/s"),
    ("console_share", "console: % of a core"), ("node_share", "node: % of a core more"),
)
_SIZES = ((80, 24), (160, 45))
_SOA = "ns.example.org. host.example.org. 1 3600 600 604800 60"
_QUERIES_PER_S = 200
_RECORDS = 1_000
_PATIENCE_S = 30.0


class _Pty:
    """A console in a pseudo terminal, which counts what comes out."""

    def __init__(self, python: str, url: str, size: tuple[int, int]) -> None:
        self.octets, self.seen = 0, b""
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        env = clean_environment({"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"})
        self.begun_s = time.perf_counter()
        self.process = subprocess.Popen(
            [python, "-m", "streamdns_console", url], cwd=ROOT, env=env, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        end(self.process, signum=signal.SIGKILL)
        self._reader.join()
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                came = os.read(self._master, 65536)
            except OSError:
                return
            if not came:
                return
            self.octets += len(came)
            self.seen = (self.seen + came)[-200_000:]

    def first_figures_ms(self) -> float:
        """Until records of the node are on the screen."""
        while not re.search(rb"serving", self.seen):
            assert self.process.poll() is None, self.seen[-2000:].decode(errors="replace")
            assert time.perf_counter() - self.begun_s < _PATIENCE_S, "no figures came"
            time.sleep(0.005)
        return 1000 * (time.perf_counter() - self.begun_s)


@contextlib.contextmanager
def _busy(server: Server) -> Iterator[None]:
    """Queries all the while, and a change each second."""
    over = threading.Event()
    query = dns.message.make_query("www.example.org", "A").to_wire()

    def ask() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect((HOST, server.port))
            udp.setblocking(False)
            while not over.wait(1 / _QUERIES_PER_S):
                with contextlib.suppress(OSError):
                    udp.send(query)
                    udp.recv(4096)

    def change() -> None:
        number = 0
        while not over.wait(1.0):
            number += 1
            server.publish("www.example.org", "A", [f"192.0.2.{number % 250}"])

    threads = [threading.Thread(target=each) for each in (ask, change)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def run(options: Options) -> Result:
    """Measure and give the table."""
    result = Result("console: what it costs to look", _COLUMNS)
    seconds = 5 if options.quick else 30
    result.parameters = {"seconds": seconds, "runs": options.runs, "queries_per_s": _QUERIES_PER_S}
    with Server(Path(options.work) / "console") as server:
        server.publish("example.org", "SOA", [_SOA])
        for number in range(_RECORDS):
            server.publish(f"host{number}.example.org", "A", ["192.0.2.1"])
        server.wait_applied()
        for size in _SIZES:
            for load in ("idle", "busy"):
                print(f"console: {size[0]} x {size[1]}, {load}", flush=True)
                with _busy(server) if load == "busy" else contextlib.nullcontext():
                    result.rows.append(_row(options, server, size, load, seconds))
    return result


def _row(options: Options, server: Server, size: tuple[int, int], load: str, seconds: int) -> dict[str, Any]:
    url = f"http://{HOST}:{server.admin_port}"
    runs = []
    for _ in range(1 if options.quick else options.runs):
        alone = _share(server.pid, seconds)
        with _Pty(sys.executable, url, size) as console:
            first_ms = console.first_figures_ms()
            first_cpu_ms = 1000 * machine.cpu_s(console.process.pid)
            time.sleep(5)
            octets, console_s, node_s = console.octets, machine.cpu_s(console.process.pid), machine.cpu_s(server.pid)
            time.sleep(seconds)
            runs.append((first_ms, first_cpu_ms, (console.octets - octets) / seconds,
                         (machine.cpu_s(console.process.pid) - console_s) / seconds,
                         (machine.cpu_s(server.pid) - node_s) / seconds - alone))
    first, first_cpu, sent, looking, node = (median(each) for each in zip(*runs, strict=True))
    return {"size": f"{size[0]} x {size[1]}", "load": load, "first_ms": first, "first_cpu_ms": first_cpu,
            "octets_per_s": sent,
            "console_share": 100 * looking, "node_share": 100 * node}


def _share(pid: int, seconds: int) -> float:
    before = machine.cpu_s(pid)
    time.sleep(seconds)
    return (machine.cpu_s(pid) - before) / seconds
