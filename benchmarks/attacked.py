"""Starts the servers that are attacked: with the limits that each has by default, and the zone of tests/attacks."""

from __future__ import annotations

import pathlib
import subprocess

from benchmarks import machine
from benchmarks.options import Options
from benchmarks.resolvers import PeerResolver, Recursor, Unbound
from benchmarks.servers import MeasuredKnot, MeasuredPeer, Streamdns
from streamdns.settings.table import BY_NAME
from tests.attacks import zone
from tests.harness.peers import Bind, Nsd, find_tool

#: Loopback is a private network, whose clients are not limited by default; those of the Internet are.
STRANGERS = {"DNS_RRL_EXEMPT": "none"}


def streamdns(folder: pathlib.Path, options: Options, **settings: str) -> Streamdns:
    """streamdns with the zone, and with those of the settings that it knows."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.jsonl"
    log.write_bytes(b"".join(zone.events()))
    known = {name: value for name, value in (STRANGERS | settings).items() if name in BY_NAME}
    return Streamdns(folder, options=options, log=log, **known)


class AttackedNsd(MeasuredPeer, Nsd):
    """NSD with its own rate limit, which the tests switch off."""

    name = "NSD"

    def configuration(self) -> str:
        """As in the tests, but for that."""
        return super().configuration().replace("  rrl-ratelimit: 0\n", "")


class AttackedKnot(MeasuredKnot):
    """Knot as it comes: without a rate limit."""


class AttackedBind(MeasuredPeer, Bind):
    """BIND as it comes, but for limits on RRsets that would keep it from loading the zone."""

    name = "BIND"

    def configuration(self) -> str:
        """As in the tests, with the limits off where this version has them."""
        limits = "".join(f"  {limit} 0;\n" for limit in ("max-records-per-type", "max-types-per-name") if _knows(limit))
        quiet = "logging { channel err { stderr; severity error; }; category default { err; }; };\n"
        return super().configuration().replace("  check-integrity no;\n", f"  check-integrity no;\n{limits}") + quiet


def _knows(option: str) -> bool:
    """Whether this BIND has an option."""
    config = f"options {{ {option} 0; }};\n"
    done = subprocess.run([str(find_tool("named-checkconf")), "/dev/stdin"], input=config, text=True,
                          capture_output=True, check=False)
    return done.returncode == 0


class AttackedUnbound(Unbound):
    """Unbound as it comes, with one thread."""

    def tuning(self) -> str:
        """Nothing."""
        return ""


class AttackedBindResolver(PeerResolver):
    """BIND as a resolver as it comes, with one thread and without DNSSEC."""

    name, program = "BIND", "named"

    def command(self, run_folder: str) -> list[str]:
        """-f stays in the foreground."""
        config = self.folder / "named.conf"
        config.write_text(
            f'options {{\n  directory "{run_folder}";\n  listen-on port {self.port} {{ 127.0.0.1; }};\n'
            "  listen-on-v6 { none; };\n  recursion yes;\n  allow-recursion { 127.0.0.0/8; };\n"
            "  dnssec-validation no;\n  empty-zones-enable no;\n  pid-file none;\n  session-keyfile none;\n"
            f'  lock-file none;\n}};\ncontrols {{ }};\nzone "." {{ type hint; file "{self.hints}"; }};\n'
            "logging { channel err { stderr; severity critical; }; category default { err; }; };\n"
        )
        return [str(find_tool("named")), "-4", "-f", "-n", "1", "-c", str(config)]


class AttackedRecursor(Recursor):
    """PowerDNS Recursor as it comes, with one thread and without DNSSEC."""

    def tuning(self) -> list[str]:
        """Nothing."""
        return []


def tasks(pid: int) -> list[int]:
    """All threads of a process and its descendants."""
    found = []
    for each in machine.processes(pid):
        try:
            found += [int(task.name) for task in pathlib.Path(f"/proc/{each}/task").iterdir()]
        except FileNotFoundError:
            continue  # It has ended.
    return found
