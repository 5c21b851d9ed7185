"""Starts the name servers that are measured: each a real process on one core and on free ports."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from benchmarks import machine
from benchmarks.load import Asker
from benchmarks.options import Options
from benchmarks.report import Result
from benchmarks.zone import ORIGIN, Zone
from tests.harness import Knot, Nsd, Server, wait_until
from tests.harness.peers import Bind, Peer, find_tool, missing_tools
from tests.harness.process import clean_environment, end, free_port, spawn

LOAD_TIMEOUT_S = 600.0
CONNECTIONS = 400  # Over TCP, at a time: more than any benchmark opens, but for what some allow as they come.
P = TypeVar("P", bound="MeasuredPeer")


class Subject(Protocol):
    """A server under measurement."""

    name: str
    port: int
    process: subprocess.Popen[bytes] | None

    def launch(self) -> None:
        """Start the process on the server's core and return at once."""

    def stop(self) -> object:
        """End the process."""

    def written(self) -> str:
        """The end of what it wrote."""


class Streamdns(Server):
    """streamdns, run by the interpreter that is to be measured, from a log file that is there already."""

    name = "streamdns"

    def __init__(self, folder: pathlib.Path, *, options: Options, log: pathlib.Path, **settings: str) -> None:
        super().__init__(folder, DNS_FILE_LOG=str(log), LOG_LEVEL="warning", **settings)
        self.log = log
        self._options = options
        self.python, self.installed = options.python, options.installed

    def launch(self) -> None:
        """Start the process on the server's core and return at once."""
        self._choose_ports(again=False)
        with self.output.open("ab") as output, machine.on_cores([self._options.server_core]):
            self.process = spawn(self.run_command("run"), env=self.environment, output=output)

    def wait_loaded(self) -> None:
        """Return when every event that is in the log is in the view."""
        wait_until(lambda: not self.alive or self.is_ready(), "ready", timeout_s=LOAD_TIMEOUT_S, interval_s=0.1)
        self.wait_applied(timeout_s=LOAD_TIMEOUT_S)


class MeasuredPeer(Peer):
    """A peer of the tests that is started without waiting."""

    name = ""
    server_core = 0

    def take(self, zone_file: pathlib.Path) -> None:
        """Serve the zone of a file that is there already, and make of it now what it is served from."""
        self.files[ORIGIN] = zone_file

    def launch(self) -> None:
        """Start the process on the server's core and return at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        config = self.folder / f"{self.program}.conf"
        config.write_text(self.configuration(), encoding="utf-8")
        with (self.folder / "output.txt").open("ab") as output, machine.on_cores([self.server_core]):
            self.process = spawn(self.command(config), env=clean_environment({}), output=output, cwd=self.folder)


class FullNsd(MeasuredPeer, Nsd):
    """NSD with one process that answers, and all the sections that it adds unless told not to."""

    name = "NSD, full replies"


class MeasuredNsd(FullNsd):
    """NSD with one process that answers, in replies as short as those of streamdns and Knot."""

    name = "NSD"

    def __init__(self, folder: pathlib.Path, zones: Mapping[str, str]) -> None:
        super().__init__(folder, zones, options=f"  minimal-responses: yes\n  tcp-count: {CONNECTIONS}")


class MeasuredKnot(MeasuredPeer, Knot):
    """Knot with one worker."""

    name = "Knot"

    def __init__(self, folder: pathlib.Path, zones: Mapping[str, str]) -> None:
        super().__init__(folder, zones)
        self._run_folder = ""

    def launch(self) -> None:
        """Start with a short folder for the control socket, whose path must not be longer than 107 bytes."""
        self._run_folder = self._run_folder or tempfile.mkdtemp(prefix="knot-")
        super().launch()

    def stop(self) -> None:
        """End the process and remove that folder."""
        super().stop()
        if self._run_folder:
            shutil.rmtree(self._run_folder)
            self._run_folder = ""

    def configuration(self) -> str:
        """As in the tests, but for that folder."""
        return super().configuration().replace(f'rundir: "{self.folder}"', f'rundir: "{self._run_folder}"')


class UpdatedKnot(MeasuredKnot):
    """Knot that takes dynamic updates from here and keeps them in its journal."""

    name = "Knot (dynamic update)"

    def configuration(self) -> str:
        """knot.conf(5); the zone file is not written again while it runs, the journal is."""
        return (
            f'server:\n  rundir: "{self._run_folder}"\n  listen: 127.0.0.1@{self.port}\n'
            "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
            f'log:\n  - target: stderr\n    any: error\ndatabase:\n  storage: "{self.folder}"\n'
            "acl:\n  - id: update\n    address: 127.0.0.0/8\n    action: update\n"
            f'zone:\n  - domain: "{ORIGIN}"\n    file: "{self.files[ORIGIN]}"\n    storage: "{self.folder}"\n'
            "    zonefile-sync: -1\n    semantic-checks: off\n    acl: update\n"
        )


class MeasuredBind(MeasuredPeer, Bind):
    """BIND with one thread, in replies as short as those of the others."""

    name = "BIND"
    lines = f"  minimal-responses yes;\n  tcp-clients {CONNECTIONS};\n  tcp-listen-queue {CONNECTIONS};\n"

    def __init__(self, folder: pathlib.Path, zones: Mapping[str, str]) -> None:
        super().__init__(folder, zones, options=self.lines)

    def configuration(self) -> str:
        """As in the tests, but it writes nothing for each update."""
        quiet = "logging { channel err { stderr; severity error; }; category default { err; }; };\n"
        return super().configuration() + quiet

    def command(self, config: pathlib.Path) -> list[str]:
        """-f stays in the foreground; one thread, as it gets one core."""
        return [str(find_tool("named")), "-f", "-n", "1", "-c", str(config)]


class UpdatedBind(MeasuredBind):
    """BIND that takes dynamic updates from here; its journal makes them durable, as it always does."""

    name = "BIND (dynamic update)"
    lines = "  allow-update { 127.0.0.0/8; };\n"


class Echo:
    """No name server: a Python loop that sends every query back as its answer, which is what the sockets alone cost."""

    name = "Python echo (floor)"

    def __init__(self, folder: pathlib.Path, *, options: Options) -> None:
        self.folder, self._options = folder, options
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the process on the server's core and return at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = [self._options.python, "-m", "benchmarks.echo", str(self.port)]
        with (self.folder / "output.txt").open("wb") as output, machine.on_cores([self._options.server_core]):
            self.process = spawn(command, env=clean_environment({}), output=output)

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            end(self.process)

    def written(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "output.txt").read_text(errors="replace")[-5000:]


def peer(kind: type[P], folder: pathlib.Path, *, options: Options, zone_file: pathlib.Path) -> P:
    """A peer that serves `zone_file`, which is there already."""
    made = kind(folder, {ORIGIN: ""})
    made.take(zone_file)
    made.server_core = options.server_core
    return made


def installed(
    kinds: Iterable[type[MeasuredPeer]], folder: pathlib.Path, *, options: Options, zone_file: pathlib.Path,
    result: Result,
) -> list[MeasuredPeer]:
    """The peers that this machine has, each in a folder of its own; the others are noted in the result."""
    found = []
    for kind in kinds:
        reason = missing(kind.program)
        if reason:
            result.skip(kind.name, reason)
        else:
            found.append(peer(kind, folder / kind.__name__, options=options, zone_file=zone_file))
    return found


def missing(*tools: str) -> str:
    """Why something cannot be measured here, or nothing."""
    reason = missing_tools(*tools)
    if reason:
        print(f"skipped: {reason}", file=sys.stderr)
    return reason


def wait_serving(subject: Subject, zone: Zone) -> None:
    """Return when the server gives the last record of the log, right; AssertionError when it ends before."""
    assert subject.process is not None
    owner, address = next(zone.probes(1))
    with Asker(subject.port) as asker:
        if not asker.first_answer(owner, address, process=subject.process, timeout_s=LOAD_TIMEOUT_S):
            raise AssertionError(f"{subject.name} does not answer\n{subject.written()}")


class Started(NamedTuple):
    """What a server took from its exec to the first right answer."""

    seconds: float
    cpu_s: float
    anon_bytes: int


def measured_start(subject: Subject, zone: Zone) -> Started:
    """Start a server, wait for its first right answer and stop it."""
    began = time.perf_counter()
    subject.launch()
    try:
        wait_serving(subject, zone)
        seconds = time.perf_counter() - began
        assert subject.process is not None
        pid = subject.process.pid
        return Started(seconds, machine.cpu_s(pid), machine.memory_bytes(pid))
    finally:
        subject.stop()
