"""Starts NSD, Knot and BIND as judges of our answers: real servers on free ports, without root."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.query
import pytest

from tests.harness.process import clean_environment, end, free_port, spawn, wait_until

HOST = "127.0.0.1"
_PACKAGES = {
    "nsd": "nsd", "knotd": "knot", "kdig": "knot-dnsutils", "dig": "bind9-dnsutils", "named-checkzone": "bind9-utils",
    "named": "bind9", "dnsperf": "dnsperf", "unbound": "unbound", "pdns_recursor": "pdns-recursor",
    "pdns_server": "pdns-backend-sqlite3", "pdnsutil": "pdns-server", "ip": "iproute2", "tc": "iproute2",
    "prometheus": "prometheus", "promtool": "prometheus", "influxd": "influxdb",
    "dpkg-shlibdeps": "dpkg-dev", "man": "man-db",
    "/usr/lib/rpm/elfdeps": "rpm", "systemd-analyze": "systemd", "systemd-nspawn": "systemd-container",
    "createrepo_c": "createrepo-c", "apt-ftparchive": "apt-utils", "gpg": "gnupg", "rpmbuild": "rpm",
}


#: What a program says of itself when it can do what is asked of it here: it may be installed without that.
_ABLE = {"pdns_server": (("--no-config", "--list-modules"), "gsqlite3")}


def _find(name: str) -> str | None:
    """Where a program is; servers lie in sbin, which a user's PATH may lack."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def is_there(name: str) -> bool:
    """Whether a program is installed, even if it cannot do all that find_tool wants of it."""
    return _find(name) is not None


def find_tool(name: str) -> str | None:
    """Find a program that can do its work here."""
    path = _find(name)
    if path is None or name not in _ABLE:
        return path
    options, word = _ABLE[name]
    done = subprocess.run([path, *options], capture_output=True, text=True, check=False)
    return path if word in (done.stdout + done.stderr).split() else None


def missing_tools(*names: str) -> str:
    """One sentence about the programs that are not there, or nothing."""
    missing = [name for name in names if find_tool(name) is None]
    packages = " ".join(sorted({package_of(name) for name in missing}))
    return f"not installed: {', '.join(missing)} (apt install {packages})" if missing else ""


def package_of(name: str) -> str:
    """The Debian package that has a program."""
    return _PACKAGES.get(name, name)


def require_tools(*names: str) -> None:
    """Skip the test, with the reason, unless every program is there."""
    reason = missing_tools(*names)
    if reason:
        pytest.skip(reason)


def check_zone(origin: str, path: pathlib.Path, *options: str) -> tuple[bool, str]:
    """Whether named-checkzone accepts a zone file, and what it said. Extra `options` go before the zone's name."""
    require_tools("named-checkzone")
    done = subprocess.run(
        [str(find_tool("named-checkzone")), *options, origin, str(path)], capture_output=True, text=True, check=False
    )
    return done.returncode == 0, done.stdout + done.stderr


class Peer:
    """A name server that serves `zones` (origin: text of the zone file) on `host`; a context manager."""

    program = ""

    def __init__(
        self, folder: pathlib.Path, zones: Mapping[str, str], *, options: str = "", host: str = HOST, port: int = 0
    ) -> None:
        self.folder, self.zones, self.options = folder, dict(zones), options
        self.files = {origin: folder / f"{number}.zone" for number, origin in enumerate(self.zones)}
        self.host, self.port, self._fixed_port = host, port, bool(port)
        self.process: subprocess.Popen[bytes] | None = None

    def configuration(self) -> str:
        """The text of the configuration file."""
        raise NotImplementedError

    def command(self, config: pathlib.Path) -> list[str]:
        """The command line that runs in the foreground."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self, *, timeout_s: float = 30.0) -> Self:
        """Start and return when every zone is answered with authority; AssertionError with the log otherwise."""
        require_tools(self.program)
        self.folder.mkdir(parents=True, exist_ok=True)
        for origin, text in self.zones.items():
            self.files[origin].write_text(text, encoding="utf-8")
        for _ in range(5):
            if not self._fixed_port:
                self.port = free_port(self.host)
            config = self.folder / f"{self.program}.conf"
            config.write_text(self.configuration(), encoding="utf-8")
            with (self.folder / "output.txt").open("wb") as output:
                self.process = spawn(self.command(config), env=clean_environment({}), output=output, cwd=self.folder)
            if self._wait(timeout_s=timeout_s):
                return self
        raise AssertionError(f"{self.program} did not start\n{self.written()}")

    def _wait(self, *, timeout_s: float) -> bool:
        """True when all zones are served, False when the process ended (its port may have been taken)."""
        waiting = list(self.zones)

        def served() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                return True
            while waiting and self._serves(waiting[-1]):
                waiting.pop()
            return not waiting

        try:
            wait_until(served, f"{self.program} answers for {waiting}", timeout_s=timeout_s, interval_s=0.02)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.written()}") from None
        return self.process is not None and self.process.poll() is None

    def _serves(self, origin: str) -> bool:
        try:
            reply = self.udp(dns.message.make_query(origin, "SOA"), timeout_s=0.5)
        except (OSError, dns.exception.DNSException):
            return False
        return bool(reply.flags & dns.flags.AA)

    def stop(self) -> None:
        """End the process; it holds nothing worth a clean end."""
        if self.process is not None:
            end(self.process, signum=signal.SIGTERM)
            self.process = None

    def written(self) -> str:
        """The end of what the server wrote."""
        return (self.folder / "output.txt").read_text(errors="replace")[-5000:]

    def udp(self, query: dns.message.Message, *, timeout_s: float = 5.0) -> dns.message.Message:
        """The reply to one query over UDP."""
        return dns.query.udp(query, self.host, timeout=timeout_s, port=self.port)

    def tcp(self, query: dns.message.Message, *, timeout_s: float = 5.0) -> dns.message.Message:
        """The reply to one query over TCP."""
        return dns.query.tcp(query, self.host, timeout=timeout_s, port=self.port)


class Nsd(Peer):
    """NSD with one process that answers; `options` are lines of its server section."""

    program = "nsd"

    def configuration(self) -> str:
        """nsd.conf(5); the rate limit would drop answers of a test that asks fast."""
        here = self.folder
        zones = "".join(f'zone:\n  name: "{o}"\n  zonefile: "{f}"\n' for o, f in self.files.items())
        return (
            f'server:\n  ip-address: {self.host}@{self.port}\n  username: ""\n  database: ""\n  server-count: 1\n'
            f'  zonesdir: "{here}"\n  pidfile: "{here}/nsd.pid"\n  xfrdfile: "{here}/xfrd.state"\n  xfrdir: "{here}"\n'
            f'  zonelistfile: "{here}/zone.list"\n  rrl-ratelimit: 0\n  verbosity: 1\n{self.options}\n'
            f"remote-control:\n  control-enable: no\n{zones}"
        )

    def command(self, config: pathlib.Path) -> list[str]:
        """-d stays in the foreground."""
        return [str(find_tool("nsd")), "-d", "-c", str(config)]


class Knot(Peer):
    """Knot DNS; `options` are further sections of its configuration."""

    program = "knotd"

    def configuration(self) -> str:
        """knot.conf(5); nothing is kept, nothing checked beyond what loading needs."""
        zones = "".join(f'  - domain: "{o}"\n    file: "{f}"\n' for o, f in self.files.items())
        return (
            f'server:\n  rundir: "{self.folder}"\n  listen: {self.host}@{self.port}\n'
            "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
            f'log:\n  - target: stderr\n    any: info\ndatabase:\n  storage: "{self.folder}/db"\n'
            f'template:\n  - id: default\n    storage: "{self.folder}"\n    journal-content: none\n'
            f"    zonefile-sync: -1\n    semantic-checks: off\n{self.options}\nzone:\n{zones}"
        )

    def command(self, config: pathlib.Path) -> list[str]:
        """knotd stays in the foreground unless told otherwise."""
        return [str(find_tool("knotd")), "-c", str(config)]

    def stop(self) -> None:
        """End the process at once: with many zones knotd 3.2 may hang when it is asked to end."""
        if self.process is not None:
            end(self.process, signum=signal.SIGKILL)
            self.process = None


class Bind(Peer):
    """BIND, authoritative only; `options` are lines of its options. `more_hosts` are answered at, too.

    It listens only at addresses that an interface has.
    """

    program = "named"

    def __init__(
        self, folder: pathlib.Path, zones: Mapping[str, str], *, options: str = "", host: str = HOST, port: int = 0,
        more_hosts: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, zones, options=options, host=host, port=port)
        self._hosts = (host, *more_hosts)

    def configuration(self) -> str:
        """named.conf(5) without anything that is kept, controlled or notified."""
        zones = "".join(f'zone "{o}" {{ type primary; file "{f}"; check-names ignore; }};\n'
                        for o, f in self.files.items())
        hosts = " ".join(f"{host};" for host in self._hosts)
        return (
            f'options {{\n  directory "{self.folder}";\n  listen-on port {self.port} {{ {hosts} }};\n'
            "  listen-on-v6 { none; };\n  recursion no;\n  dnssec-validation no;\n  notify no;\n"
            "  allow-transfer { none; };\n  pid-file none;\n  session-keyfile none;\n  lock-file none;\n"
            f"  check-integrity no;\n{self.options}}};\ncontrols {{ }};\n{zones}"
        )

    def command(self, config: pathlib.Path) -> list[str]:
        """-g stays in the foreground and logs there."""
        return [str(find_tool("named")), "-g", "-n", "1", "-c", str(config)]
