"""Puts load on the servers: dnsperf, one client that checks every answer, and a producer of changes."""

from __future__ import annotations

import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from benchmarks import machine
from benchmarks.options import Options
from benchmarks.report import median, ratio, ratios
from benchmarks.zone import evidence, question
from tests.harness import wait_until
from tests.harness.peers import find_tool
from tests.harness.process import clean_environment, end, spawn

_POLL_S = 0.001


@dataclass(frozen=True, slots=True)
class Load:
    """What dnsperf counted; latencies are those of the queries, in seconds, and of each only where that was wanted."""

    sent: int
    completed: int
    lost: int
    elapsed_s: float
    latency_s: float
    latency_max_s: float
    response_bytes: int
    rcodes: dict[str, int]
    each_s: tuple[float, ...] = ()


class Loaded(Protocol):
    """A server under load."""

    name: str
    port: int
    process: subprocess.Popen[bytes] | None


@dataclass(slots=True)
class LoadTurns:
    """All turns of one server at one workload: what dnsperf counted in each, and the CPU time of the server."""

    loads: list[Load] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    @property
    def cpu_us(self) -> list[float]:
        """CPU of the server for one query, of each turn."""
        return [1e6 * cpu / load.completed for cpu, load in zip(self.cpu_s, self.loads, strict=True)]

    def add(
        self, server: Loaded, queries: pathlib.Path, *, options: Options, seconds: float, rate: int = 0,
        connections: int = 0, outstanding: int = 0,
    ) -> Load:
        """One turn; the server has nothing else to do, so what it used meanwhile is what the queries cost."""
        assert server.process is not None
        before_s = machine.cpu_s(server.process.pid)
        load = Dnsperf(
            server.port, queries, options=options, rate=rate, seconds=seconds, connections=connections,
            outstanding=outstanding,
        ).result()
        assert load.completed, f"{server.name} answered nothing"
        self.loads.append(load)
        self.cpu_s.append(machine.cpu_s(server.process.pid) - before_s)
        return load

    def beside(self, nsd: LoadTurns | None, knot: LoadTurns | None) -> dict[str, Any]:
        """Columns of a table: the cost of a query, that of the others in the same turns, and what came back."""
        return {
            "cpu_ratio_nsd": ratio(self.cpu_us, nsd.cpu_us) if nsd else None,
            "cpu_ratio_knot": ratio(self.cpu_us, knot.cpu_us) if knot else None,
            "cpu_us_per_query": median(self.cpu_us),
            "cpu_us_spread": f"{min(self.cpu_us):.1f}..{max(self.cpu_us):.1f}",
            "cpu_us_of_each_round": self.cpu_us,
            "cpu_ratio_nsd_of_each_round": ratios(self.cpu_us, nsd.cpu_us) if nsd else None,
            "response_bytes": self.loads[0].response_bytes,
            "lost": sum(load.lost for load in self.loads),
        }


class Dnsperf:
    """One run of dnsperf against 127.0.0.1, on the first of the load's cores.

    It goes on for `seconds`, or through the file once where that is 0. `outstanding` goes before that of the options;
    with `each` the time of every single query is kept. With `connections` it asks over so many TCP connections, which
    stay open, and sends queries on them without waiting for answers.
    """

    def __init__(
        self, port: int, queries: pathlib.Path, *, options: Options, rate: int = 0, seconds: float,
        outstanding: int = 0, timeout_s: int = 2, each: bool = False, connections: int = 0,
    ) -> None:
        command = [
            str(find_tool("dnsperf")), "-s", "127.0.0.1", "-p", str(port), "-d", str(queries),
            *(("-l", str(seconds)) if seconds else ("-n", "1")), "-c", str(connections or options.clients), "-T", "1",
            "-q", str(outstanding or options.outstanding), "-t", str(timeout_s),
        ]
        if connections:
            command += ["-m", "tcp"]
        if rate:
            command += ["-Q", str(rate)]
        if each:
            command.append("-v")
        # To a file: a pipe that nobody reads would stop it.
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - result() closes it.
        with machine.on_cores(options.load_cores[:1]):
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT
            )

    @property
    def running(self) -> bool:
        """Whether it has not come to its end."""
        return self._process.poll() is None

    def result(self) -> Load:
        """Wait for the end and read what was counted."""
        self._process.wait()
        with self._output:
            self._output.seek(0)
            text = self._output.read()
        if self._process.returncode:
            raise AssertionError(f"dnsperf ended with {self._process.returncode}\n{text[-2000:]}")
        return parse(text)

    def stop(self) -> Load:
        """End it before its time; what it has counted so far."""
        self._process.send_signal(signal.SIGINT)
        return self.result()


def parse(text: str) -> Load:
    """The statistics at the end of dnsperf's output."""

    def number(pattern: str) -> float:
        match = re.search(pattern, text)
        if match is None:
            raise AssertionError(f"dnsperf says nothing like {pattern!r}\n{text[-2000:]}")
        return float(match[1])

    codes = re.search(r"Response codes:(.*)", text)
    return Load(
        sent=int(number(r"Queries sent:\s+(\d+)")),
        completed=int(number(r"Queries completed:\s+(\d+)")),
        lost=int(number(r"Queries lost:\s+(\d+)")),
        elapsed_s=number(r"Run time \(s\):\s+([\d.]+)"),
        latency_s=number(r"Average Latency \(s\):\s+([\d.]+)"),
        latency_max_s=number(r"Average Latency.*max ([\d.]+)"),
        response_bytes=int(number(r"response (\d+)")),
        rcodes={name: int(count) for name, count in re.findall(r"([A-Z]+) (\d+)", codes[1] if codes else "")},
        each_s=tuple(map(float, re.findall(r"^> [A-Z]+ \S+ \S+ ([\d.]+)$", text, re.MULTILINE))),
    )


class Asker:
    """A client that sends one query at a time from a connected socket, so that a closed port is seen at once."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def exchange(self, message: bytes, *, timeout_s: float) -> bytes | None:
        """The reply to `message` by its id; None when none came in time. Raises OSError where nobody listens."""
        deadline = time.monotonic() + timeout_s
        self._socket.send(message)
        while True:
            self._socket.settimeout(max(deadline - time.monotonic(), 1e-4))
            try:
                reply = self._socket.recv(4096)
            except TimeoutError:
                return None
            if reply[:2] == message[:2]:
                return reply

    def first_answer(self, owner: str, address: str, *, process: subprocess.Popen[bytes], timeout_s: float) -> bool:
        """Ask every millisecond until a reply shows `address`; False when `process` ended or it took too long."""
        message, wanted = question(owner), evidence(address)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and process.poll() is None:
            try:
                reply = self.exchange(message, timeout_s=_POLL_S)
            except ConnectionRefusedError:
                reply = None
                time.sleep(_POLL_S)
            if reply is not None and wanted in reply:
                return True
            if reply is not None:
                time.sleep(_POLL_S)
        return False

    def until_shown(self, message: bytes, wanted: bytes, *, timeout_s: float, pause_s: float = 0.0) -> bool:
        """Ask until a reply holds `wanted`; False when that took longer than `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            reply = self.exchange(message, timeout_s=1.0)
            if reply is not None and wanted in reply:
                return True
            if pause_s:
                time.sleep(pause_s)
        return False


class Producer:
    """Another process that changes names of the zone at a steady rate: benchmarks.producer."""

    def __init__(self, folder: pathlib.Path, *arguments: str, options: Options) -> None:
        self._output = folder / f"producer-{time.monotonic_ns()}.txt"
        command = [sys.executable, "-m", "benchmarks.producer", *arguments]
        with self._output.open("wb") as output, machine.on_cores(options.load_cores):
            self._process = spawn(command, env=clean_environment({}), output=output)
        wait_until(lambda: self._process.poll() is not None or b"ready" in self._output.read_bytes(), "a producer")

    def stop(self) -> float:
        """End it; the events a second that it made."""
        end(self._process)
        lines = self._output.read_text().splitlines()
        if len(lines) < 2 or lines[0] != "ready":
            raise AssertionError(f"the producer failed\n{self._output.read_text()[-2000:]}")
        count, seconds = lines[1].split()
        return int(count) / float(seconds)


class _Noting:
    """Another process, on the server's core, that notes something until it is stopped, and then writes it as JSON."""

    _module = ""

    def __init__(self, folder: pathlib.Path, *arguments: str, options: Options) -> None:
        name = self._module.rpartition(".")[2]
        self._output = folder / f"{name}-{time.monotonic_ns()}.txt"
        command = [sys.executable, "-m", self._module, *arguments]
        with self._output.open("wb") as output, machine.on_cores([options.server_core]):
            self._process = spawn(command, env=clean_environment({}), output=output)
        wait_until(lambda: self._process.poll() is not None or b"ready" in self._output.read_bytes(), name)

    def _noted(self) -> Any:
        """End it; what it wrote."""
        end(self._process)
        lines = self._output.read_text().splitlines()
        if len(lines) != 2 or lines[0] != "ready":
            raise AssertionError(f"{self._module} failed\n{self._output.read_text()[-2000:]}")
        return json.loads(lines[1])


class Receiver(_Noting):
    """Only notes when it received the events: benchmarks.receiver."""

    _module = "benchmarks.receiver"

    def stop(self) -> dict[str, float]:
        """End it; the address in each event, and when it was there (the monotonic clock)."""
        return dict(self._noted())


class IdleLoop(_Noting):
    """Only notes how late it was called: benchmarks.idle_loop."""

    _module = "benchmarks.idle_loop"

    def stop(self) -> list[tuple[float, float]]:
        """End it; (upper bound in ms, count up to there) of its lateness, ascending."""
        return [(1000 * bound, count) for bound, count in self._noted()]
