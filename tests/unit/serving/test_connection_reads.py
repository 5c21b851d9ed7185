"""What comes over a connection is read when there is something to do with it, and what each connection needs is set."""

from __future__ import annotations

import _socket
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import gevent
import pytest

from benchmarks.kinds import Cost, counting
from streamdns.consumer.propagation import Propagation
from streamdns.metrics.registry import Registry
from streamdns.runtime.turns import give_way
from streamdns.serving import connections
from streamdns.serving.connection import Client, Connection, address_of
from streamdns.serving.connections import Connections
from streamdns.serving.statistics import Statistics
from tests.harness import wait_until

_PATIENCE_S = 20.0
_MANY = 64
_FIN_WAIT2 = 5  # of the kernel's states of TCP: the other side has acknowledged the end
_REPLY = b"read"


class _Answering:
    """A server that answers each whole message with four octets, and notes what it was sent."""

    idle_timeout_s = message_timeout_s = 3600.0

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def converse(self, connection: Connection, ends_s: float) -> None:
        messages, ends = connection.whole_messages()
        self.heard += messages
        connection.put([_REPLY] * len(messages))
        connection.taken(ends[-1], 1.0)

    def accept_failed(self, error: OSError) -> None:
        raise error


class _Serving(NamedTuple):
    connections: Connections
    server: _Answering
    statistics: Statistics
    address: tuple[str, int]

    def connect(self) -> socket.socket:
        """A client, which sends what it sends at once."""
        client = socket.create_connection(self.address)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client


@pytest.fixture
def serving() -> Iterator[_Serving]:
    registry = Registry()
    statistics = Statistics(registry, Propagation(registry, lambda: 0.0))
    served, server = Connections(100, 100, statistics), _Answering()
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    accepting = _socket.socket(listening.family, listening.type, listening.proto, listening.detach())
    accepting.setblocking(False)
    served.listen(accepting, server)
    with gevent.Timeout(_PATIENCE_S):
        yield _Serving(served, server, statistics, address)
    served.close_listener(accepting)
    served.close_all(server)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of octets in the buffer after each read."""
    found: list[int] = []
    read = Connection.read

    def counted(connection: Connection, now_s: float) -> None:
        read(connection, now_s)
        found.append(len(connection.buffer))

    monkeypatch.setattr(Connection, "read", counted)
    return found


def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something is so."""
    while not condition():
        give_way()


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


@pytest.mark.parametrize("size", [0, 1, 100, 300])
def test_octets_that_come_one_at_a_time_wake_nobody(serving: _Serving, reads: list[int], size: int) -> None:
    """The first two say how long the message is, and with the last one it is whole: none between them is read."""
    message = bytes(range(256)) * 2
    message = message[:size]
    with serving.connect() as client:
        until(lambda: serving.statistics.tcp_connections.value)
        for number in range(2):     # What follows a message is read as what came first.
            for octet in framed(message):
                client.send(bytes((octet,)))
                give_way()
                give_way()
            until(lambda: len(serving.server.heard) == number + 1)  # noqa: B023 - it is called at once
            client.settimeout(_PATIENCE_S)
            gevent.get_hub().threadpool.apply(client.recv, (9,))
    assert serving.server.heard == [message] * 2
    # Each time one may come too early, and one more finds nothing.
    assert len(reads) <= 2 * 5


def test_a_long_message_is_gathered_in_pieces(serving: _Serving, reads: list[int]) -> None:
    """Of 64 KB the kernel keeps 4 KB at the most before we count them with what the client holds."""
    message = b"x" * 65_535
    with serving.connect() as client:
        until(lambda: serving.statistics.tcp_connections.value)
        (connection,) = serving.connections._open
        wire = framed(message)
        client.sendall(wire[:512])
        until(lambda: connection.buffer)
        assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == connection.gathers == 4096
        for at in range(512, len(wire), 512):
            client.sendall(wire[at : at + 512])
            give_way()
        until(lambda: serving.server.heard)
        assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == connection.gathers == 1
    assert serving.server.heard == [message]
    assert len(reads) <= 40


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\x20", b"\0\x20abc"])
def test_who_leaves_in_the_middle_is_let_go(serving: _Serving, sent: bytes) -> None:
    """However much of a message is missing, the end of the connection is heard of."""
    with serving.connect() as client:
        until(lambda: serving.statistics.tcp_connections.value)
        for octet in sent:
            client.send(bytes((octet,)))
            give_way()
    until(lambda: not serving.statistics.tcp_connections.value)
    assert serving.server.heard == []


def test_messages_that_come_with_the_connection_are_answered(serving: _Serving) -> None:
    """Nobody waits for a descriptor whose client has said all he wants, and gone."""
    with serving.connect() as client:
        client.sendall(framed(b"one") + framed(b"two") + b"\0")
        client.shutdown(socket.SHUT_WR)
        until(lambda: len(serving.server.heard) == 2)
        until(lambda: not serving.statistics.tcp_connections.value)
        assert client.recv(99) == framed(_REPLY) * 2
    assert serving.server.heard == [b"one", b"two"]


def test_what_is_set_for_a_connection(serving: _Serving) -> None:
    """Answers are not held back for more to come, and what a client does not take stays here, where it is counted."""
    with serving.connect():
        until(lambda: serving.statistics.tcp_connections.value)
        (connection,) = serving.connections._open
        sock = connection.sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 65_536
        assert not sock.getblocking()
        assert connection.address == bytes((127, 0, 0, 1))


@pytest.mark.parametrize(("peer", "family", "octets"), [
    ("192.0.2.1", socket.AF_INET, b"\xc0\0\2\1"),
    ("2001:db8::1", socket.AF_INET6, b"\x20\1\x0d\xb8" + bytes(11) + b"\1"),
    ("fe80::1%eth0", socket.AF_INET6, b"\xfe\x80" + bytes(13) + b"\1"),
])
def test_the_octets_of_an_address(peer: str, family: int, octets: bytes) -> None:
    assert address_of(peer, family) == octets


def test_a_message_that_has_begun_keeps_its_beginning(serving: _Serving) -> None:
    """However it comes, its time runs from its first octet on; what is answered has none."""
    with serving.connect() as client:
        until(lambda: serving.statistics.tcp_connections.value)
        (connection,) = serving.connections._open
        assert (connection.began_s, connection.lacks) == (None, 1)
        client.send(b"\0")
        until(lambda: connection.buffer)
        began_s = connection.began_s
        assert began_s is not None
        client.send(b"\3ab")
        until(lambda: connection.lacks == 1 and len(connection.buffer) == 4)
        assert connection.began_s == began_s
        client.send(b"c\0")
        until(lambda: serving.server.heard)
        assert serving.server.heard == [b"abc"]
        assert connection.began_s == 1.0    # of the next one, whose first octet came with it


def is_acknowledged(client: socket.socket) -> bool:
    """Whether the kernel has all that a client sent, and its end."""
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes((_FIN_WAIT2,))


@pytest.mark.parametrize(("sent", "most"), [(b"", 700.0), (b"\0\x20abc", 1100.0)])
def test_a_connection_that_comes_and_goes_takes_little(
    serving: _Serving, monkeypatch: pytest.MonkeyPatch, sent: bytes, most: float
) -> None:
    """Instructions of Python from the moment when it is accepted to its end: they were half as many again."""
    monkeypatch.setattr(connections, "_BUDGET_S", 1e9)
    accepted = serving.statistics.tcp_accepted
    with ExitStack() as stack:
        for _ in range(2):      # The first ones find caches of the interpreter cold.
            before, counts = accepted.value, list[Cost]()
            clients = [stack.enter_context(serving.connect()) for _ in range(_MANY)]
            for client in clients:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
            wait_until(lambda: all(map(is_acknowledged, clients)), "all is there")  # noqa: B023 - it is called at once
            while accepted.value < before + _MANY or serving.statistics.tcp_connections.value:
                if not serving.connections._ready:
                    select.select([serving.connections._poller], [], [], _PATIENCE_S)
                with counting(counts):
                    serving.connections._turn()
    total = Cost(0, 0)
    for each in counts:
        total += each
    assert total.instructions / _MANY <= most, total


def test_a_client_is_counted_with_what_it_holds() -> None:
    """A connection knows what it holds from the start."""
    ours, theirs = socket.socketpair()
    with theirs:
        sock = _socket.socket(ours.family, ours.type, ours.proto, ours.detach())
        sock.setblocking(False)
        connection = Connection(sock, b"\x7f\0\0\1", Client(b"\x7f\0\0\1"), 0.0)
        theirs.send(framed(b"abc")[:4])
        connection.read(7.0)
        assert (connection.octets(), connection.lacks, connection.began_s) == (4, 1, 7.0)
        assert not connection.finished()
        theirs.shutdown(socket.SHUT_WR)
        connection.read(8.0)
        assert connection.finished()
        sock.close()
