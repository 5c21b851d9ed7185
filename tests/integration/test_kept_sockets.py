"""A restart loses no query where a manager keeps the sockets: the test is systemd here, and the servers are real."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import pytest

from tests.harness import Server, free_port
from tests.harness.server import HOST

#: As many as fit into a receive buffer of Linux's default size, twice.
QUERIES = 120


class ServiceManager:
    """Keeps what a service stores, and hands it to the next process, as systemd does."""

    def __init__(self, place: Path) -> None:
        self.path = str(place / "notify")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(self.path)
        self._notify.settimeout(20)
        self.kept: dict[str, int] = {}
        self.removed: list[str] = []

    def hear(self, what: str) -> None:
        """Work off messages until one begins with a word."""
        while True:
            message, descriptors, _, _ = socket.recv_fds(self._notify, 4096, 4)
            told = dict(line.split("=", 1) for line in message.decode().splitlines())
            if "FDSTORE" in told:
                (descriptor,) = descriptors
                os.close(self.kept.pop(told["FDNAME"], os.open(os.devnull, os.O_RDONLY)))
                self.kept[told["FDNAME"]] = descriptor
            elif "FDSTOREREMOVE" in told:
                self.removed.append(told["FDNAME"])
                os.close(self.kept.pop(told["FDNAME"]))
            else:
                for descriptor in descriptors:
                    os.close(descriptor)
            if message.decode().startswith(what):
                return

    @contextmanager
    def handing_over(self, server: Server) -> Iterator[None]:
        """Start a server in here: it has the kept descriptors from 3 on."""
        # Not from their own places: those may be the ones that others have to go to.
        high = {name: fcntl.fcntl(number, fcntl.F_DUPFD, 100) for name, number in self.kept.items()}
        moves = " ".join(f"{3 + index}<&{number} {number}<&-" for index, number in enumerate(high.values()))
        variables = f"LISTEN_PID=$$ LISTEN_FDS={len(high)} LISTEN_FDNAMES='{':'.join(high)}'"
        server.wrapper = ("bash", "-c", f'export {variables}; exec "$@" {moves}', "bash")
        server.inherits = tuple(high.values())
        try:
            yield
        finally:
            for number in high.values():
                os.close(number)

    def close(self) -> None:
        """Let go of everything."""
        for number in self.kept.values():
            os.close(number)
        self._notify.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    made = ServiceManager(tmp_path)
    yield made
    made.close()


def start(server: Server, manager: ServiceManager, **changed: str) -> None:
    """Start a process that gets what is kept, and wait until it says that it is ready."""
    server.settings |= {"NOTIFY_SOCKET": manager.path} | changed
    with manager.handing_over(server):
        server.start(wait=False)
    manager.hear("READY=1")


def connect(port: int) -> socket.socket:
    sock = socket.create_connection((HOST, port), timeout=20)
    sock.settimeout(20)
    return sock


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_asked_while_no_process_runs_is_answered_by_the_next_one(
    serve: Callable[..., Server], manager: ServiceManager, ends: signal.Signals
) -> None:
    """Over UDP and TCP, and so are requests of the admin API."""
    server = serve(start=False)
    start(server, manager)
    assert len(manager.kept) == 3
    assert server.process is not None
    server.signal(ends)
    assert server.process.wait(20) == (0 if ends == signal.SIGTERM else -ends)
    query = dns.message.make_query("www.example.org", "A").to_wire()
    tcp = [connect(server.port) for _ in range(10)]
    admin = connect(server.admin_port)
    admin.sendall(b"GET /health HTTP/1.0\r\n\r\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(20)
        udp.connect((HOST, server.port))
        for number in range(QUERIES):
            udp.send(number.to_bytes(2, "big") + query[2:])
        for sock in tcp:
            sock.sendall(len(query).to_bytes(2, "big") + query)
        start(server, manager)
        assert {int.from_bytes(udp.recv(4096)[:2], "big") for _ in range(QUERIES)} == set(range(QUERIES))
    for sock in tcp:
        assert sock.recv(4096)[2:4] == query[:2]
        sock.close()
    assert admin.recv(4096).startswith(b"HTTP/1.1 200 ")
    admin.close()
    # The same ones are kept, and none was given up.
    assert len(manager.kept) == 3
    assert not manager.removed


def test_sockets_of_addresses_that_are_no_longer_wanted_are_given_up(
    serve: Callable[..., Server], manager: ServiceManager
) -> None:
    """Also where they would be in the way of the new ones: systemd's copies are closed before those are bound."""
    server = serve(start=False, DNS_ADDRESS=f"0.0.0.0:{(port := free_port())}")
    start(server, manager)
    assert server.stop() == 0
    names = {f"DNS_ADDRESS {kind} 0.0.0.0_{port}" for kind in ("UDP", "TCP")}
    assert names < set(manager.kept)
    begin = server.output.stat().st_size
    start(server, manager, DNS_ADDRESS=f"127.0.0.1:{port}")
    assert set(manager.removed) == names
    assert {f"DNS_ADDRESS {kind} 127.0.0.1_{port}" for kind in ("UDP", "TCP")} < set(manager.kept)
    assert len(manager.kept) == 3
    written = server.written(begin)
    assert written.count("app.socket_forgotten") == 2
    assert "service.waiting" not in written
    server.port = port
    assert server.ask("www.example.org").id
    # Nothing of the old ones is left in this process.
    links = [os.readlink(path) for path in Path(f"/proc/{server.pid}/fd").iterdir()]
    sockets = [link for link in links if link.startswith("socket:")]
    assert len(sockets) - len(set(sockets)) == 3, "each of the three is there twice: for its service, and to be kept"


def test_descriptors_for_another_process_are_left_alone(serve: Callable[..., Server], manager: ServiceManager) -> None:
    """LISTEN_PID names who is meant: a child of a socket-activated program must not take its sockets."""
    server = serve(start=False)
    server.settings |= {"LISTEN_PID": "1", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "a:b:c"}
    server.start()
    assert server.ask("www.example.org").id
    with pytest.raises(OSError, match="in use") as caught, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, server.port))
    assert caught.value.errno == errno.EADDRINUSE
