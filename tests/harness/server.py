"""Starts a streamdns under test: a subprocess with its own log, view and ports."""

from __future__ import annotations

import fcntl
import functools
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Self

import dns.message
import dns.query

from tests.harness.process import ELSEWHERE, ROOT, clean_environment, end, free_port, spawn, wait_until

HOST = "127.0.0.1"
#: Servers under test resolve only where that is what is tested: the Internet is no part of a test.
NO_RESOLVER = {"DNS_RECURSION_ALLOW": "none"}
#: A tree as it is installed, which servers run from in place of the checkout: with it the tests try what is compiled.
_INSTALLED = os.environ.get("STREAMDNS_TEST_COMPILED")
#: `python -c` with this is `python -m streamdns` that finds no compiled modules.
_IN_PYTHON_ALONE = f"""import runpy, sys
sys.modules.update(dict.fromkeys({[
    ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted((ROOT / "streamdns").rglob("*.pyx"))
]!r}))
runpy.run_module("streamdns", run_name="__main__", alter_sys=True)"""


class ServerDied(AssertionError):
    """The server ended before it was ready; the message has the end of what it wrote."""


def event_line(key: str | None, value: object, timestamp: int = 0) -> bytes:
    """One line of a file log; `value` is a list of records, None, or the raw text of a payload."""
    return json.dumps({"key": key, "value": value, "timestamp": timestamp}).encode() + b"\n"


class Server:
    """`python -m streamdns run` in `folder`; keywords are settings (`DNS_ZONES="example.org."`).

    The log is the file `log.jsonl` in `folder`, or, with `partitions`, a directory with that many files. Start with
    start() or as a context manager. After kill() or stop() it can be started again with the same log, view and ports.
    """

    def __init__(self, folder: pathlib.Path, *, partitions: int | None = None, **env: str) -> None:
        self.folder = folder
        self.view = folder / "view"
        self.output = folder / "output.txt"
        folder.mkdir(parents=True, exist_ok=True)
        if partitions is None:
            self.log = folder / "log.jsonl"
            self.log.touch()
        else:
            self.log = folder / "log"
            self.log.mkdir(exist_ok=True)
            for number in range(partitions):
                (self.log / f"{number}.jsonl").touch()
        self.settings = {
            "DNS_PATHDB": str(self.view), "DNS_FILE_LOG": str(self.log), "LOG_FORMAT": "plain", **NO_RESOLVER
        } | env
        self.fixed = dict(env)
        self.arguments: tuple[str, ...] = ()
        """Arguments of `run`."""
        self.wrapper: tuple[str, ...] = ()
        """A command that starts the server in its own place, such as prlimit with its options."""
        self.inherits: tuple[int, ...] = ()
        """Descriptors that the wrapper is started with."""
        self.compiled = True
        """Whether it may take compiled modules, where there are any."""
        self.installed = _INSTALLED
        """The tree that it runs from, None for the checkout."""
        self.sink: int | None = None
        """A descriptor that it writes to in place of the file."""
        self.port = self.admin_port = 0
        self.process: subprocess.Popen[bytes] | None = None

    # -- life

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()

    @property
    def environment(self) -> dict[str, str]:
        """What the server runs with: give it to a command that shall work beside it."""
        first = {"PYTHONPATH": self.installed} if self.installed and self.compiled else {}
        return clean_environment(self.settings) | first

    python = sys.executable

    def run_command(self, *arguments: str) -> list[str]:
        """The command line of a command of streamdns."""
        # With -P the folder that it is started in is no place for modules.
        how = ["-P", "-m", "streamdns"] if self.installed else ["-m", "streamdns"]
        if not self.compiled:
            how = ["-c", _IN_PYTHON_ALONE]
        return [self.python, *how, *arguments]

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self.process is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self, *, wait: bool = True, timeout_s: float = 30.0) -> Self:
        """Start the process and, with `wait`, return when /ready says yes; ServerDied when it ends before."""
        assert not self.alive, "already started"
        for attempt in range(5):
            self._choose_ports(again=attempt > 0)
            with self.output.open("ab") as output:
                begin = output.tell()
                command = [*self.wrapper, *self.run_command("run"), *self.arguments]
                sink = output if self.sink is None else self.sink
                self.process = spawn(command, env=self.environment, output=sink, inherits=self.inherits)
            if not wait:
                return self
            try:
                wait_until(functools.partial(self._settled, begin), "ready", timeout_s=timeout_s)
            except AssertionError as error:
                self.kill()
                raise AssertionError(f"{error}\n{self.written(begin)}") from None
            if self.alive and not self._port_taken(begin):
                return self
            taken = "in use" in self.written(begin)
            self.kill()
            if not taken:
                break
        raise ServerDied(f"exit code {self.process.returncode} before it was ready\n{self.written(begin)}")

    def _choose_ports(self, *, again: bool) -> None:
        if again or not self.port:
            self.port, self.admin_port = free_port(), free_port()
            addresses = {"DNS_ADDRESS": f"{HOST}:{self.port}", "DNS_ADMIN_ADDRESS": f"{HOST}:{self.admin_port}"}
            self.settings |= addresses | self.fixed

    def _settled(self, begin: int) -> bool:
        """Whether it is ready, or will not be."""
        return not self.alive or self.is_ready() or self._port_taken(begin)

    def _port_taken(self, begin: int) -> bool:
        return "service.waiting" in self.written(begin)

    def stop(self, *, timeout_s: float = 10.0) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        return end(self.process, timeout_s=timeout_s)

    def kill(self) -> None:
        """SIGKILL, where it runs at all."""
        if self.process is not None:
            end(self.process, signum=signal.SIGKILL)

    def signal(self, signum: int) -> None:
        """Send any other signal."""
        assert self.process is not None
        self.process.send_signal(signum)

    def written(self, begin: int = 0, *, at_most: int = 20_000) -> str:
        """What the process wrote to its output from byte `begin` on, at most its last `at_most` bytes."""
        return self.output.read_bytes()[begin:][-at_most:].decode(errors="replace") if self.output.exists() else ""

    def command(self, *arguments: str, stdin: str = "", timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `python -m streamdns ARGUMENTS` with this server's settings, beside it or without it."""
        return subprocess.run(
            self.run_command(*arguments),
            env=self.environment, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False,
        )

    # -- questions

    def udp(self, query: dns.message.Message, *, timeout_s: float = 5.0) -> dns.message.Message:
        """The reply to one query over UDP; a truncated one is returned as it is."""
        return dns.query.udp(query, HOST, timeout=timeout_s, port=self.port)

    def tcp(self, query: dns.message.Message, *, timeout_s: float = 5.0) -> dns.message.Message:
        """The reply to one query over a TCP connection of its own."""
        return dns.query.tcp(query, HOST, timeout=timeout_s, port=self.port)

    def ask(self, name: str, rdtype: str = "A", **options: Any) -> dns.message.Message:
        """udp() with a query made here; `options` are those of dns.message.make_query()."""
        return self.udp(dns.message.make_query(name, rdtype, **options))

    def answers(self, name: str, rdtype: str = "A") -> list[str]:
        """The answer section's RDATA as text, sorted."""
        return sorted(rdata.to_text() for rrset in self.ask(name, rdtype).answer for rdata in rrset)

    # -- admin

    def get(self, path: str, *, timeout_s: float = 5.0) -> tuple[int, bytes]:
        """HTTP status and body of an admin path."""
        # From another address than its own: asked over and over where nobody listens, it would once connect to itself.
        connection = http.client.HTTPConnection(HOST, self.admin_port, timeout=timeout_s, source_address=(ELSEWHERE, 0))
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether /ready answers 200."""
        try:
            return self.get("/ready")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def status(self) -> dict[str, Any]:
        """GET /v1/status."""
        code, body = self.get("/v1/status")
        assert code == 200, (code, body)
        status: dict[str, Any] = json.loads(body)
        return status

    def metrics(self) -> dict[str, float]:
        """GET /metrics: every sample by its name with its labels, as written."""
        code, body = self.get("/metrics")
        assert code == 200, (code, body)
        lines = [line for line in body.decode().splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def rss_anon_bytes(self) -> int:
        """Resident memory that is the process's own: without the page cache of the view's map."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the kernel tells no RssAnon")

    # -- the log

    def partition(self, number: int = 0) -> pathlib.Path:
        """The file of a partition."""
        if self.log.is_dir():
            return self.log / f"{number}.jsonl"
        assert number == 0, "a log that is one file has one partition"
        return self.log

    def append(self, lines: bytes | Iterable[bytes], *, partition: int = 0) -> None:
        """Append whole lines as another producer would: locked, in one write."""
        with self.partition(partition).open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(lines if isinstance(lines, bytes) else b"".join(lines))

    def publish(
        self, owner: str, rdtype: str, contents: Sequence[str] | None, *, ttl: int = 300, partition: int = 0,
        timestamp: int | None = None,
    ) -> None:
        """Append one event; `contents` None is a tombstone, empty is a delete by an empty array."""
        owner = owner.lower().rstrip(".") + "."
        records = None if contents is None else [
            {"name": owner, "type": rdtype, "content": content, "ttl": ttl} for content in contents
        ]
        at = int(time.time() * 1000) if timestamp is None else timestamp
        self.append(event_line(f"{owner}|{rdtype}", records, at), partition=partition)

    def ends(self) -> dict[int, int]:
        """The position behind the last whole line of every partition."""
        files = [self.log] if self.log.is_file() else sorted(self.log.glob("*.jsonl"))
        return {
            0 if file is self.log else int(file.stem): file.read_bytes().rfind(b"\n") + 1 for file in files
        }

    def positions(self) -> dict[int, int]:
        """The position behind the last applied event of every partition, as /v1/status tells."""
        return {int(item["partition"]): int(item["position"]) for item in self.status()["positions"]}

    def wait_applied(self, *, timeout_s: float = 30.0) -> None:
        """Return when everything that is in the log now has been applied to the view."""
        ends = {number: end for number, end in self.ends().items() if end}

        def applied() -> bool:
            assert self.alive, f"the server ended\n{self.written()}"
            positions = self.positions()
            return all(positions.get(number, 0) >= end for number, end in ends.items())

        wait_until(applied, f"positions {ends} applied", timeout_s=timeout_s)
