"""Starts a small Internet for resolvers: root, one TLD and many zones at port 53, in a network namespace of its own."""

from __future__ import annotations

import ctypes
import os
import pathlib
import random
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

from tests.harness import Nsd
from tests.harness.peers import find_tool

PORT = 53
TLD = "bench."
READY = f"ready.{TLD}"
READY_ADDRESS = "11.255.255.1"
TTL = 86_400
#: Every set of name servers has one address in each of these; the second network is the one that dies.
_LIVE, _MORTAL = "198.18", "198.19"
_SERVERS = 100
_DEAD_ZONES = 20_000
_HEAD = "$TTL {ttl}\n@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1{at}\n@ NS ns2{at}\n"
_NEW_NETWORK = 0x4000_0000
_ALL_PROTOCOLS, _PACKET, _PACKET_STATISTICS, _ATTACH_FILTER = 3, 263, 6, 26
#: Of what leaves (SKF_AD_PKTTYPE), IPv4 to port 53 in both networks: every datagram, and of TCP the first SYN.
_QUERIES = (
    (0x20, 0, 0, 0xFFFF_F004), (0x15, 0, 13, 4),  # It leaves,
    (0x20, 0, 0, 16), (0x54, 0, 0, 0xFFFE_0000), (0x15, 0, 10, 198 << 24 | 18 << 16),  # to 198.18.0.0/15,
    (0xB1, 0, 0, 0), (0x48, 0, 0, 2), (0x15, 0, 7, PORT),  # to this port,
    (0x30, 0, 0, 9), (0x15, 4, 0, 17), (0x15, 0, 4, 6),  # as UDP, or TCP
    (0x50, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02),  # with SYN and without ACK:
    (0x06, 0, 0, 1), (0x06, 0, 0, 0),  # one octet of it is taken; else nothing.
)
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Names:
    """The names below the TLD: `zones` zones with `hosts` names of one A record each."""

    zones: int
    hosts: int = 20

    def host(self, zone: int, number: int) -> tuple[str, str]:
        """The owner and the address of a name."""
        return f"h{number}.z{zone}.{TLD}", f"11.{zone >> 8}.{zone & 255}.{number}"

    def shuffled(self, numbers: range) -> list[tuple[str, str]]:
        """The names with these numbers of every zone, in an order of no meaning."""
        found = [self.host(zone, number) for zone in range(self.zones) for number in numbers]
        random.Random(len(found) + numbers.start).shuffle(found)
        return found

    def popular(self, numbers: range, count: int) -> list[str]:
        """`count` draws from the names with these numbers: the n-th of them as often as 1/n says (Zipf)."""
        owners = [owner for owner, _ in self.shuffled(numbers)]
        return random.Random(5).choices(owners, [1 / rank for rank in range(1, len(owners) + 1)], k=count)

    def dead(self, count: int) -> list[str]:
        """Names in zones whose only server is dead, each zone with a server of its own."""
        return [f"www.d{number}.{TLD}" for number in range(min(count, _DEAD_ZONES))]


def write_queries(path: pathlib.Path, owners: Sequence[str]) -> pathlib.Path:
    """Write them as dnsperf reads them and return where."""
    path.write_text("".join(f"{owner} A\n" for owner in owners))
    return path


class TreeNsd(Nsd):
    """NSD at port 53 of several addresses."""

    def __init__(self, folder: pathlib.Path, zones: dict[str, str], hosts: Sequence[str]) -> None:
        more = "".join(f"  ip-address: {host}@{PORT}\n" for host in hosts[1:])
        super().__init__(folder, zones, options=more, host=hosts[0], port=PORT)


def _pair(third: int, fourth: int) -> tuple[str, str]:
    return f"{_LIVE}.{third}.{fourth}", f"{_MORTAL}.{third}.{fourth}"


def _addresses(owner: str, third: int, fourth: int) -> str:
    live, mortal = _pair(third, fourth)
    return f"ns1{owner} A {live}\nns2{owner} A {mortal}\n"


def start(stack: ExitStack, folder: pathlib.Path, names: Names) -> pathlib.Path:
    """Start the servers, which end with `stack`; returns the file of root hints. Be inside network()."""
    root_at, tld_at = _pair(0, 1), _pair(0, 2)
    root = _HEAD.format(ttl=TTL, at="") + _addresses("", 0, 1) + (
        f"{TLD} NS ns1.{TLD}\n{TLD} NS ns2.{TLD}\n{_addresses(f'.{TLD}', 0, 2)}"
    )
    tld = [_HEAD.format(ttl=TTL, at=""), _addresses("", 0, 2), f"ready A {READY_ADDRESS}\n"]
    leaves = {}
    for zone in range(names.zones):
        place = zone % _SERVERS
        tld.append(f"z{zone} NS ns1.z{zone}\nz{zone} NS ns2.z{zone}\n{_addresses(f'.z{zone}', 1, place)}")
        hosts = "".join(f"h{n} A {names.host(zone, n)[1]}\n" for n in range(names.hosts))
        leaves[f"z{zone}.{TLD}"] = _HEAD.format(ttl=TTL, at="") + _addresses("", 1, place) + hosts
    for number in range(_DEAD_ZONES):
        tld.append(f"d{number} NS ns.d{number}\nns.d{number} A {_MORTAL}.{16 + (number >> 8)}.{number & 255}\n")
    leaf_at = [address for place in range(_SERVERS) for address in _pair(1, place)]
    for name, zones, hosts_at in (
        ("root", {".": root}, root_at), ("tld", {TLD: "".join(tld)}, tld_at), ("leaf", leaves, leaf_at)
    ):
        stack.enter_context(TreeNsd(folder / name, zones, hosts_at))
    hints = folder / "hints.zone"
    hints.write_text("".join(
        f". {TTL} NS ns{n}.\nns{n}. {TTL} A {address}\n" for n, address in enumerate(root_at, 1)
    ))
    return hints


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(words[:4])} ... failed: {done.stderr.strip()}")


@contextmanager
def network() -> Iterator[None]:
    """What is started inside lives in a network that holds 127.0.0.0/8 and 198.18.0.0/15 and ends with it.

    Raises OSError where that is not allowed (it takes root).
    """
    ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.unshare(_NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "a network of its own takes root")
        try:
            ip = str(find_tool("ip"))
            _run(ip, "link", "set", "lo", "up")
            _run(ip, "address", "add", f"{_LIVE}.0.254/15", "dev", "lo")
            yield
        finally:
            _LIBC.setns(ours, _NEW_NETWORK)
    finally:
        os.close(ours)


@contextmanager
def faults(*, lost: float = 0.0) -> Iterator[None]:
    """Inside, the second address of every name server is dead, and a share of the packets to all others is lost.

    Raises OSError where the kernel has no packet filter for it.
    """
    tc = str(find_tool("tc"))
    _run(tc, "qdisc", "add", "dev", "lo", "clsact")
    try:
        # At the receiving end: what is dropped where it is sent is told to the sender.
        _run(tc, "filter", "add", "dev", "lo", "ingress", "bpf", "da", "bytecode", bytecode(lost=lost))
        yield
    finally:
        _run(tc, "qdisc", "del", "dev", "lo", "clsact")


def bytecode(*, lost: float) -> str:
    """The filter, in the classic BPF that tc(8) reads: an action, 2 to drop and 0 to go on, for each packet."""
    live, mortal = (int.from_bytes(bytes([*map(int, each.split(".")), 0, 0])) for each in (_LIVE, _MORTAL))
    program = (
        (0x28, 0, 0, 12),  # The type in the Ethernet header:
        (0x15, 0, 4, 0x0800),  # not IPv4: go on.
        (0x20, 0, 0, 30),  # The destination's
        (0x54, 0, 0, 0xFFFF_0000),  # first half:
        (0x15, 5, 0, mortal),  # drop,
        (0x15, 1, 0, live),  # perhaps drop,
        (0x06, 0, 0, 0),  # go on.
        (0x20, 0, 0, 0xFFFF_F038),  # A random number (SKF_AD_RANDOM):
        (0x35, 0, 1, int(lost * 0xFFFF_FFFF)),  # not below the share:
        (0x06, 0, 0, 0),  # go on;
        (0x06, 0, 0, 2),  # else drop.
    )
    return f"{len(program)}," + "".join(f"{code} {jt} {jf} {k}," for code, jt, jf, k in program)


class Queries:
    """Counts what is sent to name servers of this network, lost or not: datagrams, and connections over TCP.

    Every packet costs its sender a little for that.
    """

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PROTOCOLS))
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _QUERIES))
        attached = struct.pack("HL", len(_QUERIES), ctypes.addressof(program))
        self._socket.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, attached)
        # Nobody reads them: what finds no room is counted as well.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self._socket.bind(("lo", _ALL_PROTOCOLS))
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def count(self) -> int:
        """How many since it was entered or asked last."""
        counted: tuple[int, int] = struct.unpack("II", self._socket.getsockopt(_PACKET, _PACKET_STATISTICS, 8))
        return counted[0]


def datagrams() -> int:
    """UDP datagrams sent so far by all processes of this network."""
    lines = [line.split() for line in pathlib.Path("/proc/thread-self/net/snmp").read_text().splitlines()
             if line.startswith("Udp:")]
    return int(dict(zip(*lines, strict=True))["OutDatagrams"])
