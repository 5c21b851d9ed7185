"""Sends requests to the admin API, from several connections at a time."""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
from collections.abc import Callable, Sequence

from tests.attacks.target import HOST, Target


def ask(target: Target, paths: Sequence[str], *, at_once: int) -> None:
    """Get these paths over and over; the answers are read and counted."""
    target.begin()
    threads = [threading.Thread(target=_ask, args=(target, itertools.cycle(paths[n:] + paths[:n])), daemon=True)
               for n in range(min(at_once, len(paths)))]
    together(threads)


def _ask(target: Target, paths: itertools.cycle[str]) -> None:
    while not target.over():
        try:
            connection = http.client.HTTPConnection(HOST, target.admin_port, timeout=target.seconds)
            connection.request("GET", next(paths))
            response = connection.getresponse()
            target.counted[f"status {response.status}"] += 1
            while (data := response.read(1 << 16)) and not target.over():
                target.counted["octets_out"] += len(data)
            connection.close()
        except (OSError, http.client.HTTPException):
            target.counted["failed"] += 1


def hold(target: Target, sends: Callable[[int], bytes], *, number: int, more: bytes = b"") -> None:
    """Open connections, say something on each, then `more` an octet at a time; nothing is read."""
    socks = []
    for count in range(number):
        try:
            sock = socket.create_connection((HOST, target.admin_port), timeout=2, source_address=("127.1.9.1", 0))
            sock.sendall(sends(count))
            socks.append(sock)
            target.counted["connections"] += 1
        except OSError:
            target.counted["refused"] += 1
    target.begin()
    wait = threading.Event()
    for octet in itertools.cycle(more or b"\0"):
        if target.over():
            break
        for sock in socks if more else []:
            try:
                sock.send(bytes((octet,)))
                target.counted["sent"] += 1
            except OSError:
                target.counted["closed"] += 1
        wait.wait(0.2)
    for sock in socks:
        sock.close()


def together(threads: list[threading.Thread]) -> None:
    """Start them and wait for their end."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
