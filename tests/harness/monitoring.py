"""Starts the monitoring servers that users have: the statsd daemon of npm, Prometheus and InfluxDB, on free ports."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Self

from tests.harness.peers import find_tool
from tests.harness.process import ROOT, clean_environment, end, free_port, spawn, wait_until

HOST = "127.0.0.1"
STATSD_VERSION = "0.9.0"
_CACHE = ROOT / "var" / "npm"


def missing_statsd() -> str:
    """Why the statsd daemon cannot run here, or nothing."""
    absent = [program for program in ("node", "npm") if shutil.which(program) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.environ.get("STREAMDNS_TEST_STATSD") != "1" and not _statsd().exists():
        return "needs STREAMDNS_TEST_STATSD=1 (npm fetches the statsd daemon)"
    return ""


def _statsd() -> pathlib.Path:
    return _CACHE / f"statsd-{STATSD_VERSION}" / "node_modules" / "statsd" / "stats.js"


def statsd_program() -> pathlib.Path:
    """The daemon's program; npm installs it once, below ./var."""
    program = _statsd()
    if not program.exists():
        folder = _CACHE / f"statsd-{STATSD_VERSION}"
        part = folder.with_suffix(f".{os.getpid()}")
        part.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--omit=optional",
             f"statsd@{STATSD_VERSION}"],
            cwd=part, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120,
        )
        try:
            part.rename(folder)
        except OSError:
            shutil.rmtree(part)  # Another session was faster.
    return program


class Daemon:
    """A process on a port of its own, at work as soon as it answers; a context manager."""

    program = ""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """What starts it; writes its configuration."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it is at work."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [str(each) for each in self.command()]
        with (self.folder / "output.txt").open("ab") as output:
            self.process = spawn(command, env=clean_environment({"HOME": str(self.folder)}), output=output)
        try:
            wait_until(self._at_work_or_dead, f"{self.program} is at work", timeout_s=60, interval_s=0.05)
            assert self.process.poll() is None, f"{self.program} ended"
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.written()}") from None

    def _at_work_or_dead(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None or self.answers()

    def kill(self) -> None:
        """SIGKILL, where it runs at all."""
        if self.process is not None:
            end(self.process, signum=signal.SIGKILL)
            self.process = None

    def written(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "output.txt").read_text(errors="replace")[-5000:]

    def get(self, path: str, **parameters: str) -> Any:
        """The JSON document at a path of its HTTP interface."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}{query}", timeout=10) as response:
            return json.loads(response.read() or b"null")


class Carbon:
    """Where the daemon of statsd sends what it has summed up, in Graphite's plain text: name, value and time a line."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._values: dict[str, list[float]] = defaultdict(list)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    name, value, _ = line.decode("ascii").split()
                    with self._lock:
                        self._values[name].append(float(value))

    def sum(self, name: str) -> float:
        """What came in all flushes together."""
        with self._lock:
            return sum(self._values[name])

    def last(self, name: str) -> float | None:
        """What came last."""
        with self._lock:
            values = self._values[name]
            return values[-1] if values else None

    def flushes(self) -> int:
        """How many flushes came."""
        with self._lock:
            return len(self._values["stats.statsd.processing_time"])


class StatsdDaemon(Daemon):
    """Etsy's statsd from npm, which sums up every 200 ms and sends that to a Carbon."""

    program = "statsd"

    def __init__(self, folder: pathlib.Path, carbon: Carbon) -> None:
        super().__init__(folder)
        self.management_port = free_port()
        self._carbon = carbon

    def command(self) -> Sequence[str]:
        program = statsd_program()
        config = self.folder / "config.js"
        config.write_text(
            f'{{address: "{HOST}", port: {self.port}, mgmt_address: "{HOST}", mgmt_port: {self.management_port},\n'
            f'graphiteHost: "{HOST}", graphitePort: {self._carbon.port}, graphite: {{legacyNamespace: false}},\n'
            'backends: ["./backends/graphite"], flushInterval: 200, percentThreshold: [50, 99]}\n'
        )
        return ["node", str(program), str(config)]

    def answers(self) -> bool:
        try:
            return "health: up" in self.ask("health") and self._listens()
        except OSError:
            return False

    def _listens(self) -> bool:
        """Whether somebody has bound the UDP port: /proc says it without sending anything."""
        wanted = f":{self.port:04X} "
        return any(wanted in line for line in pathlib.Path("/proc/net/udp").read_text().splitlines())

    def ask(self, command: str) -> str:
        """What the management interface says to a command."""
        with socket.create_connection((HOST, self.management_port), timeout=5) as connection:
            connection.sendall(f"{command}\n".encode())
            answer = ""
            while not answer.endswith("END\n\n") and not (answer.startswith("health") and answer.endswith("\n")):
                data = connection.recv(4096).decode()
                if not data:
                    break
                answer += data
            return answer


class Prometheus(Daemon):
    """Prometheus, which scrapes targets (host:port) five times a second; `rules` is a file of rules."""

    program = "prometheus"

    def __init__(self, folder: pathlib.Path, *targets: str, rules: pathlib.Path | None = None) -> None:
        super().__init__(folder)
        self._targets, self._rules = targets, rules

    def command(self) -> Sequence[str]:
        config = self.folder / "prometheus.json"  # JSON is YAML, too.
        config.write_text(json.dumps({
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "500ms"},
            "rule_files": [] if self._rules is None else [str(self._rules)],
            "scrape_configs": [{"job_name": "streamdns", "static_configs": [{"targets": list(self._targets)}]}],
        }))
        return [
            str(find_tool("prometheus")), f"--config.file={config}", f"--web.listen-address={HOST}:{self.port}",
            f"--storage.tsdb.path={self.folder / 'data'}", "--log.level=warn",
        ]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/-/ready", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values that an expression has now."""
        found = self.get("/api/v1/query", query=expression)
        return [(each["metric"], float(each["value"][1])) for each in found["data"]["result"]]


class Influxd(Daemon):
    """InfluxDB 1.x with one database, which takes lines over HTTP and over UDP (`udp_port`)."""

    program = "influxd"
    database = "dns"

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.udp_port, self._own_port = free_port(), free_port()

    def command(self) -> Sequence[str]:
        here = self.folder
        config = here / "influxdb.conf"
        config.write_text(
            f'reporting-disabled = true\nbind-address = "{HOST}:{self._own_port}"\n'
            f'[meta]\n  dir = "{here}/meta"\n[data]\n  dir = "{here}/data"\n  wal-dir = "{here}/wal"\n'
            f'[http]\n  bind-address = "{HOST}:{self.port}"\n  log-enabled = false\n'
            "[monitor]\n  store-enabled = false\n"
            f'[[udp]]\n  enabled = true\n  bind-address = "{HOST}:{self.udp_port}"\n  database = "{self.database}"\n'
            '  batch-size = 1\n  batch-timeout = "100ms"\n'
        )
        return [str(find_tool("influxd")), "-config", str(config)]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/ping", timeout=5) as response:
                return bool(response.status == 204)
        except OSError:
            return False

    def start(self) -> None:
        """As a daemon does; the database is there then."""
        super().start()
        statement = urllib.parse.urlencode({"q": f"CREATE DATABASE {self.database}"}).encode()
        request = urllib.request.Request(f"http://{HOST}:{self.port}/query", statement)
        with urllib.request.urlopen(request, timeout=10) as response:
            assert "error" not in json.loads(response.read())["results"][0]

    def query(self, statement: str) -> list[dict[str, Any]]:
        """The rows of a query's first series, by column; the tags of a GROUP BY among them."""
        found = self.get("/query", db=self.database, q=statement)["results"][0]
        assert "error" not in found, found
        return [
            dict(zip(series["columns"], row, strict=True)) | series.get("tags", {})
            for series in found.get("series", []) for row in series["values"]
        ]
