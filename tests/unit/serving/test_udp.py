"""The UDP service where something fails: a socket that cannot be read, and a batch that cannot be answered."""

from __future__ import annotations

import errno
import socket
import time

import gevent
import pytest

from streamdns.addresses import Address
from streamdns.consumer.propagation import Propagation
from streamdns.metrics.registry import Registry
from streamdns.runtime.listening import InetListener
from streamdns.serving import udp
from streamdns.serving.batches import Batches
from streamdns.serving.limiter import ResponseLimiter
from streamdns.serving.responder import Responder
from streamdns.serving.statistics import Statistics
from streamdns.settings import load
from tests.unit.dns.answering import EXAMPLE, Memory, answerer


class Unreadable:
    """Datagrams of a socket that fails whenever it is read."""

    def __init__(self) -> None:
        self.tried = 0

    def receive(self, at_most: int = 0) -> list[bytes]:
        self.tried += 1
        raise OSError(errno.EIO, "it fails")


def test_a_socket_that_fails_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not in every turn of the loop, however often it has failed before: others have their turn, too."""
    pause_s = 0.05
    monkeypatch.setattr(udp, "_PAUSE_AFTER_FAILURE_S", pause_s)
    registry = Registry()
    answers, limiter = answerer(Memory(EXAMPLE)), ResponseLimiter(load({}), registry)
    statistics = Statistics(registry, Propagation(registry, time.time))
    server = udp.UdpServer(
        InetListener("DNS_ADDRESS", Address("127.0.0.1", 0), socket.SOCK_DGRAM),
        answerer=answers, take_snapshot=lambda: Memory(EXAMPLE), statistics=statistics, batch=8, limiter=limiter,
    )
    server.start()
    try:
        sock = server._socket
        assert sock is not None
        fails = Unreadable()
        failing = Batches(
            fails, server._responder, answerer=answers, statistics=statistics, limiter=limiter, most=8
        )
        monkeypatch.setattr(server, "_batches", failing)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", sock.getsockname())
        while fails.tried < 4:
            gevent.sleep(pause_s)
        assert not server.ready()
        assert fails.tried < 20, "in every turn that is some thousand times"
        monkeypatch.undo()
        while not server.ready():
            gevent.sleep(pause_s)
    finally:
        server.stop()


class Counted(Memory):
    """A snapshot that counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.plain
@pytest.mark.parametrize("method", ["bind", "unbind"])
def test_a_snapshot_is_closed_whatever_fails(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """One that is not would hold pages of the view for ever."""
    snapshot, registry = Counted(EXAMPLE), Registry()
    answers = answerer(snapshot)
    responder = Responder(answers, lambda: snapshot, Statistics(registry, Propagation(registry, time.time)))

    def fail(*_: object) -> None:
        raise RuntimeError("it fails")

    monkeypatch.setattr(answers, method, fail)
    with pytest.raises(RuntimeError):
        responder.answer([b"x" * 12], False)
    assert snapshot.closed == 1
