"""Starts the resolvers that play the scenarios; servers tell them apart by the address that each sends from."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

from tests.harness.peers import find_tool, missing_tools
from tests.harness.process import clean_environment, end, free_port, spawn
from tests.harness.scenarios.delegations_table import OWN
from tests.harness.server import HOST, Server

#: Where each sends from, IPv4 and IPv6.
SOURCES = {name: (f"127.1.0.{number}", f"fd00:53::1:{number}")
           for number, name in enumerate(("streamdns", "Unbound", "PowerDNS Recursor", "BIND"), 1)}


class Told(NamedTuple):
    """What every resolver is told: the root servers, from where to send, and zones to be asked of one host each."""

    hints: pathlib.Path
    sources: tuple[str, ...]
    forwards: Mapping[str, str]


def streamdns(folder: pathlib.Path, told: Told) -> Server:
    """streamdns with zones of its own."""
    server = Server(
        folder, DNS_RECURSION_ALLOW="127.0.0.0/8", DNS_ROOT_HINTS=str(told.hints), DNS_RESOLVER_DENY="none",
        DNS_RESOLVER_SOURCE=" ".join(told.sources),
        DNS_FORWARD_ZONES=" ".join(f"{zone}={host}" for zone, host in told.forwards.items()),
    )
    for owner, rdtype, content in OWN:
        server.publish(owner, rdtype, [content])
    return server


class PeerResolver:
    """A resolver of others, as it comes but for what the tree and the comparison need; a context manager."""

    program = ""

    def __init__(self, folder: pathlib.Path, told: Told) -> None:
        self.folder, self.told = folder, told
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, run_folder: str) -> list[str]:
        """The command line that runs in the foreground; sockets go into `run_folder`, whose path is short."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self._run_folder = tempfile.mkdtemp(prefix="resolver-")
        with (self.folder / "output.txt").open("ab") as output:
            self._process = spawn(self.command(self._run_folder), env=clean_environment({}), output=output,
                                  cwd=self.folder)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            end(self._process, timeout_s=30)
        shutil.rmtree(self._run_folder)

    def pid(self) -> int:
        """The process, which has not ended."""
        assert self._process is not None
        return self._process.pid

    def written(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "output.txt").read_text(errors="replace")[-5000:]


class Unbound(PeerResolver):
    """Unbound without DNSSEC, as streamdns has none, and with stale answers and extended errors, which it has."""

    program = "unbound"

    def command(self, run_folder: str) -> list[str]:
        """-d stays in the foreground; unbound.conf(5) is written first."""
        config = self.folder / "unbound.conf"
        sources = "".join(f"  outgoing-interface: {each}\n" for each in self.told.sources)
        forwards = "".join(f'forward-zone:\n  name: "{zone}"\n  forward-addr: {host}\n'
                           for zone, host in self.told.forwards.items())
        config.write_text(
            f'server:\n  interface: {HOST}@{self.port}\n  num-threads: 1\n  username: ""\n  chroot: ""\n'
            f'  directory: "{run_folder}"\n  pidfile: ""\n  use-syslog: no\n  verbosity: 0\n'
            f'  module-config: "iterator"\n  root-hints: "{self.told.hints}"\n  access-control: 127.0.0.0/8 allow\n'
            f"  do-not-query-localhost: no\n  do-ip6: {'yes' if len(self.told.sources) > 1 else 'no'}\n{sources}"
            "  serve-expired: yes\n  serve-expired-client-timeout: 1800\n  ede: yes\n"
            f"{_late_answers()}remote-control:\n  control-enable: no\n{forwards}"
        )
        return [str(find_tool(self.program)), "-d", "-p", "-c", str(config)]


def _late_answers() -> str:
    """A line for those versions that do not give answers that come late: nobody asks twice here."""
    check = [str(find_tool("unbound-checkconf")), "-o", "discard-timeout"]
    known = subprocess.run(check, capture_output=True, check=False).returncode == 0
    return "  discard-timeout: 0\n" if known else ""


class Recursor(PeerResolver):
    """PowerDNS Recursor in the same way."""

    program = "pdns_recursor"

    def command(self, run_folder: str) -> list[str]:
        """Its settings are all on the command line."""
        forwards = ",".join(f"{zone}={host}" for zone, host in self.told.forwards.items())
        return [
            str(find_tool(self.program)), f"--config-dir={run_folder}", f"--socket-dir={run_folder}", "--daemon=no",
            f"--local-address={HOST}", f"--local-port={self.port}", f"--hint-file={self.told.hints}", "--threads=1",
            "--distributor-threads=0", "--pdns-distributes-queries=no", "--dont-query=", "--dnssec=off",
            "--allow-from=127.0.0.0/8", "--loglevel=3", "--security-poll-suffix=", "--write-pid=no",
            f"--query-local-address={','.join(self.told.sources)}", "--serve-stale-extensions=60",
            "--extended-resolution-errors=yes", f"--forward-zones-recurse={forwards}",
        ]


class Bind(PeerResolver):
    """BIND in the same way."""

    program = "named"

    def command(self, run_folder: str) -> list[str]:
        """-g stays in the foreground and logs there; named.conf(5) is written first."""
        config = self.folder / "named.conf"
        sources = "".join(f"  query-source{'-v6' if ':' in each else ''} address {each};\n"
                          for each in self.told.sources)
        forwards = "".join(f'zone "{zone}" {{ type forward; forward only; forwarders {{ {host}; }}; }};\n'
                           for zone, host in self.told.forwards.items())
        config.write_text(
            f'options {{\n  directory "{run_folder}";\n  listen-on port {self.port} {{ {HOST}; }};\n'
            "  listen-on-v6 { none; };\n  recursion yes;\n  allow-query { 127.0.0.0/8; };\n"
            "  allow-recursion { 127.0.0.0/8; };\n  dnssec-validation no;\n  notify no;\n  pid-file none;\n"
            f"  session-keyfile none;\n  lock-file none;\n{sources}  stale-answer-enable yes;\n"
            "  stale-cache-enable yes;\n  stale-answer-client-timeout 1800;\n};\ncontrols { };\n"
            f'zone "." {{ type hint; file "{self.told.hints}"; }};\n{forwards}'
        )
        family = [] if len(self.told.sources) > 1 else ["-4"]
        return [str(find_tool(self.program)), "-g", *family, "-n", "1", "-c", str(config)]


PEERS: dict[str, Callable[[pathlib.Path, Told], PeerResolver]] = {
    "Unbound": Unbound, "PowerDNS Recursor": Recursor, "BIND": Bind,
}
_PROGRAMS = {"Unbound": "unbound", "PowerDNS Recursor": "pdns_recursor", "BIND": "named"}
_VERSIONS = {"Unbound": ("-V",), "PowerDNS Recursor": ("--version",), "BIND": ("-v",)}


def missing(name: str) -> str:
    """Why there is no such peer here, or nothing."""
    return missing_tools(_PROGRAMS[name])


def version(name: str) -> str:
    """The number of an installed peer's version."""
    done = subprocess.run([str(find_tool(_PROGRAMS[name])), *_VERSIONS[name]], capture_output=True, text=True,
                          check=False)
    found = re.search(r"(?:Version|Recursor|BIND) (\d[\w.]*)", done.stdout + done.stderr)
    return found.group(1) if found else "unknown"
