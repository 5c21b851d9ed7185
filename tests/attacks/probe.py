"""Looks at a server from outside, one datagram after the other: how long answers take by the clock and by its CPU."""

from __future__ import annotations

import pathlib
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.attacks.processor_time import ProcessorTime
from tests.attacks.target import HOST

_TIMESTAMPS = 35    # SO_TIMESTAMPNS of Linux
_DISTURBED_NS = 1_000_000
#: An answer that takes longer is lost: clients ask again, or ask somebody else.
LOST_S = 5.0


@dataclass(slots=True)
class Looks:
    """What was seen: of each answer the time by the clock, of undisturbed looks the processor time of the server."""

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    lost: int = 0
    wrong: int = 0
    resident_bytes: int = 0


def resident_bytes(pids: Sequence[int]) -> int:
    """Resident memory of these processes that is their own: without the page cache of a map."""
    total = 0
    for pid in pids:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))
    return total


class Probe:
    """Sends a query to a server over and over and looks at its processes meanwhile.

    `threads` have the loops that answer: what all of them take between a datagram and its answer was done before it.
    `shows` are octets of a right answer. `exact`: see ProcessorTime.
    """

    def __init__(
        self, port: int, *, query: bytes, shows: bytes, threads: Sequence[int], processes: Sequence[int],
        exact: bool = False,
    ) -> None:
        self._query, self._shows, self._processes = query, shows, processes
        self._processor = ProcessorTime(threads, exact=exact)
        self._socket = sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMPS, 1)
        sock.bind(("127.7.7.7", 0))
        sock.connect((HOST, port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()
        self._processor.close()

    def look(self, *, most: int, until_s: float, pause_s: float = 0.0, lost_s: float = LOST_S) -> Looks:
        """Ask so often, or until a moment (time.monotonic())."""
        seen = Looks()
        for number in range(most):
            if time.monotonic() >= until_s:
                break
            self._once(seen, number.to_bytes(4, "big")[2:], lost_s)
            if number % 16 == 0:
                seen.resident_bytes = max(seen.resident_bytes, resident_bytes(self._processes))
            if pause_s:
                time.sleep(pause_s)
        return seen

    def _once(self, seen: Looks, number: bytes, lost_s: float) -> None:
        sock = self._socket
        began = self._processor.ns()
        began_s = time.perf_counter()
        sock.send(number + self._query[2:])
        sent = self._processor.ns()
        sock.settimeout(lost_s)
        try:
            while True:
                reply, ancillary, _, _ = sock.recvmsg(4096, 64)
                if reply[:2] == number:
                    break
        except (TimeoutError, ConnectionRefusedError):
            seen.lost += 1
            return
        came_s = time.time()
        seen.wall_ms.append(1000 * (time.perf_counter() - began_s))
        taken = self._processor.ns() - began
        seen.wrong += self._shows not in reply
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        # Where this process had to wait for a processor itself, before it sent or after the reply had come (the kernel
        # says when that was), the server went on meanwhile: such a look says nothing.
        if sent - began < _DISTURBED_NS and came_s - (seconds + nanoseconds / 1e9) < _DISTURBED_NS / 1e9:
            seen.cpu_ms.append(taken / 1e6)
