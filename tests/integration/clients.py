"""A zone and a client for tests of the DNS service."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import dns.message

from tests.harness import Server, event_line
from tests.harness.server import HOST

SOA = "ns.example.org. host.example.org. 1 3600 600 604800 60"
PATIENCE_S = 20.0
BIG = [f'"{number:03} {"x" * 90}"' for number in range(60)]


def line(owner: str, rdtype: str, contents: list[str]) -> bytes:
    """One event."""
    records = [{"name": owner, "type": rdtype, "content": content, "ttl": 300} for content in contents]
    return event_line(f"{owner}|{rdtype}", records, 1)


ZONE = [
    line("example.org.", "SOA", [SOA]),
    line("example.org.", "NS", ["ns.example.org."]),
    line("example.org.", "MX", ["10 mail.example.org.", "20 mail.far.invalid."]),
    line("ns.example.org.", "A", ["192.0.2.53"]),
    line("mail.example.org.", "AAAA", ["2001:db8::25"]),
    line("www.example.org.", "A", ["192.0.2.80", "192.0.2.81"]),
    line("alias.example.org.", "CNAME", ["www.example.org."]),
    line("*.wild.example.org.", "TXT", ['"a b" "c"']),
    line("big.example.org.", "TXT", BIG),
    line("sub.example.org.", "NS", ["ns.sub.example.org."]),
    line("ns.sub.example.org.", "A", ["192.0.2.54"]),
]


@contextmanager
def unreadable(server: Server) -> Iterator[None]:
    """A directory in the way of a partition's file; for the server, it comes and goes in one moment."""
    file = server.partition(0)
    aside = server.folder / "aside.jsonl"
    server.signal(signal.SIGSTOP)
    file.rename(aside)
    file.mkdir()
    server.signal(signal.SIGCONT)
    try:
        yield
    finally:
        server.signal(signal.SIGSTOP)
        file.rmdir()
        aside.rename(file)
        server.signal(signal.SIGCONT)


class Client:
    """A TCP connection that sends and reads what it is told to, octet by octet if need be."""

    def __init__(self, port: int, host: str = HOST) -> None:
        self.sock = socket.create_connection((host, port), timeout=PATIENCE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def read(self) -> dns.message.Message | None:
        """The next message, None at the end of the stream."""
        size = self._exactly(2)
        return None if size is None else dns.message.from_wire(self._exactly(int.from_bytes(size, "big")) or b"")

    def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            try:
                got = self.sock.recv(size - len(data))
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            data += got
        return data

    def ask(self, name: str = "www.example.org", rdtype: str = "A") -> dns.message.Message | None:
        """One question and its answer."""
        self.sock.sendall(framed(name, rdtype))
        return self.read()

    def closed(self) -> bool:
        """Whether the server has ended the connection, without waiting."""
        self.sock.setblocking(False)
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        finally:
            self.sock.settimeout(PATIENCE_S)


def framed(name: str, rdtype: str = "A", number: int = 7) -> bytes:
    """A query as it goes over TCP."""
    wire = dns.message.make_query(name, rdtype, id=number).to_wire()
    return len(wire).to_bytes(2, "big") + wire


def still_answers(server: Server, questions: int = 20) -> None:
    """UDP and a new TCP connection get answers, and nothing has failed inside."""
    for _ in range(questions):
        assert server.ask("www.example.org").answer
    assert server.tcp(dns.message.make_query("www.example.org", "A")).answer
    assert server.metrics()["streamdns_dns_exceptions_total"] == 0
