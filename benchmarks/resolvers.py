"""Starts the resolvers to measure: streamdns, Unbound and PowerDNS Recursor, each with one thread on one core."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import tempfile

from benchmarks import machine
from benchmarks.options import Options
from benchmarks.servers import Streamdns
from tests.harness.peers import find_tool
from tests.harness.process import clean_environment, end, free_port, spawn

MEMORY_MB = 128
#: Queries that may wait for an answer, in all and of one client.
WAITING = 6_000


class Resolving(Streamdns):
    """streamdns that resolves for this machine, with a zone of its own."""

    program = ""

    def __init__(self, folder: pathlib.Path, *, options: Options, hints: pathlib.Path, log: pathlib.Path) -> None:
        super().__init__(
            folder, options=options, log=log, DNS_RECURSION_ALLOW="127.0.0.1", DNS_ROOT_HINTS=str(hints),
            DNS_CACHE_BYTES=f"{MEMORY_MB}M", DNS_RECURSION_LIMIT=str(WAITING), DNS_RECURSION_CLIENT_LIMIT=str(WAITING),
            # The others have none, and the dead are all at one address.
            DNS_RESOLVER_ZONE_LIMIT="0", DNS_RESOLVER_SERVER_LIMIT="0",
        )

    def stop(self, *, timeout_s: float = 10.0) -> int:
        """End it at once and forget its view; what it wrote is kept."""
        self.kill()
        shutil.rmtree(self.view, ignore_errors=True)
        return 0


class PeerResolver:
    """A resolver of others on 127.0.0.1, with the tree's root hints and without DNSSEC, as streamdns has none."""

    name = program = ""

    def __init__(self, folder: pathlib.Path, *, options: Options, hints: pathlib.Path) -> None:
        self.folder, self.hints, self._options = folder, hints, options
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._run_folder = ""

    def command(self, run_folder: str) -> list[str]:
        """The command line that runs in the foreground; sockets go into `run_folder`, whose path is short."""
        raise NotImplementedError

    def launch(self) -> None:
        """Start the process on the server's core and return at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        self._run_folder = self._run_folder or tempfile.mkdtemp(prefix="resolver-")
        with (self.folder / "output.txt").open("ab") as output, machine.on_cores([self._options.server_core]):
            command = self.command(self._run_folder)
            self.process = spawn(command, env=clean_environment({}), output=output, cwd=self.folder)

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            end(self.process)
        if self._run_folder:
            shutil.rmtree(self._run_folder)
            self._run_folder = ""

    def written(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "output.txt").read_text(errors="replace")[-5000:]


class Unbound(PeerResolver):
    """Unbound, but for sizes and limits as it comes."""

    name, program = "Unbound", "unbound"

    def command(self, run_folder: str) -> list[str]:
        """-d stays in the foreground; unbound.conf(5) is written first."""
        config = self.folder / "unbound.conf"
        config.write_text(
            f'server:\n  interface: 127.0.0.1@{self.port}\n  num-threads: 1\n  username: ""\n  chroot: ""\n'
            f'  directory: "{run_folder}"\n  pidfile: ""\n  use-syslog: no\n  verbosity: 0\n  do-ip6: no\n'
            f'  module-config: "iterator"\n  root-hints: "{self.hints}"\n  access-control: 127.0.0.0/8 allow\n'
            f"{self.tuning()}remote-control:\n  control-enable: no\n"
        )
        return [str(find_tool(self.program)), "-d", "-p", "-c", str(config)]

    def tuning(self) -> str:
        """Lines for what is not as it comes."""
        return (f"  msg-cache-size: {MEMORY_MB // 2}m\n  rrset-cache-size: {MEMORY_MB // 2}m\n"
                f"  outgoing-range: {2 * WAITING}\n  num-queries-per-thread: {WAITING}\n{_limits_off()}")


def _limits_off() -> str:
    """Lines for those versions that leave late answers, or many of one client, unanswered: nobody asks twice."""
    check = str(find_tool("unbound-checkconf"))
    known = [name for name in ("discard-timeout", "wait-limit")
             if subprocess.run([check, "-o", name], capture_output=True, check=False).returncode == 0]
    return "".join(f"  {name}: 0\n" for name in known)


class Recursor(PeerResolver):
    """PowerDNS Recursor, but for sizes and limits as it comes."""

    name, program = "PowerDNS Recursor", "pdns_recursor"

    def command(self, run_folder: str) -> list[str]:
        """Its settings are all on the command line."""
        return [
            str(find_tool(self.program)), f"--config-dir={run_folder}", f"--socket-dir={run_folder}", "--daemon=no",
            "--local-address=127.0.0.1", f"--local-port={self.port}", f"--hint-file={self.hints}", "--threads=1",
            "--distributor-threads=0", "--pdns-distributes-queries=no", "--dont-query=", "--dnssec=off",
            "--allow-from=127.0.0.0/8", "--loglevel=3", "--security-poll-suffix=", "--write-pid=no",
            *self.tuning(),
        ]

    def tuning(self) -> list[str]:
        """Options for what is not as it comes."""
        return [f"--max-mthreads={WAITING}"]


def peers(folder: pathlib.Path, *, options: Options, hints: pathlib.Path) -> list[PeerResolver]:
    """Those that there are, whether installed or not."""
    kinds: tuple[type[PeerResolver], ...] = (Unbound, Recursor)
    return [kind(folder / kind.program, options=options, hints=hints) for kind in kinds]
