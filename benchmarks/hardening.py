"""Runs the attacks of tests/attacks against streamdns and other servers in turn: what others are answered meanwhile."""

from __future__ import annotations

import pathlib
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import dns.edns
import dns.exception
import dns.message
import dns.query
import dns.rcode

from benchmarks import attacked, machine, tree
from benchmarks.options import Options
from benchmarks.report import Result, percentile
from benchmarks.resolvers import PeerResolver
from benchmarks.servers import MeasuredPeer, Streamdns, missing
from tests.attacks import ADMIN, LOG, RESOLVER, ZONE, hostile, zone
from tests.attacks.probe import Looks, Probe
from tests.attacks.running import Running, hostile_servers
from tests.harness import wait_until
from tests.harness.background import Background

_COLUMNS = (
    ("attack", "attack"), ("server", "server"), ("alone_max_ms", "alone max ms"), ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"), ("max_ms", "max ms"), ("cpu_max_ms", "max CPU ms"), ("lost", "lost"), ("looks", "of"),
    ("resident_mb", "MB resident"), ("cpu_s", "CPU s"), ("good", "good answered"), ("counted", "what came of it"),
)
#: Below what rate limits count: others ask as usual while an attack is on.
_PAUSE_S = 0.01
_ALONE_S = 2.0
_LOST_S = 3.0
_GOOD_EVERY_S = 0.2
_READY_S = 60.0
AnyServer = Streamdns | MeasuredPeer | PeerResolver


def run(options: Options) -> Result:
    """Measure and give the table."""
    title = f"hardening: {options.attack_seconds} s of each attack, server on core {options.server_core}"
    result = Result(title, _COLUMNS)
    result.parameters = {"seconds": options.attack_seconds, "alone_seconds": _ALONE_S, "probe_pause_s": _PAUSE_S}
    folder = options.work / "hardening"
    chosen = options.attacks
    with ExitStack() as stack:
        try:
            stack.enter_context(tree.network())
        except OSError as error:
            result.skip("resolvers", str(error))
            chosen = tuple(name for name in chosen if name not in RESOLVER)
        else:
            if any(name in RESOLVER for name in chosen):
                stack.enter_context(hostile_servers())
        _zones(options, folder, result, [name for name in ZONE if name in chosen])
        _resolvers(options, folder, result, [name for name in RESOLVER if name in chosen])
        _own(options, folder, result, [name for name in (*ADMIN, *LOG) if name in chosen])
    return result


def _zones(options: Options, folder: pathlib.Path, result: Result, names: Sequence[str]) -> None:
    """Attacks on who answers for a zone."""
    zone_file = folder / "zone"
    folder.mkdir(parents=True, exist_ok=True)
    zone_file.write_text(zone.zone_file())

    def subjects(name: str) -> list[AnyServer]:
        made: list[AnyServer] = [attacked.streamdns(folder / name / "streamdns", options)]
        for kind in (attacked.AttackedNsd, attacked.AttackedKnot, attacked.AttackedBind):
            if not missing(kind.program):
                peer = kind(folder / name / kind.__name__, {zone.ORIGIN: ""})
                peer.files[zone.ORIGIN], peer.server_core = zone_file, options.server_core
                made.append(peer)
        return made

    for name in names:
        for subject in subjects(name):
            with _started(subject, "www.example.org", b"\xc0\0\2\x50") as probe:
                _attack(options, result, name, subject, probe)


def _resolvers(options: Options, folder: pathlib.Path, result: Result, names: Sequence[str]) -> None:
    """Attacks on who resolves, with a client beside them that asks for names which are there."""
    folder.mkdir(parents=True, exist_ok=True)
    hints = folder / "hints.zone"
    hints.write_text(hostile.HINTS)
    kinds = (attacked.AttackedUnbound, attacked.AttackedBindResolver, attacked.AttackedRecursor)
    for name in names:
        made: list[AnyServer] = [attacked.streamdns(
            folder / name / "streamdns", options, DNS_RECURSION_ALLOW="127.0.0.0/8", DNS_ROOT_HINTS=str(hints),
            DNS_RESOLVER_DENY="none",
        )]
        made += [kind(folder / name / kind.program, options=options, hints=hints) for kind in kinds
                 if not missing(kind.program)]
        for subject in made:
            with _started(subject, "cached.good.example", b"\xc0\0\2\1") as probe, GoodClient(subject.port) as good:
                before = victim_packets()
                row = _attack(options, result, name, subject, probe)
                row["good"] = "{} of {}".format(*good.answered())
                row["good_codes"] = dict(good.codes)
                if name == "nxns" and row["sent"]:
                    each = (victim_packets() - before) / row["sent"]
                    row["counted"] += f", {each:.1f} packets to the victim a question"


def _own(options: Options, folder: pathlib.Path, result: Result, names: Sequence[str]) -> None:
    """Attacks on what only streamdns has."""
    for name in names:
        subject = attacked.streamdns(folder / name / "streamdns", options)
        with _started(subject, "www.example.org", b"\xc0\0\2\x50") as probe:
            _attack(options, result, name, subject, probe)


@contextmanager
def _started(subject: AnyServer, owner: str, shows: bytes) -> Iterator[Probe]:
    """The server, started, and a probe that has had its right answer; the server ends with it."""
    with ExitStack() as stack:
        # At once: what an attack left to do, nobody waits for.
        stack.callback(subject.kill if isinstance(subject, Streamdns) else subject.stop)
        subject.launch()
        if isinstance(subject, Streamdns):
            subject.wait_loaded()
        assert subject.process is not None
        pid = subject.process.pid
        query = zone.query(owner)

        def answers() -> bool:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0.5)
                sock.connect(("127.0.0.1", subject.port))
                try:
                    sock.send(query)
                    return shows in sock.recv(4096)
                except OSError:
                    return False

        wait_until(answers, f"{subject.name} answers", timeout_s=_READY_S, interval_s=0.1)
        yield stack.enter_context(Probe(subject.port, query=query, shows=shows, threads=attacked.tasks(pid),
                                        processes=machine.processes(pid), exact=True))


def _attack(options: Options, result: Result, name: str, subject: AnyServer, probe: Probe) -> dict[str, Any]:
    """Look at the server alone and beside the attack; the row."""
    print(f"hardening: {name}, {subject.name}", flush=True)
    assert subject.process is not None
    pid = subject.process.pid
    alone = probe.look(most=1 << 30, until_s=time.monotonic() + _ALONE_S, pause_s=_PAUSE_S)
    arguments = [f"--port={subject.port}"]
    if isinstance(subject, Streamdns):
        arguments += [f"--admin-port={subject.admin_port}", f"--log={subject.log}"]
    cpu_before_s, began_s = machine.cpu_s(pid), time.monotonic()
    with Running(name, *arguments, seconds=options.attack_seconds) as attack:
        ends_s = time.monotonic() + options.attack_seconds
        seen = probe.look(most=1 << 30, until_s=ends_s, pause_s=_PAUSE_S, lost_s=_LOST_S)
    row = _row(name, subject.name, alone, seen) | {
        "began_s": began_s, "cpu_s": machine.cpu_s(pid) - cpu_before_s, "counted": _said(attack.counted),
        "sent": attack.counted.get("sent", 0),
    }
    result.rows.append(row)
    return row


def _row(name: str, server: str, alone: Looks, seen: Looks) -> dict[str, Any]:
    return {
        "attack": name, "server": server, "alone_max_ms": max(alone.wall_ms, default=None),
        "p50_ms": percentile(seen.wall_ms, 0.5) if seen.wall_ms else None,
        "p99_ms": percentile(seen.wall_ms, 0.99) if seen.wall_ms else None,
        "max_ms": max(seen.wall_ms, default=None), "cpu_max_ms": max(seen.cpu_ms, default=None),
        "cpu_alone_max_ms": max(alone.cpu_ms, default=None), "lost": seen.lost + seen.wrong,
        "looks": len(seen.wall_ms) + seen.lost, "resident_mb": seen.resident_bytes / 1e6,
    }


def _said(counted: dict[str, int]) -> str:
    """What an attack counted, in words."""
    if counted.get("octets_in") and "answers" in counted:
        return (f"{counted['answers']:,} of {counted['sent']:,} answered, octets out : in "
                f"{counted.get('octets_out', 0) / counted['octets_in']:.1f}")
    return ", ".join(f"{value:,} {key}" for key, value in counted.items())


def victim_packets() -> int:
    """How many packets the victim's server has had, as it says itself."""
    query = dns.message.make_query("count.victim.example", "TXT")
    try:
        reply = dns.query.udp(query, hostile.VICTIM, timeout=5)
    except (OSError, dns.exception.DNSException):
        return 0
    return int(reply.answer[0][0].strings[0])


class GoodClient(Background):
    """Asks a resolver for names that are there and that nobody asked for before, at a steady pace; a thread."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self._sent: dict[int, float] = {}
        self._answered = 0
        #: Codes of what came back, and texts of extended errors.
        self.codes: Counter[str] = Counter()

    def answered(self) -> tuple[int, int]:
        """Stop, and say how many were answered right within five seconds, of how many."""
        self._end()
        return self._answered, len(self._sent)

    def _run(self) -> None:
        rng = random.Random(self._port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.9.9.9", 0))
            sock.connect(("127.0.0.1", self._port))
            while not self._stop.wait(_GOOD_EVERY_S):
                number = len(self._sent)
                self._sent[number] = time.monotonic()
                self._receive(sock)
                try:
                    query = zone.query(f"g{rng.randrange(10**12)}.good.example", number=number)
                    sock.send(zone.with_options(query, b""))
                except OSError:
                    continue
            ends_s = time.monotonic() + 5
            while self._answered < len(self._sent) and time.monotonic() < ends_s:
                self._receive(sock)
                time.sleep(0.05)

    def _receive(self, sock: socket.socket) -> None:
        try:
            while reply := sock.recv(4096, socket.MSG_DONTWAIT):
                message = dns.message.from_wire(reply)
                errors = [str(option) for option in message.options if option.otype == dns.edns.EDE]
                self.codes[" ".join([dns.rcode.to_text(message.rcode()), *errors])] += 1
                self._answered += reply[3] & 15 == 0 and b"\xc0\0\2\1" in reply
        except OSError:
            pass  # nothing there

