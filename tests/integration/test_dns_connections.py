"""TCP as clients use and misuse it: pipelined, in drops, silent, greedy, too many at a time (RFC 7766)."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.harness import Server, wait_until
from tests.harness.server import HOST
from tests.integration.clients import PATIENCE_S, Client, framed, still_answers

# -- one connection


def test_queries_are_pipelined(start: Callable[..., Server]) -> None:
    """RFC 7766 §6.2.1.1: many queries in one piece, each is answered, by its id."""
    server = start()
    names = ["www.example.org", "nothing.example.org", "alias.example.org", "big.example.org", "far.invalid"] * 20
    with Client(server.port) as client:
        types = itertools.cycle(["A", "TXT", "A", "TXT"])
        client.sock.sendall(b"".join(framed(name, next(types), number) for number, name in enumerate(names)))
        replies = [client.read() for _ in names]
    found = {reply.id: reply for reply in replies if reply is not None}
    assert sorted(found) == [*range(len(names))]
    for number, name in enumerate(names):
        assert found[number].question[0].name.to_text() == f"{name}."


def test_a_query_may_come_octet_by_octet(start: Callable[..., Server]) -> None:
    """Two queries, cut at every place, also within the length."""
    server = start()
    data = framed("www.example.org", "A", 1) + framed("alias.example.org", "A", 2)
    with Client(server.port) as client:
        for at in range(len(data)):
            client.sock.sendall(data[at : at + 1])
        replies = [client.read(), client.read()]
        assert [reply and (reply.id, len(reply.answer)) for reply in replies] == [(1, 1), (2, 2)]
        for cut in range(1, len(data)):
            client.sock.sendall(data[:cut])
            client.sock.sendall(data[cut:])
            assert [reply and reply.id for reply in (client.read(), client.read())] == [1, 2], cut


def test_what_is_no_query_is_passed_over(start: Callable[..., Server]) -> None:
    """Empty messages, noise and replies do not end the connection; the next query is answered."""
    server = start()
    with Client(server.port) as client:
        client.sock.sendall(b"\0\0" + b"\0\5noise" + b"\0\x0c" + b"\1\2\x80" + b"\0" * 9 + framed("www.example.org"))
        reply = client.read()
        assert reply is not None
        assert (reply.id, len(reply.answer[0])) == (7, 2)


def test_the_client_may_stop_sending_and_read_on(start: Callable[..., Server]) -> None:
    """A half-closed connection gets what it asked for before."""
    server = start()
    with Client(server.port) as client:
        client.sock.sendall(framed("www.example.org", "A", 1) + framed("www.example.org", "A", 2))
        client.sock.shutdown(socket.SHUT_WR)
        assert [reply and reply.id for reply in (client.read(), client.read(), client.read())] == [1, 2, None]


# -- slow and silent peers


def test_an_idle_connection_is_closed(start: Callable[..., Server]) -> None:
    """After DNS_TCP_IDLE_TIMEOUT, whether it has asked something or not."""
    server = start(DNS_TCP_IDLE_TIMEOUT="1.5")
    with Client(server.port) as silent, Client(server.port) as spoke:
        assert spoke.ask() is not None
        assert (silent.read(), spoke.read()) == (None, None)


@pytest.mark.parametrize("begun", [b"\0", b"\0\x30half a message", b"\xff\xff"])
def test_a_message_that_does_not_come_is_not_waited_for(start: Callable[..., Server], begun: bytes) -> None:
    """After DNS_TCP_MESSAGE_TIMEOUT, however long connections may be idle."""
    server = start(DNS_TCP_IDLE_TIMEOUT="3600", DNS_TCP_MESSAGE_TIMEOUT="0.3")
    with Client(server.port) as idle, Client(server.port) as slow:
        assert slow.ask() is not None
        slow.sock.sendall(begun)
        assert slow.read() is None
        assert idle.ask() is not None


def test_a_message_in_drops_is_not_waited_for(start: Callable[..., Server]) -> None:
    """An octet now and then does not put the end off: the time is that of the whole message."""
    server = start(DNS_TCP_IDLE_TIMEOUT="3600", DNS_TCP_MESSAGE_TIMEOUT="0.5")
    with Client(server.port) as slow:
        slow.sock.sendall(b"\xff\xff")

        def dropped() -> bool:
            try:
                slow.sock.send(b"x")
            except (BrokenPipeError, ConnectionResetError):
                return True
            return slow.closed()

        wait_until(dropped, "the connection is closed", timeout_s=PATIENCE_S, interval_s=0.05)
    still_answers(server)


def test_a_peer_that_takes_no_answers(start: Callable[..., Server]) -> None:
    """It asks without end and never reads: its connection is closed, the others are served meanwhile."""
    server = start(DNS_TCP_MESSAGE_TIMEOUT="0.5", DNS_TCP_IDLE_TIMEOUT="3600")
    with Client(server.port) as greedy:
        greedy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.sock.settimeout(0.05)
        questions = framed("big.example.org", "TXT") * 100

        def refused() -> bool:
            try:
                greedy.sock.send(questions)
            except TimeoutError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                return True
            assert server.ask("www.example.org").answer
            return False

        wait_until(refused, "the connection is closed", timeout_s=PATIENCE_S)
    still_answers(server)


# -- many connections


def test_past_the_limit_the_longest_silent_one_is_closed(start: Callable[..., Server]) -> None:
    """DNS_TCP_CONNECTIONS: whoever asks keeps the connection, whoever is silent gives it up."""
    server = start(DNS_TCP_CONNECTIONS="4", DNS_TCP_IDLE_TIMEOUT="3600")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(4)]
        for client in clients:
            assert client.ask() is not None
        assert clients[0].ask() is not None
        newcomer = stack.enter_context(Client(server.port))
        assert newcomer.ask() is not None
        assert clients[1].read() is None
        for client in (clients[0], clients[2], clients[3], newcomer):
            assert client.ask() is not None
        assert server.metrics()["streamdns_dns_tcp_connections"] == 4
        assert server.metrics()["streamdns_dns_tcp_refused_total"] == 1


def test_three_hundred_silent_connections(start: Callable[..., Server]) -> None:
    """They cost descriptors up to the limit, and neither UDP nor new connections."""
    server = start(DNS_TCP_CONNECTIONS="100", DNS_TCP_IDLE_TIMEOUT="3600", DNS_TCP_MESSAGE_TIMEOUT="3600")
    with ExitStack() as stack:
        silent = [stack.enter_context(Client(server.port)) for _ in range(300)]
        for client in silent[::3]:
            try:
                client.sock.sendall(b"\0\x30half")
            except OSError:
                pass  # it has been closed to make room
        wait_until(lambda: sum(client.closed() for client in silent) >= 200, "200 were closed", timeout_s=PATIENCE_S)
        still_answers(server)
        assert len(os.listdir(f"/proc/{server.pid}/fd")) < 160


def test_a_flood_of_connections_leaves_udp_answering(start: Callable[..., Server]) -> None:
    """Connections are opened and dropped without a pause; every UDP query is answered."""
    server = start(DNS_TCP_CONNECTIONS="50")
    stop = threading.Event()
    opened = itertools.count()

    def flood() -> None:
        while not stop.is_set():
            try:
                with socket.create_connection((HOST, server.port), timeout=PATIENCE_S) as sock:
                    next(opened)
                    if next(opened) % 3 == 0:
                        sock.sendall(framed("www.example.org"))
            except OSError:
                pass  # refused or reset: that is the server's right

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        while next(opened) < 3000:
            assert server.ask("www.example.org", "A").answer
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    still_answers(server)
