"""Who is attacked and how long, and what attacks share: connections from many addresses, datagrams at a rate."""

from __future__ import annotations

import json
import pathlib
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

HOST = "127.0.0.1"
_CONNECT_S, _REFUSALS = 0.3, 10


@dataclass
class Target:
    """A server on 127.0.0.1; `counted` is printed at the end. `log`: the file log that it reads. `rate`: a second."""

    port: int
    admin_port: int = 0
    log: pathlib.Path | None = None
    seconds: float = 5.0
    rate: float = 0.0
    seed: int = 1
    counted: Counter[str] = field(default_factory=Counter)
    _ends: float = 0.0

    def begin(self) -> None:
        """Say that the attack is under way: what takes long to prepare is done."""
        self._ends = time.monotonic() + self.seconds
        print("ready", flush=True)

    def over(self) -> bool:
        """Whether it is time to end."""
        return time.monotonic() >= self._ends

    def end(self) -> None:
        """Print what was counted."""
        print(json.dumps(self.counted), flush=True)
        sys.stdout.flush()


@contextmanager
def connections(
    target: Target, number: int, *, clients: int, receive_octets: int = 2048
) -> Iterator[list[socket.socket]]:
    """Open connections from so many addresses that are not read unless somebody does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        socks: list[socket.socket] = []
        refused = 0
        for count in range(number):
            sock = connect(target, f"127.1.{count % clients}.1", receive_octets=receive_octets)
            if sock is not None:
                socks.append(stack.enter_context(sock))
            refused = 0 if sock is not None else refused + 1
            if refused >= _REFUSALS:
                break  # It takes no more: some servers have room for a hundred.
        yield socks


def connect(target: Target, client: str, *, receive_octets: int = 2048) -> socket.socket | None:
    """One connection from an address, None where it is refused or not accepted in time."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
    sock.settimeout(_CONNECT_S)
    try:
        sock.bind((client, 0))
        sock.connect((HOST, target.port))
    except OSError:
        sock.close()
        target.counted["refused"] += 1
        return None
    sock.setblocking(False)
    target.counted["connections"] += 1
    return sock


def pour(target: Target, message: bytes, *, number: int, clients: int, read: bool, pause_s: float = 0.0) -> None:
    """Send a message on many connections over and over; what was closed is opened again; answers are read or left."""
    with connections(target, number, clients=clients, receive_octets=1 << 16 if read else 2048) as socks:
        target.begin()
        while not target.over():
            full = False
            for at, sock in enumerate(socks):
                try:
                    target.counted["octets_in"] += sock.send(message)
                    target.counted["sent"] += 1
                except BlockingIOError:
                    pass  # full: the other side does not read
                except OSError:
                    sock.close()
                    if not full:
                        again = connect(target, f"127.1.{at % clients}.1")
                        socks[at], full = again or sock, again is None
                if read:
                    drain(target, sock)
                if target.over():
                    return
            time.sleep(pause_s)


def drain(target: Target, sock: socket.socket) -> None:
    """Read what there is."""
    try:
        while data := sock.recv(1 << 16):
            target.counted["octets_out"] += len(data)
    except OSError:
        pass


def shoot(target: Target, packet: Callable[[], bytes], *, sources: int = 1, burst: int = 32) -> None:
    """Send datagrams from so many addresses at the target's rate, and count the answers."""
    with ExitStack() as stack:
        socks = []
        for number in range(sources):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.bind((f"127.1.{number % 250}.{2 + number // 250}", 0))
            sock.connect((HOST, target.port))
            sock.setblocking(False)
            socks.append(sock)
        target.begin()
        began, sent = time.monotonic(), 0
        while not target.over():
            for _ in range(burst):
                sock = socks[sent % sources]
                wire = packet()
                try:
                    target.counted["octets_in"] += sock.send(wire)
                    target.counted["sent"] += 1
                except OSError:
                    target.counted["unsent"] += 1
                sent += 1
            for sock in socks:
                _count(target, sock)
            time.sleep(max(sent / target.rate - (time.monotonic() - began), 0.0005))
        time.sleep(0.1)
        for sock in socks:
            _count(target, sock)


def _count(target: Target, sock: socket.socket) -> None:
    try:
        while data := sock.recv(1 << 16):
            target.counted["octets_out"] += len(data)
            target.counted["answers"] += 1
            target.counted["truncated"] += bool(data[2] & 2)
    except OSError:
        pass
