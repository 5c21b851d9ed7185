"""Connections of clients whose time is over are closed in turns of the event loop, however many there are at once."""

from __future__ import annotations

import _socket
import socket
from contextlib import ExitStack
from itertools import pairwise

import gevent
import pytest

from streamdns.consumer.propagation import Propagation
from streamdns.metrics.registry import Registry
from streamdns.runtime.turns import give_way
from streamdns.serving import connections
from streamdns.serving.connection import Connection
from streamdns.serving.connections import Connections
from streamdns.serving.statistics import Statistics

_PATIENCE_S = 20.0
_MANY = 100


class _Hanging:
    """A server whose clients have no time for a message once `over` is called."""

    idle_timeout_s = message_timeout_s = 3600.0

    def over(self) -> None:
        self.message_timeout_s = 0.0

    def silent(self) -> None:
        self.idle_timeout_s = 0.0

    def converse(self, connection: Connection, ends_s: float) -> None:
        """No message of theirs is ever whole."""

    def accept_failed(self, error: OSError) -> None:
        raise error


@pytest.mark.parametrize("sends", [b"\0", b""])
def test_what_is_over_at_once_is_not_closed_at_once(monkeypatch: pytest.MonkeyPatch, sends: bytes) -> None:
    """A hundred connections that began a message, or were silent, in one moment: one is closed in a turn that has no
    time for more, and all of them in the end.
    """
    monkeypatch.setattr(connections, "_BUDGET_S", 0.0)
    registry = Registry()
    statistics = Statistics(registry, Propagation(registry, lambda: 0.0))
    served, server = Connections(1000, 1000, statistics), _Hanging()
    listening = socket.create_server(("127.0.0.1", 0), backlog=_MANY)
    address = listening.getsockname()
    accepting = _socket.socket(listening.family, listening.type, listening.proto, listening.detach())
    accepting.setblocking(False)
    served.listen(accepting, server)
    seen: list[int] = []
    with ExitStack() as stack, gevent.Timeout(_PATIENCE_S):
        stack.callback(served.close_all, server)
        stack.callback(served.close_listener, accepting)
        for _ in range(_MANY):
            client = stack.enter_context(socket.create_connection(address))
            client.sendall(sends)
        while statistics.tcp_connections.value != _MANY or len(served._begun) != _MANY * len(sends):
            give_way()
        loop = gevent.get_hub().loop
        turn = loop.prepare()
        turn.start(lambda: seen.append(int(statistics.tcp_connections.value or 0)))
        stack.callback(turn.close)
        stack.callback(turn.stop)
        server.over() if sends else server.silent()
        while statistics.tcp_connections.value:
            give_way()
    assert seen[0] >= _MANY - 1
    assert max(before - after for before, after in pairwise(seen)) == 1
